"""How well clusters recover labelled objects: one cluster for one box, as sets of points.

A cluster recovers a box where the points in both are more than half of the points in either: intersection
over union above 0.5, which at most one cluster can reach (Kirillov et al., Panoptic Segmentation, CVPR 2019,
section 4.1, for masks).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.bool_]
LEAST_IOU = 0.5


@dataclass(frozen=True)
class Recovery:
    """Counts over one or several frames; they add up."""

    boxes: int = 0
    """Objects that were to be recovered."""

    clusters: int = 0
    """Clusters, but for those of objects that were not to be recovered."""

    recovered: int = 0
    """Boxes with their cluster, and so clusters with their box."""

    def __add__(self, other: "Recovery") -> "Recovery":
        return Recovery(
            self.boxes + other.boxes, self.clusters + other.clusters, self.recovered + other.recovered
        )

    @property
    def precision(self) -> float | None:
        """The share of the clusters that are an object; None without clusters."""
        return self.recovered / self.clusters if self.clusters else None

    @property
    def recall(self) -> float | None:
        """The share of the objects that have a cluster; None without objects."""
        return self.recovered / self.boxes if self.boxes else None

    def to_json(self) -> dict[str, float | int | None]:
        """Return plain numbers."""
        shares = {"precision": self.precision, "recall": self.recall}
        return {**vars(self), **{name: s if s is None else round(s, 4) for name, s in shares.items()}}


def recovery(clusters_N: NDArray[np.int32], wanted: Sequence[Points], others: Sequence[Points]) -> Recovery:
    """Count the boxes that a cluster recovers.

    Args:
        clusters_N: (N,) cluster of each point, -1 for none.
        wanted: for each box to be recovered (N,), which points are in it.
        others: the same for objects that count for nothing (occluded, of other classes, too few points): a
            cluster with most of its points in them counts neither as right nor as wrong.
    """
    elsewhere = np.any(others, axis=0) if len(others) else np.zeros(len(clusters_N), dtype=np.bool_)
    clusters = [clusters_N == c for c in range(int(clusters_N.max(initial=-1)) + 1)]
    ious = np.array([_iou(points, box) for points in clusters for box in wanted])
    right = ious.reshape(len(clusters), len(wanted)) > LEAST_IOU
    ignored = [
        bool(elsewhere[points].mean() > 0.5) and not hit.any()
        for points, hit in zip(clusters, right, strict=True)
    ]
    return Recovery(len(wanted), len(clusters) - sum(ignored), int(right.any(axis=0).sum()))


def _iou(one: Points, other: Points) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0
