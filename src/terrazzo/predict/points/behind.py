"""Clusters that are not the object but what is seen beside it through its mask.

The scanner is some way from the camera, and masks have soft edges: a few points of the background, far behind
an object, project into its pixels (the more, the rougher the mask: of a box around a person a third is
background). Clustering parts them from the object, for the gap in range is wide, but they stay a cluster of
that class. Such a cluster lies within the nearer one's rectangle in the image. A second object further back
nearly always sticks out somewhere; one that does not is lost with them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.points.cluster import NONE
from terrazzo.predict.points.project import Projection

MARGIN = 6
"""Pixels by which a cluster's rectangle is widened: the gap between two layers of KITTI's scanner in its
image is 5 (0.4 degrees at a focal length of 707 pixels), and the mask reaches so far beyond the last point.
"""

WITHIN = 0.9
"""Share of a cluster's points in a nearer one's rectangle from which on it counts as seen through it."""


def drop_behind(
    clusters_N: NDArray[np.int32], labels_N: NDArray[np.integer[Any]], projection: Projection
) -> NDArray[np.int32]:
    """Drop clusters that lie, in the image, within a nearer cluster of their class; number the others anew.

    Args:
        clusters_N: (N,) cluster of each point, the nearest 0, as `cluster` gives them; -1 for none.
        labels_N: (N,) class of each point.
        projection: where the points fall in the image.
    """
    pixels = np.column_stack([projection.row, projection.column])
    count = int(clusters_N.max(initial=NONE)) + 1
    members = [pixels[clusters_N == c] for c in range(count)]
    kinds = [int(labels_N[clusters_N == c][0]) for c in range(count)]
    kept = np.array(
        [
            not any(kinds[near] == kinds[c] and _within(members[c], members[near]) for near in range(c))
            for c in range(count)
        ]
        + [False],
        dtype=np.bool_,
    )
    numbers = np.where(kept, np.cumsum(kept) - 1, NONE).astype(np.int32)
    left: NDArray[np.int32] = numbers[clusters_N]
    return left


def _within(pixels_M2: NDArray[np.int64], nearer_M2: NDArray[np.int64]) -> bool:
    """Say whether pixels lie in the widened rectangle around others."""
    low, high = nearer_M2.min(axis=0) - MARGIN, nearer_M2.max(axis=0) + MARGIN
    return bool(((pixels_M2 >= low) & (pixels_M2 <= high)).all(axis=1).mean() >= WITHIN)
