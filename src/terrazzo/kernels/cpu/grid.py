"""Which output rows and columns lie between which logits: the definition of `core.prediction.upsample`.

Shapes: h x w logits, H x W full size. A *band* is all output rows that read logit rows r and r + 1; a *run*
is a part of a band in which the share of row r + 1 grows by the same step from row to row.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 64
"""Output columns that are worked on together: a multiple of every vector register's width."""

MAX_ROWS = 16
"""Longest run, rows: what is kept per run must stay in the first-level cache."""

FOUR = 4 * TILE
"""Values per row of output pixels are kept four rows to a line, (MAX_ROWS / 4, FOUR): the compiler then sees
four rows a known distance apart."""


@dataclass(frozen=True)
class Grid:
    """The rows and columns of one image size, as arrays that compiled loops take."""

    band_starts: NDArray[np.int64]
    """Band i holds the runs band_starts[i]..band_starts[i + 1] - 1; bands are in the order of their rows."""

    runs: NDArray[np.int64]
    """Per run: logit row above, logit row below, first output row, number of output rows."""

    shares: NDArray[np.float32]
    """Per run: share of the logit row below at the first output row, and its step from row to row."""

    left: NDArray[np.int64]
    """(tiles, TILE) per column: the logit to its left. There are columns beside the image: see `origin`."""

    right: NDArray[np.int64]
    """Per column: the logit to its right."""

    share: NDArray[np.float32]
    """Per column: the share of the logit to its right."""

    origin: int
    """The first column's place in the image, 0 or less; the last is such that TILE divides their number."""

    group: int
    """So many neighbouring columns, counted from the first, lie between the same two logits: 1, 2, 4 or 8."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The fields in order, as the loops take them."""
        columns = (self.left, self.right, self.share, self.origin, self.group)
        return (self.band_starts, self.runs, self.shares, columns)

    @property
    def bands(self) -> int:
        """The number of bands."""
        return len(self.band_starts) - 1


@lru_cache(maxsize=64)
def grid_of(size: tuple[int, int], stride: int, align_corners: bool) -> Grid:
    """Return the grid of an image of (H, W) whose logits are at a stride."""
    upper, lower, share_H = _interpolation(np.arange(size[0]), size[0], stride, align_corners)
    # Half a stride before the image the first whole group begins; with corners aligned there are no groups.
    origin = 0 if align_corners else -(stride // 2)
    group = 1 if align_corners or stride == 1 else math.gcd(stride, 8)
    columns = -(-(size[1] - origin) // TILE) * TILE
    left, right, share_W = _interpolation(np.arange(columns) + origin, size[1], stride, align_corners)
    runs, shares = _runs(upper, lower, share_H)
    changes = np.flatnonzero(np.diff(runs[:, 0])) + 1
    return Grid(
        band_starts=np.concatenate([[0], changes, [len(runs)]]).astype(np.int64),
        runs=runs,
        shares=shares,
        left=left.reshape(-1, TILE),
        right=right.reshape(-1, TILE),
        share=share_W.astype(np.float32).reshape(-1, TILE),
        origin=origin,
        group=group,
    )


def _interpolation(
    position: NDArray[np.int64], side: int, stride: int, align_corners: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return, per output position, the two logits it lies between and the share of the second."""
    count = -(-side // stride)
    if align_corners:
        source = position * (count - 1) / max(count * stride - 1, 1)
    else:
        source = np.maximum((position + 0.5) / stride - 0.5, 0.0)
    first = np.minimum(source.astype(np.int64), count - 1)
    second = np.minimum(first + 1, count - 1)
    return first, second, np.where(second > first, source - first, 0.0)


def _runs(
    upper: NDArray[np.int64], lower: NDArray[np.int64], share: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cut the output rows into runs."""
    runs: list[tuple[int, int, int, int]] = []
    shares: list[tuple[float, float]] = []
    first = 0
    while first < len(upper):
        last = first + 1
        while (
            last < len(upper)
            and last - first < MAX_ROWS
            and upper[last] == upper[first]
            and abs((share[last] - share[last - 1]) - (share[first + 1] - share[first])) < 1e-9
        ):
            last += 1
        runs.append((upper[first], lower[first], first, last - first))
        shares.append((share[first], share[first + 1] - share[first] if last - first > 1 else 0.0))
        first = last
    return np.array(runs, dtype=np.int64), np.array(shares, dtype=np.float32)
