"""Steps on clusters (connected pixels of one class): small ones dropped, holes filled, the largest kept.

Connected means corners included, 8 neighbours (26 in a volume); a hole in such a cluster is then connected
by sides alone (Rosenfeld and Pfaltz 1966: the two need opposite connectivity, or a diagonal line would
let the inside out).

Shapes: H x W pixels, D x H x W voxels, K classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.clusters import drop_clusters, keep_largest
from terrazzo.predict.postprocess.area import Areas
from terrazzo.predict.postprocess.step import State


@dataclass(frozen=True)
class DropClusters:
    """Clusters below an area become the class about them; see `terrazzo.kernels.clusters`."""

    areas: Areas
    name = "drop-clusters"
    volumes = True
    labels_anew = False

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.name}={self.areas.words}"

    def __call__(self, state: State) -> State:
        """Drop them."""
        return state.relabelled(drop_clusters(state.ids, self.areas.per_class(state.ids.size)))


@dataclass(frozen=True)
class Largest:
    """Of some classes only the largest cluster stays; the others become the class about them."""

    classes: tuple[str, ...]
    """Names, in the order of the label map."""

    only: tuple[bool, ...]
    """Of each class, whether it is one of them."""

    name = "largest"
    volumes = True
    labels_anew = False

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.name}={','.join(self.classes)}"

    def __call__(self, state: State) -> State:
        """Keep them."""
        return state.relabelled(keep_largest(state.ids, np.array(self.only)))


@dataclass(frozen=True)
class FillHoles:
    """Holes below an area, whatever is in them, become the class that has them: one class after another."""

    areas: Areas
    name = "fill-holes"
    volumes = False
    labels_anew = False

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.name}={self.areas.words}"

    def __call__(self, state: State) -> State:
        """Fill them."""
        ids = state.ids
        for k, area in enumerate(self.areas.per_class(ids.size).tolist()):
            ids = fill_holes(ids, k, area)
        return state.relabelled(ids)


def fill_holes(ids_HW: NDArray[Any], k: int, below: int) -> NDArray[Any]:
    """Return labels in which holes of class k of fewer than `below` pixels are class k.

    A hole is a stretch of pixels of other classes, connected by sides, that does not reach the image's edge.
    """
    import cv2

    box = bounding_box(ids_HW == k) if below > 1 else None
    if box is None:
        return ids_HW
    # Outside of the box there is none of class k: what reaches the box's edge is no hole.
    others = (ids_HW[box] != k).astype(np.uint8)
    _, parts_HW, stats, _ = cv2.connectedComponentsWithStats(others, connectivity=4, ltype=cv2.CV_32S)
    left, top, width, height, area = stats.T
    inside = (left > 0) & (top > 0) & (left + width < others.shape[1]) & (top + height < others.shape[0])
    filled = inside & (area < below)
    filled[0] = False  # the pixels of class k themselves
    if not filled.any():
        return ids_HW
    result_HW = ids_HW.copy()
    result_HW[box][filled[parts_HW]] = k
    return result_HW


def bounding_box(mask_HW: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the rows and columns that hold all of a mask; None of an empty one."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
