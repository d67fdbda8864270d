"""Dropping clusters as `kernels.clusters` defines it, in scipy and plain Python: slow, and simple to check.

Shapes: H x W pixels or D x H x W voxels, C clusters, K classes.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def dissolve(ids: NDArray[Any], choose: Callable[..., Any], enough_K: NDArray[np.int64]) -> NDArray[Any]:
    """Drop the chosen clusters; see `kernels.clusters`.

    Args:
        ids: (H, W) or (D, H, W) class ids.
        choose: from areas (C,) and classes (C,) to which clusters are dropped (C,).
        enough_K: pixels from which on a cluster that has grown stays.
    """
    clusters, class_C = find_clusters(ids)
    area_C = np.bincount(clusters.ravel())
    loose = {int(c) for c in np.flatnonzero(choose(area_C, class_C))}
    if not loose:
        return ids
    borders = find_borders(clusters)
    area, of_class = area_C.tolist(), class_C.tolist()
    stands_for = list(range(len(area)))
    while loose:
        c = min(loose, key=lambda cluster: (area[cluster], cluster))
        loose.remove(c)
        votes: Counter[int] = Counter()
        for other, faces in borders[c].items():
            votes[of_class[other]] += faces
        if not votes:
            break  # the whole map is one class
        taker = min(votes, key=lambda k: (-votes[k], k))
        joined = {c, *(other for other in borders[c] if of_class[other] == taker)}
        first = min(joined)
        firm = any(each not in loose and each != c for each in joined)
        area[first], of_class[first] = sum(area[each] for each in joined), taker
        loose -= joined
        if not firm and area[first] < enough_K[taker]:
            loose.add(first)
        _join(borders, joined, first)
        stands_for = [first if each in joined else each for each in stands_for]
    result: NDArray[Any] = np.array(of_class, ids.dtype)[np.array(stands_for)][clusters]
    return result


def find_clusters(ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return each pixel's cluster, counted in reading order, and each cluster's class (C,)."""
    from scipy.ndimage import label

    touching = np.ones((3,) * ids.ndim)
    parts = np.zeros(ids.shape, np.int64)
    for k in np.unique(ids):
        found, _ = label(ids == k, structure=touching)
        parts += np.where(found > 0, found + parts.max(), 0)
    _, first, inverse = np.unique(parts, return_index=True, return_inverse=True)
    order = np.argsort(first)
    clusters = np.argsort(order)[inverse].reshape(ids.shape)
    return clusters, ids.ravel()[np.sort(first)].astype(np.int32)


def find_borders(clusters: NDArray[np.int64]) -> list[Counter[int]]:
    """Return what each cluster touches, and the pixel sides (faces of voxels) that they share."""
    borders: list[Counter[int]] = [Counter() for _ in range(int(clusters.max()) + 1)]
    for step in itertools.product((-1, 0, 1), repeat=clusters.ndim):
        if step <= (0,) * clusters.ndim:
            continue
        here = clusters[
            tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(step, clusters.shape, strict=True))
        ]
        there = clusters[
            tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(step, clusters.shape, strict=True))
        ]
        faces = int(np.abs(step).sum() == 1)
        for a, b in zip(here[here != there].tolist(), there[here != there].tolist(), strict=True):
            borders[a][b] += faces
            borders[b][a] += faces
    return borders


def _join(borders: list[Counter[int]], joined: set[int], first: int) -> None:
    """Make one cluster of several."""
    together: Counter[int] = Counter()
    for each in joined:
        together.update(borders[each])
    for each in joined:
        together.pop(each, None)
    for other in together:
        mine = [borders[other].pop(each, 0) for each in joined]
        borders[other][first] = sum(mine)
    borders[first] = together
