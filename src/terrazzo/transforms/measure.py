"""Measuring how much an operation changes pictures: what strengths are calibrated by."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.randomness import Stream, generator
from terrazzo.transforms.apply import apply_alone, whole_view
from terrazzo.transforms.catalogue import OPERATIONS
from terrazzo.transforms.operation import Bend, Mix, Move, Pixels
from terrazzo.transforms.strengths import GRID, amount_at

Pair = tuple[Pixels, Pixels]
"""Image (H, W, C) and mask (H, W) of train ids; all of one size."""

OUTSIDE = 255
"""Fills what geometry brings in from outside; not a train id of the pairs that are measured on."""


def change_at(
    kind: str, strength: float, pairs: Sequence[Pair], *, draws: int = 4, seed: int = 0, raw: bool = False
) -> float:
    """Return the mean image change of an operation, a share of the pixel range.

    Args:
        kind: its name.
        strength: 0..1.
        pairs: what to measure on.
        draws: how often each pair is changed.
        seed: of the draws.
        raw: whether `strength` is the amount before calibration.
    """
    amount = strength if raw else amount_at(kind, strength)
    changes = [
        _one_change(kind, amount, pairs, index, generator(seed, Stream.TRANSFORM, draw, index))
        for index in range(len(pairs))
        for draw in range(draws)
    ]
    return float(np.mean(changes))


def calibrated(
    kind: str, pairs: Sequence[Pair], *, draws: int = 4, steps: int = 24
) -> tuple[float, list[float]]:
    """Return the change at strength 1 and the amounts at `GRID` that make the change a straight line.

    The amounts come from the inverse of the measured curve, made monotone, over `steps` even steps.
    """
    if OPERATIONS[kind].on_off:  # how often something happens is a straight line by itself
        return change_at(kind, 1.0, pairs, draws=draws, raw=True), GRID.tolist()
    amounts = np.linspace(0, 1, steps + 1)
    curve = np.array([change_at(kind, float(a), pairs, draws=draws, raw=True) for a in amounts])
    rising = np.maximum.accumulate(curve - curve[0])
    # A hair of slope keeps flat parts invertible.
    rising += 1e-9 * np.arange(len(rising))
    found = np.interp(GRID * rising[-1], rising, amounts)
    return float(rising[-1]), [round(float(value), 4) for value in found]


def _one_change(
    kind: str, amount: float, pairs: Sequence[Pair], index: int, rng: np.random.Generator
) -> float:
    image, mask = pairs[index]
    # What is on or off is measured when it is on, and counts as often as it happens.
    share = amount if OPERATIONS[kind].on_off else 1.0
    drawn = OPERATIONS[kind].draw(1.0 if OPERATIONS[kind].on_off else amount, rng)
    if drawn is None:
        return 0.0
    count = drawn.partners if isinstance(drawn, Mix) else 0
    others = [pairs[(index + 1 + k) % len(pairs)] for k in range(count)]
    after, inside = apply_alone(drawn, image, mask, others, OUTSIDE), _seen(drawn, mask)
    view = whole_view(image)
    apart = np.abs(after[0].astype(np.float32) - image.astype(np.float32)).mean(axis=2)
    return share * float(apart[inside].mean() / (view.high - view.low)) if inside.any() else 0.0


def _seen(drawn: object, mask: Pixels) -> NDArray[np.bool_]:
    """Mark the pixels that show something of the scene after a move or bend."""
    if not isinstance(drawn, Move | Bend):
        return np.ones(mask.shape, dtype=np.bool_)
    nothing = np.zeros(mask.shape, dtype=np.uint8)
    moved = apply_alone(drawn, nothing[..., None], nothing, [], OUTSIDE)[1]
    return np.asarray(moved != OUTSIDE)
