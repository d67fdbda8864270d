"""A comparison in one sentence: what is shown, or how much more would be needed to show anything."""

import math

from terrazzo.metrics import Paired
from terrazzo.metrics.units import Units

POINT = 0.01
"""A point of mIoU: what people call a difference worth having."""


def in_words(paired: Paired) -> str:
    """Say which side is better and by how much, or how many more images, groups or frames it would take.

    Args:
        paired: the difference of a score, b - a.
    """
    difference, low, high = (100 * float(value) for value in (paired.difference, paired.low, paired.high))
    if math.isnan(difference):
        return "Nothing could be compared: no pixel of the ground truth counts."
    if math.isnan(low):
        return f"B's score minus A's is {difference:.1f} points; no interval exists, so nothing is shown."
    if low > 0:
        return f"B is better by {difference:.1f} points, 95 % interval {low:.1f} to {high:.1f}."
    if high < 0:
        return f"A is better by {-difference:.1f} points, 95 % interval {-high:.1f} to {-low:.1f}."
    said = f"No difference shown (B - A {difference:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}); "
    return said + _needed(paired.more_units(POINT), paired.units)


def _needed(more: int | None, units: Units) -> str:
    """Say what it would take to show a point with 80 % power."""
    if more is None:
        return "the runs vary so much that no number of images would show 1 point: train more runs."
    if more == 0:
        return "a difference of 1 point would most likely have been seen."
    if units.kind == "block":
        return f"{more * units.length} more frames would be needed to show 1 point."
    one, many = ("image", "images") if units.kind == "image" else ("group", "groups")
    return f"{more} more {one if more == 1 else many} would be needed to show 1 point."
