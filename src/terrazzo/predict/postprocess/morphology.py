"""Opening and closing of one class after another by a disc (Serra 1982, chapter II).

Opening takes away what no disc fits into (spurs, bridges, specks): such a pixel becomes the class of the
nearest pixel of another class. Closing adds what no disc outside of the class reaches (gaps, notches).
What lies outside of the image counts for neither, so that nothing is cut off at its edge; both stay
idempotent, for erosion and dilation stay adjoint (Heijmans and Ronse 1990).

Shapes: H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.postprocess.arguments import written
from terrazzo.predict.postprocess.clusters import bounding_box
from terrazzo.predict.postprocess.step import State


@dataclass(frozen=True)
class Morphology:
    """Open or close classes, in the order of the label map: each sees what those before it left."""

    name: Literal["open", "close"]
    radii: Mapping[str, int]
    """Class name to the disc's radius, pixels; every class, 0 where nothing is done."""

    default: int
    """The radius of the classes that were not named."""

    volumes = False
    labels_anew = False

    @property
    def words(self) -> str:
        """As it would be asked for."""
        named = {name: str(radius) for name, radius in self.radii.items() if radius != self.default}
        return f"{self.name}={written(str(self.default) if self.default else None, named) or '0'}"

    def __call__(self, state: State) -> State:
        """Do it."""
        change = open_class if self.name == "open" else close_class
        ids = state.ids
        for k, radius in enumerate(self.radii.values()):
            ids = change(ids, k, radius)
        return state.relabelled(ids)


def disc(radius: int) -> NDArray[np.uint8]:
    """Return the pixels no further than `radius` from the middle one: (2r + 1, 2r + 1) of 0 and 1."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    inside: NDArray[np.uint8] = (y**2 + x**2 <= radius**2).astype(np.uint8)
    return inside


def close_class(ids_HW: NDArray[Any], k: int, radius: int) -> NDArray[Any]:
    """Return labels with class k closed: what closing adds was another class before."""
    import cv2

    box = _grown(ids_HW, k, 2 * radius)
    if box is None:
        return ids_HW
    mask = (ids_HW[box] == k).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc(radius))
    result_HW = ids_HW.copy()
    result_HW[box][closed > 0] = k
    return result_HW


def open_class(ids_HW: NDArray[Any], k: int, radius: int) -> NDArray[Any]:
    """Return labels with class k opened: what opening takes away is the nearest other class."""
    import cv2

    box = _grown(ids_HW, k, radius)
    if box is None:
        return ids_HW
    mask = (ids_HW[box] == k).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc(radius))
    rows, columns = np.nonzero(mask > opened)
    result_HW = ids_HW.copy()
    result_HW[box][rows, columns] = _nearest_other(ids_HW[box], k, rows, columns, radius)
    return result_HW


def _grown(ids_HW: NDArray[Any], k: int, margin: int) -> tuple[slice, slice] | None:
    """Return the box of a class with a margin, within the image; None where there is nothing to do."""
    box = bounding_box(ids_HW == k) if margin else None
    if box is None:
        return None
    rows, columns = (
        slice(max(0, part.start - margin), min(side, part.stop + margin))
        for part, side in zip(box, ids_HW.shape, strict=True)
    )
    return rows, columns


def _nearest_other(
    ids_HW: NDArray[Any], k: int, rows: NDArray[np.intp], columns: NDArray[np.intp], radius: int
) -> NDArray[Any]:
    """Return the class of the nearest pixel that is not k; of equally near ones the first in reading order.

    One is within the radius: otherwise the disc about the pixel would lie in the class, and opening keep it.
    """
    found = np.full(len(rows), k, ids_HW.dtype)
    away = np.argwhere(disc(radius)) - radius
    for dy, dx in away[np.argsort((away**2).sum(axis=1), kind="stable")].tolist():
        open_ = np.flatnonzero(found == k)
        y, x = rows[open_] + dy, columns[open_] + dx
        inside = (y >= 0) & (y < ids_HW.shape[0]) & (x >= 0) & (x < ids_HW.shape[1])
        found[open_[inside]] = ids_HW[y[inside], x[inside]]
    return found
