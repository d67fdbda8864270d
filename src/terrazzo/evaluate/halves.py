"""Divide images into two halves that share as little as possible: one to fit on, one to judge on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from terrazzo.core import RequestError

RUNS: Final = 10
"""Runs of consecutive images where there are no groups to divide: every other run is judged."""

SMALLEST: Final = 0.2
"""The share of the images that the smaller half must have for groups to be kept whole."""


@dataclass(frozen=True)
class Halves:
    """Which images are in which half, as places in the dataset."""

    fitted: tuple[int, ...]
    judged: tuple[int, ...]
    by: str
    """What was kept whole, in words."""

    note: str = ""
    """What a reader must know of the division; empty where nothing is special."""


def divide(groups: Sequence[str | None]) -> Halves:
    """Divide images in two: whole groups where groups are known, else interleaved runs of consecutive images.

    The same images are always divided alike.

    Args:
        groups: the scene or video of each image, in the dataset's order; None where unknown, and then the
            image stands for itself.

    Raises:
        RequestError: there are fewer than two images.
    """
    if len(groups) < 2:
        raise RequestError(
            f"The data has {len(groups)} image{'' if len(groups) == 1 else 's'}; half of the images are "
            "fitted on and the other half judges, so at least two are needed. Give more images."
        )
    known = {group for group in groups if group is not None}
    if not known:
        return _runs(len(groups), "")
    halves = _whole_groups(groups)
    if min(len(halves.fitted), len(halves.judged)) >= SMALLEST * len(groups):
        return halves
    what = "one group" if len(known) == 1 else "one group that is nearly all of the data"
    return _runs(
        len(groups),
        f"The images are of {what}, so both halves show the same scene: "
        "what is found may not hold elsewhere.",
    )


def _whole_groups(groups: Sequence[str | None]) -> Halves:
    """Put each group, the largest first, into the half that has fewer images."""
    members: dict[tuple[str, str], list[int]] = {}
    for place, group in enumerate(groups):
        key = ("image", f"{place:09}") if group is None else ("group", group)
        members.setdefault(key, []).append(place)
    halves: tuple[list[int], list[int]] = [], []
    for _, places in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        min(halves, key=len).extend(places)
    fitted, judged = (tuple(sorted(half)) for half in halves)
    return Halves(fitted, judged, f"whole groups ({len(members)})")


def _runs(count: int, note: str) -> Halves:
    """Interleave runs of consecutive images, so that neighbours, which are alike, are mostly in one half."""
    length = -(-count // RUNS)
    run_of = [place // length for place in range(count)]
    fitted = tuple(place for place in range(count) if run_of[place] % 2 == 0)
    judged = tuple(place for place in range(count) if run_of[place] % 2 == 1)
    return Halves(fitted, judged, f"interleaved runs of consecutive images (of {length})", note)
