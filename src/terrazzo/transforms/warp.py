"""All geometry in one warp: from the source picture straight to the crop, sampled once.

Moves are matrices and are multiplied; a bend between them is followed back point by point. Images are
sampled bilinearly (after an area average where they shrink), masks nearest, and what lies outside the source
is void. Coordinates are (x, y) with pixel centres at whole numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core.resize import by_channels
from terrazzo.transforms.geometric import Window, pad_value
from terrazzo.transforms.operation import Bend, Field, Matrix, Move, Pixels

Points = NDArray[np.float64]

SHRINK = 0.75
"""Below this scale the source is averaged first, as in `core.resize`."""

MARGIN = 2
"""Source pixels kept around what is needed, for the interpolation."""


@dataclass(frozen=True)
class Course:
    """The way from source to crop: a matrix, then bends with the matrix that follows each."""

    first: Matrix
    rest: tuple[tuple[Field, Matrix], ...]

    @property
    def matrix(self) -> Matrix:
        """All matrices multiplied: the whole course where nothing bends, nearly so where something does."""
        total = self.first
        for _, after in self.rest:
            total = after @ total
        return total

    def back(self, points: Points) -> Points:
        """Return where crop points (..., 2) lie in the source."""
        for field, after in reversed(self.rest):
            points = map_points(np.linalg.inv(after), points)
            points = points + _look_up(field, points)
        return map_points(np.linalg.inv(self.first), points)


def plan_course(window: Window, steps: Sequence[Move | Bend], crop: tuple[int, int]) -> Course:
    """Join a window and the geometry that follows it, in order.

    Args:
        window: the part of the source that the crop shows before anything moves.
        steps: what happens then, on a frame of the crop's size.
        crop: (h, w).
    """
    first, rest = window_matrix(window, crop), []
    for step in steps:
        if isinstance(step, Bend):
            rest.append((step.displacement(crop), np.eye(3)))
        elif rest:
            rest[-1] = (rest[-1][0], step.matrix(crop) @ rest[-1][1])
        else:
            first = step.matrix(crop) @ first
    return Course(first, tuple(rest))


def window_matrix(window: Window, crop: tuple[int, int]) -> Matrix:
    """Return the matrix from source pixels to the pixels of a crop that shows a window."""
    down, across = crop[0] / window.height, crop[1] / window.width
    return np.array(
        [
            [across, 0, (0.5 - window.left) * across - 0.5],
            [0, down, (0.5 - window.top) * down - 0.5],
            [0, 0, 1],
        ]
    )


def map_points(matrix: NDArray[np.floating[Any]], points: Points) -> Points:
    """Apply a 3 x 3 matrix to points (..., 2)."""
    if tuple(matrix[2]) == (0, 0, 1):
        return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2])
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:])


def warp(
    image: Pixels, mask: Pixels, course: Course, crop: tuple[int, int], void: int
) -> tuple[Pixels, Pixels]:
    """Follow a course.

    Args:
        image: (H, W, C), any dtype.
        mask: (H, W) train ids.
        course: from source to crop.
        crop: (h, w) of the result.
        void: the train id of what lies outside the source.

    Returns:
        Image (h, w, C) and mask (h, w), new arrays of the dtypes that came in.
    """
    places = course.back(_grid(crop)) if course.rest else course.back(_rim(crop))
    rows, columns = _needed(places, mask.shape)
    part, labels = image[rows, columns], mask[rows, columns]
    moved = shift(-columns.start, -rows.start)
    scale = float(np.sqrt(abs(np.linalg.det(course.matrix[:2, :2]))))
    shrunk, smaller = _shrunk(part, scale)
    return (
        _sample(shrunk, course, places, smaller @ moved, crop, cv2.INTER_LINEAR, pad_value(image.dtype)),
        _sample(labels, course, places, moved, crop, cv2.INTER_NEAREST, void),
    )


def shift(x: float, y: float) -> Matrix:
    """Return the matrix that moves points by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def around(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """Return a matrix that does around the middle of a picture what the given one does around (0, 0)."""
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    return np.asarray(shift(x, y) @ matrix @ shift(-x, -y))


def _sample(
    part: Pixels,
    course: Course,
    places: Points,
    local: Matrix,
    crop: tuple[int, int],
    method: int,
    border: float,
) -> Pixels:
    """Sample a part of the source; `local` leads from source points to points of the part."""
    fill = (border,) * 4
    if course.rest:
        x, y = np.moveaxis(map_points(local, places).astype(np.float32), -1, 0)
        maps = (np.ascontiguousarray(x), np.ascontiguousarray(y))

        def bend(pixels: Pixels) -> Pixels:
            return np.asarray(cv2.remap(pixels, *maps, method, borderValue=fill))

        return bend(part) if part.ndim == 2 else by_channels(part, bend)
    back = local @ np.linalg.inv(course.first)
    flags, size = method | cv2.WARP_INVERSE_MAP, crop[::-1]

    def move(pixels: Pixels) -> Pixels:
        if np.allclose(back[2], (0, 0, back[2, 2]), atol=1e-12):
            return np.asarray(
                cv2.warpAffine(pixels, back[:2] / back[2, 2], size, flags=flags, borderValue=fill)
            )
        return np.asarray(cv2.warpPerspective(pixels, back, size, flags=flags, borderValue=fill))

    return move(part) if part.ndim == 2 else by_channels(part, move)


def _shrunk(part: Pixels, scale: float) -> tuple[Pixels, Matrix]:
    """Return the part averaged to about the crop's scale, and the matrix that leads there."""
    if scale >= SHRINK:
        return np.ascontiguousarray(part), np.eye(3)
    size = tuple(max(1, round(side * scale)) for side in part.shape[:2])
    small = by_channels(
        part, lambda pixels: np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))
    )
    down, across = size[0] / part.shape[0], size[1] / part.shape[1]
    return small, np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1]])


def _needed(places: Points, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of the source that are looked at; at least one of each."""
    flat = places.reshape(-1, 2)
    low, high = np.floor(flat.min(axis=0)) - MARGIN, np.ceil(flat.max(axis=0)) + MARGIN + 1
    ends = []
    for first, last, side in ((low[1], high[1], size[0]), (low[0], high[0], size[1])):
        start = int(np.clip(first, 0, side - 1))
        ends.append(slice(start, int(np.clip(last, start + 1, side))))
    return ends[0], ends[1]


def _grid(crop: tuple[int, int]) -> Points:
    """Return every pixel of a crop as (h, w, 2)."""
    y, x = np.mgrid[: crop[0], : crop[1]].astype(np.float64)
    return np.stack([x, y], axis=-1)


def _rim(crop: tuple[int, int]) -> Points:
    """Return the four corners: what lies between them stays between them, where lines stay straight."""
    bottom, right = crop[0] - 1, crop[1] - 1
    return np.array([(0, 0), (right, 0), (0, bottom), (right, bottom)], dtype=np.float64)


def _look_up(field: Field, points: Points) -> Points:
    """Return the displacement (..., 2) at points of a frame; beyond its edge that of the edge."""
    x, y = np.moveaxis(points.astype(np.float32), -1, 0)
    found = cv2.remap(
        field,
        np.ascontiguousarray(x),
        np.ascontiguousarray(y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, dtype=np.float64).reshape(points.shape)
