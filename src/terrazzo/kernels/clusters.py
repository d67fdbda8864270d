"""Clusters of a label map (connected pixels of one class), and what becomes of those that are dropped.

Two pixels of one class are in one cluster where they touch, corners included (8 neighbours; 26 in a volume).
A dropped cluster becomes the class that shares most of its border, counted in pixel sides; of two that share
alike the first by number. The smallest goes first, of equal ones the first in reading order, and clusters
that touch their own class thereby are one from then on: of several specks side by side one may swallow the
others, and then be large enough to stay.

Large maps go through compiled loops (`kernels.cpu.clusters`); small ones, and all where numba is missing,
through scipy and plain Python (`kernels.plain_clusters`), to the same labels.

Shapes: H x W pixels or D x H x W voxels, C clusters, K classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu import compiled_room

Chosen = Callable[[NDArray[np.int64], NDArray[np.int32]], NDArray[np.bool_]]
"""From areas (C,) and classes (C,) of all clusters to which of them are to be dropped (C,)."""

_ALWAYS = np.iinfo(np.int64).max
_SMALL = 1 << 10
"""Pixels up to which importing numba would cost more than it gives."""


def drop_clusters(ids: NDArray[Any], min_area_K: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Drop clusters below an area; what is left has none, unless the whole map is one.

    Args:
        ids: (H, W) or (D, H, W) class ids 0..K-1.
        min_area_K: the smallest cluster of each class that stays, pixels; 0 drops none of that class.

    Returns:
        The same shape and type; `ids` itself where nothing is dropped.
    """
    least_K = np.asarray(min_area_K, np.int64)
    return _dissolve(ids, lambda area_C, class_C: area_C < least_K[class_C], least_K)


def keep_largest(ids: NDArray[Any], only_K: NDArray[np.bool_]) -> NDArray[Any]:
    """Drop all clusters of some classes but the largest of each, of equal ones the first in reading order.

    Args:
        ids: (H, W) or (D, H, W) class ids 0..K-1.
        only_K: whether only the largest cluster of a class stays.

    Returns:
        The same shape and type; `ids` itself where nothing is dropped.
    """

    def all_but_largest(area_C: NDArray[np.int64], class_C: NDArray[np.int32]) -> NDArray[np.bool_]:
        loose_C = np.asarray(only_K)[class_C]
        by_size = np.lexsort((np.arange(len(area_C)), -area_C, class_C))
        firsts = np.unique(class_C[by_size], return_index=True)[1]
        loose_C[by_size[firsts]] = False
        return loose_C

    return _dissolve(ids, all_but_largest, np.where(only_K, _ALWAYS, 0))


def _dissolve(ids: NDArray[Any], choose: Chosen, enough_K: NDArray[np.int64]) -> NDArray[Any]:
    if not ids.size or not enough_K.any():
        return ids
    room = compiled_room("clusters") if ids.size > _SMALL else None
    if room is None:
        from terrazzo.kernels.plain_clusters import dissolve

        return dissolve(ids, choose, enough_K)
    height, width = ids.shape[-2:]
    ids_LW = np.ascontiguousarray(ids).reshape(-1, width)
    start_R, class_R, first_L = room.find_runs(ids_LW)
    cluster_R, area_C, class_C = room.join_runs(start_R, class_R, first_L, height, width)
    loose_C = choose(area_C, class_C)
    if not loose_C.any():
        return ids
    borders = room.find_borders(start_R, cluster_R, first_L, loose_C, height, width)
    became_C = room.dissolve(area_C, class_C.copy(), loose_C, enough_K, *borders)
    result_LW = ids_LW.copy()
    room.paint(result_LW, start_R, cluster_R, first_L, class_C, became_C)
    return result_LW.reshape(ids.shape)
