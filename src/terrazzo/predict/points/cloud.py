"""A scan with what the image says of it: a class, a confidence and a cluster for every point."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap
from terrazzo.predict.points.assign import Prior, assign
from terrazzo.predict.points.behind import drop_behind
from terrazzo.predict.points.cluster import NONE, Settings, cluster
from terrazzo.predict.points.ground import find_ground
from terrazzo.predict.points.kitti import Calibration
from terrazzo.predict.points.project import Projection, project

GREY = (150, 150, 150)
"""The colour of points without a class."""


@dataclass(frozen=True)
class Options:
    """How a scan is labelled and divided."""

    clusters: Settings = field(default_factory=Settings)

    classes: tuple[str, ...] | None = None
    """Names of the classes that are divided into clusters; None for all."""

    ground: float = 0.1
    """Points up to so many metres above the ground keep their class and join no cluster; below 0 all do."""

    erode: int = 0
    """Pixels at the border of two classes that give no class."""

    keep_behind: bool = False
    """Keep clusters that are seen through a nearer one of their class, see `behind`."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """The result for one frame; row i of every array is point i of the scan."""

    points: NDArray[np.float32]
    """(N, 4): x, y, z in metres, reflectance."""

    projection: Projection
    labels: NDArray[np.int32]
    """(N,): train id, -1 for none."""

    confidence: NDArray[np.float32]
    """(N,): 0..1, 0 for none."""

    clusters: NDArray[np.int32]
    """(N,): 0 is the nearest, -1 for none."""

    label_map: LabelMap

    @property
    def colors(self) -> NDArray[np.uint8]:
        """(N, 3): the RGB colour of each point's class, grey for none."""
        palette = np.vstack([self.label_map.palette, np.array([GREY], dtype=np.uint8)])
        chosen: NDArray[np.uint8] = palette[self.labels]  # the last stands for none: index -1
        return chosen

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and one entry per cluster."""
        names = self.label_map.names
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(names))
        return {
            "points": len(self.points),
            "in_frame": int(self.projection.inside.sum()),
            "labelled": int(counts.sum()),
            "per_class": [
                {"name": name, "points": int(n)} for name, n in zip(names, counts, strict=True) if n
            ],
            "clusters": [self._facts(c) for c in range(int(self.clusters.max(initial=NONE)) + 1)],
        }

    def _facts(self, number: int) -> dict[str, Any]:
        members = self.clusters == number
        xyz = self.points[members, :3].astype(np.float64)
        return {
            "cluster": number,
            "class": self.label_map.names[int(self.labels[members][0])],
            "points": int(members.sum()),
            "confidence": round(float(self.confidence[members].mean()), 4),
            "range_m": round(float(np.median(np.linalg.norm(xyz, axis=1))), 2),
            "low": [round(float(v), 3) for v in xyz.min(axis=0)],
            "high": [round(float(v), 3) for v in xyz.max(axis=0)],
        }


def label_points(
    points_N4: NDArray[np.float32],
    calibration: Calibration,
    prior: Prior,
    label_map: LabelMap,
    random: np.random.Generator,
    options: Options | None = None,
) -> Cloud:
    """Give every point of a scan the class and confidence of its pixel, and divide the classes into clusters.

    Args:
        points_N4: (N, 4) x, y, z in metres, reflectance.
        calibration: of the frame.
        prior: classes and confidences of the image's pixels.
        label_map: what the classes are.
        random: for the search of the ground.
        options: how.

    Raises:
        DataError: no point falls into the image.
        RequestError: a class to be divided is none of the label map's.
        MissingExtraError: scikit-learn is not installed.
    """
    options = options or Options()
    wanted = class_ids(label_map, options.classes)
    height, width = prior.ids.shape
    projection = project(points_N4[:, :3], calibration, (height, width))
    labels, confidence = assign(prior, projection, erode=options.erode)
    standing = labels
    if options.ground >= 0 and (plane := find_ground(points_N4[:, :3], random)) is not None:
        standing = np.where(plane.height(points_N4[:, :3]) > options.ground, labels, np.int32(NONE))
    clusters = cluster(points_N4[:, :3], standing, wanted, options.clusters)
    if not options.keep_behind:
        clusters = drop_behind(clusters, labels, projection)
    return Cloud(points_N4, projection, labels, confidence, clusters, label_map)


def class_ids(label_map: LabelMap, names: Sequence[str] | None) -> list[int]:
    """Return the train ids of classes by name, all of them for None.

    Raises:
        RequestError: an unknown name.
    """
    from terrazzo.core.errors import unknown_name

    if names is None:
        return list(range(label_map.num_classes))
    for name in names:
        if name not in label_map.names:
            raise unknown_name("class", name, label_map.names)
    return [label_map.names.index(name) for name in names]
