"""What is independent in a dataset, and so is left out or drawn again as a whole: images, groups, or blocks.

* **group**: whole scenes or videos, where the dataset knows several. An image without a group is its own.
* **image**: where no group is known, or no two images share one.
* **block**: where all images are of one group. Nothing says then how other scenes would do, so no honest
  interval for those exists; what can be said is how the score varies along this one sequence. Blocks of
  consecutive frames keep what neighbours have in common (moving blocks, Künsch 1989; here circular, Politis
  and Romano 1992, so that each frame is in equally many blocks).

Block length, in frames, in the natural order of the ids (2 before 10): 1.3 sqrt(N), rounded up. This is the
truncation that Lazarus, Lewis, Stock and Watson 2018 (HAR inference: recommendations for practice) recommend
for tests; it is longer than what estimates the variance best, because a short block is overconfident.

Shapes: N images, U candidate units, K classes.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.metrics.scores import Floats, Margins

Unit = Literal["image", "group", "block"]

FEW_UNITS = 10
"""Below so many units an interval is rough: the note says so."""


@dataclass(frozen=True, eq=False)
class Units:
    """The independent parts of a dataset."""

    kind: Unit

    order: tuple[int, ...]
    """(N,) places of the images, sorted by id: nothing depends on the order in which they were counted."""

    member: NDArray[np.int64]
    """(N,) unit of each image, in that order; of blocks the frame's own number."""

    length: int
    """Frames per block; 1 where units are images or groups."""

    note: str
    """What a reader must know before trusting an interval; empty where nothing is special."""

    @property
    def candidates(self) -> int:
        """U: how many there are to draw from; of blocks one begins at each frame."""
        return len(np.unique(self.member))

    @property
    def independent(self) -> float:
        """How many units there are, q; of blocks N / length, which need not be whole."""
        return self.candidates / self.length

    @property
    def over(self) -> str:
        """What is drawn, in words."""
        if self.kind == "block":
            return f"blocks of {self.length} consecutive frames"
        return "images" if self.kind == "image" else f"groups ({self.independent:.0f})"

    def sums(self, margins_NK: Margins) -> Margins:
        """Add up the images of each candidate unit: (N, K), in `order`, -> (U, K).

        Blocks overlap: one begins at each frame, and the sequence is closed to a ring.
        """
        return Margins(*(self.add_up(part) for part in margins_NK.parts))

    def add_up(self, rows_NX: Floats) -> Floats:
        """Add up the rows of each candidate unit, as `sums`: (N, X), in `order`, -> (U, X)."""
        if self.kind == "image":
            return rows_NX
        if self.kind == "block":
            return _ring(rows_NX, self.length)
        return _by_member(rows_NX, self.member, self.candidates)


def find_units(ids: Sequence[str], groups: Sequence[str | None]) -> Units:
    """Say what is independent.

    Args:
        ids: the images, N of them.
        groups: the scene or video of each, None where unknown.
    """
    distinct = {
        ("image", id) if group is None else ("group", group) for id, group in zip(ids, groups, strict=True)
    }
    if len(distinct) == 1 and len(ids) > 1:
        return _blocks(ids, str(groups[0]))
    order = tuple(sorted(range(len(ids)), key=lambda i: ids[i]))
    if len(distinct) == len(ids):
        return Units("image", order, np.arange(len(ids)), 1, _few(len(ids), "image"))
    place = {key: unit for unit, key in enumerate(sorted(distinct))}
    keys = [("image", ids[i]) if groups[i] is None else ("group", str(groups[i])) for i in order]
    member = np.array([place[key] for key in keys], dtype=np.int64)
    return Units("group", order, member, 1, _few(len(distinct), "group"))


def block_length(images: int) -> int:
    """Return the frames per block of a sequence: 1.3 sqrt(N), rounded up; see the module."""
    return math.ceil(1.3 * math.sqrt(images))


def _blocks(ids: Sequence[str], group: str) -> Units:
    order = tuple(sorted(range(len(ids)), key=lambda i: natural(ids[i])))
    length = block_length(len(ids))
    note = (
        f"All {len(ids)} images come from one group ({group}): no honest interval exists for other scenes. "
        f"The interval is over blocks of {length} consecutive frames, and speaks of this sequence only."
    )
    few = " It is too short for an interval: two blocks are needed." if len(ids) < 2 * length else ""
    return Units("block", order, np.arange(len(ids)), length, note + few)


def natural(id: str) -> tuple[list[Any], str]:
    """Return a key that sorts numbers in names as numbers: frame_2 before frame_10."""
    parts = re.split(r"(\d+)", id)
    return [int(part) if position % 2 else part for position, part in enumerate(parts)], id


def _few(units: int, what: str) -> str:
    if units < 2:
        return "A single image says nothing about the spread: there is no interval."
    if units >= FEW_UNITS:
        return ""
    return f"Only {units} {what}s could be resampled: the interval is rough."


def _by_member(part_NK: Floats, member: NDArray[np.int64], units: int) -> Floats:
    """Sum the rows of each unit: (N, K) -> (U, K)."""
    sums_UK = np.zeros((units, part_NK.shape[1]))
    np.add.at(sums_UK, member, part_NK)
    return sums_UK


def _ring(part_NK: Floats, length: int) -> Floats:
    """Sum each stretch of `length` rows, going on at the start after the end: (N, K) -> (N, K)."""
    closed = np.concatenate([np.zeros_like(part_NK[:1]), part_NK, part_NK[: length - 1]]).cumsum(axis=0)
    return np.asarray(closed[length:] - closed[:-length])
