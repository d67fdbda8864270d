"""From drawn outlines to pixels: the one rasteriser of every polygon format.

The pixel rule: in the coordinates of annotation tools pixel (row, column) is the square from (column, row) to
(column + 1, row + 1). It belongs to a shape where its centre lies inside, by the even-odd rule; of a centre
on an edge the left and the upper edge count. So two shapes that share an edge neither overlap nor leave a
gap. The fill of OpenCV or Pillow also takes every pixel that the outline touches, and makes all objects about
half a pixel larger all around.

A shape too thin to hold any centre gets the pixels its outline passes through instead: nothing that somebody
drew vanishes.

Shapes: N points of a ring, H x W the image, h x w a patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError

Ring = NDArray[np.float64]
"""(N, 2) x, y of a closed outline in pixels from the upper left corner; the last point joins the first."""


@dataclass(frozen=True)
class Patch:
    """The pixels of one shape."""

    top: int
    left: int
    inside: NDArray[np.bool_]
    """(h, w), true where the shape is; row 0 is image row `top`."""

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.inside.sum())

    def stamp(self, canvas: NDArray[Any], value: int) -> None:
        """Write a value into a canvas (H, W) where the shape is."""
        height, width = self.inside.shape
        canvas[self.top : self.top + height, self.left : self.left + width][self.inside] = value


def ring_of(points: Any, source: str) -> Ring:
    """Return a ring from points as a file has them: (x, y) pairs, or one flat list x, y, x, y, ...

    Raises:
        DataError: they are no numbers, no pairs, not finite, or fewer than three; names the source.
    """
    try:
        flat = np.asarray(points, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        flat = np.empty(0)
    if len(flat) < 6 or len(flat) % 2 or not np.isfinite(flat).all():
        raise DataError(
            f"{source}: a polygon of {str(points)[:80]}; expected three or more points, each x and y in "
            "pixels. "
            "Draw it again, or delete it."
        )
    return flat.reshape(-1, 2)


def rectangle(
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    degrees: float = 0.0,
    around: tuple[float, float] | None = None,
) -> Ring:
    """Return the ring of a rectangle, turned clockwise around a point, its middle by default."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
    pivot = corners.mean(axis=0) if around is None else np.array(around)
    turned: Ring = (corners - pivot) @ _turn(degrees).T + pivot
    return turned


def fill(rings: Sequence[Ring], size: tuple[int, int]) -> Patch:
    """Return the pixels inside rings by the rule above; a ring within a ring is a hole.

    Args:
        rings: at least one.
        size: (H, W) of the image; what reaches beyond it is cut off.
    """
    points = np.concatenate(rings)
    top, left, bottom, right = _box(points, size)
    toggles = np.zeros((bottom - top, right - left + 1), dtype=np.bool_)
    for ring in rings:
        rows, columns = _crossings(ring, top, bottom)
        columns = (columns - left).clip(0, right - left)
        np.logical_xor.at(toggles, (rows - top, columns), True)
    inside = np.logical_xor.accumulate(toggles, axis=1)[:, :-1]
    if not inside.any():
        return _outline(rings, size)
    return Patch(top, left, inside)


def ellipse(
    center: tuple[float, float], radii: tuple[float, float], size: tuple[int, int], degrees: float = 0.0
) -> Patch:
    """Return the pixels whose centre is in an ellipse.

    Args:
        center: x and y, pixels.
        radii: along x and along y before turning, pixels.
        size: (H, W) of the image.
        degrees: turned clockwise by so much.
    """
    reach = max(radii)
    corners = np.array(center) + np.array([[-reach, -reach], [reach, reach]])
    top, left, bottom, right = _box(corners, size)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    offset = np.stack([x - center[0], y - center[1]], axis=-1) @ _turn(degrees)
    inside = ((offset / np.maximum(radii, 1e-9)) ** 2).sum(axis=-1) <= 1
    if not inside.any():
        return _outline([np.array([center], dtype=np.float64)], size)
    return Patch(top, left, inside)


def union(patches: Sequence[Patch], size: tuple[int, int]) -> Patch:
    """Return the pixels of any of several patches of one image (H, W)."""
    if len(patches) == 1:
        return patches[0]
    top = min(patch.top for patch in patches)
    left = min(patch.left for patch in patches)
    bottom = max(patch.top + patch.inside.shape[0] for patch in patches)
    right = max(patch.left + patch.inside.shape[1] for patch in patches)
    inside = np.zeros((min(bottom, size[0]) - top, min(right, size[1]) - left), dtype=np.bool_)
    for patch in patches:
        Patch(patch.top - top, patch.left - left, patch.inside).stamp(inside, True)
    return Patch(top, left, inside)


def placed(inside: NDArray[np.bool_], top: int, left: int, size: tuple[int, int], source: str) -> Patch:
    """Return a mask (h, w) that lies at (top, left) of an image as a patch.

    Raises:
        DataError: it reaches out of the image; names the source.
    """
    height, width = inside.shape
    if top < 0 or left < 0 or top + height > size[0] or left + width > size[1]:
        raise DataError(
            f"{source}: a mask of {height} x {width} at row {top}, column {left} reaches out of its image of "
            f"{size[0]} x {size[1]}. Do the annotation and the image belong together?"
        )
    return Patch(top, left, inside)


def _turn(degrees: float) -> NDArray[np.float64]:
    """Return the matrix that turns (x, y) clockwise as seen on a screen, where y points down."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _box(points: Ring, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of the pixels around points, within the image."""
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    top, bottom = (int(np.clip(v, 0, size[0])) for v in (low[1], high[1]))
    left, right = (int(np.clip(v, 0, size[1])) for v in (low[0], high[0]))
    return top, left, bottom, right


def _crossings(ring: Ring, top: int, bottom: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the ring crosses the middles of rows: the row, and the first column beyond it."""
    start, end = ring, np.roll(ring, -1, axis=0)
    down = (start[:, 1] < end[:, 1])[:, None]
    upper, lower = np.where(down, start, end), np.where(down, end, start)  # an edge is the same both ways
    first = np.ceil(upper[:, 1] - 0.5).clip(top, bottom).astype(np.intp)
    last = np.ceil(lower[:, 1] - 0.5).clip(top, bottom).astype(np.intp)
    counts = last - first
    edge = np.repeat(np.arange(len(ring)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (rows + 0.5 - upper[edge, 1]) / (lower[edge, 1] - upper[edge, 1])
    x = upper[edge, 0] + share * (lower[edge, 0] - upper[edge, 0])
    return rows, np.ceil(x - 0.5).astype(np.intp)


def _outline(rings: Sequence[Ring], size: tuple[int, int]) -> Patch:
    """Return the pixels that rings pass through, within the image; perhaps none."""
    canvas = np.zeros(size, dtype=np.bool_)
    for ring in rings:
        end = np.roll(ring, -1, axis=0)
        steps = int(np.ceil(2 * np.abs(end - ring).max(initial=0))) + 1
        share = np.linspace(0, 1, steps + 1)[:, None, None]
        x, y = np.floor(ring + share * (end - ring)).astype(np.intp).reshape(-1, 2).T
        within = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
        canvas[y[within], x[within]] = True
    return Patch(0, 0, canvas)
