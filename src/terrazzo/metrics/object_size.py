"""Recall by the size of what is to be found: small, medium and large objects, per class and over all.

An object is a connected component of one class in the truth, neighbours across corners included; two cars
that touch are one. Its size is its valid pixels. Small is below 32^2, medium below 96^2 pixels, as in COCO
(Lin et al. 2014; cocodataset.org, detection evaluation). `scaled` counts sizes as if every image had COCO's
usual 640 x 480 pixels, for images that are much larger.

Shapes: H and W of one image, K classes, S sizes, C objects of one class in one image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.outlines import Ids, Mask, blanked
from terrazzo.metrics.scores import plain

SIZES = ("small", "medium", "large")
LIMITS = (32**2, 96**2)
"""Pixels from which an object is medium, and large."""

COCO_AREA = 640 * 480
FIELDS = ("objects", "pixels", "right_pixels", "found", "recalls")


class SizeRecall:
    """Sums over all objects of a class and size.

    Args:
        labels: the dataset's label map.
        limits: pixels from which an object is medium, and large.
        scaled: count sizes as if every image had 640 x 480 pixels.

    Raises:
        RequestError: the limits are not two rising numbers above 0.
    """

    def __init__(self, labels: LabelMap, *, limits: Sequence[float] = LIMITS, scaled: bool = False) -> None:
        if len(limits) != 2 or not 0 < limits[0] < limits[1]:
            raise RequestError(
                f"Sizes need two rising limits in pixels, medium and large from there on; {list(limits)} was "
                "given. COCO's are 1024 9216."
            )
        self.labels = labels
        self.limits = tuple(limits)
        self.scaled = scaled
        self._sums = np.zeros((len(FIELDS), labels.num_classes, len(SIZES)))

    def add(self, judged: Judged) -> None:
        """Find the objects of one image, and how much of each was found."""
        truth, ids = blanked(judged, self.labels)
        scale = COCO_AREA / truth.size if self.scaled else 1.0
        for k in range(self.labels.num_classes):
            areas_C, right_C = objects_of(k, truth, ids)
            size_C = np.digitize(areas_C * scale, self.limits)
            recall_C = right_C / areas_C
            rows = (np.ones_like(recall_C), areas_C, right_C, recall_C >= 0.5, recall_C)
            for place, row in enumerate(rows):
                self._sums[place, k] += np.bincount(size_C, weights=row, minlength=len(SIZES))

    def to_json(self) -> dict[str, Any]:
        """Return, per size and pooled over classes, and per class and size, what was found of the objects."""
        classes = [{"name": name, **_by_size(self._sums[:, k])} for k, name in enumerate(self.labels.names)]
        return {
            "limits": list(self.limits),
            "scaled": self.scaled,
            "pooled": _by_size(self._sums.sum(axis=1)),
            "per_class": classes,
        }


def objects_of(k: int, truth_HW: Ids, ids_HW: Ids) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the area of every object (C,) of class k in the truth, and its pixels that were found (C,)."""
    import cv2

    mask: Mask = truth_HW == k
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    box = np.s_[top : top + height, left : left + width]
    count, object_hw = cv2.connectedComponents(mask[box].view(np.uint8), connectivity=8)
    inside = np.flatnonzero(mask[box])
    objects, right = object_hw.ravel()[inside], ids_HW[box].ravel()[inside] == k
    areas = np.bincount(objects, minlength=count)[1:]
    return areas, np.bincount(objects[right], minlength=count)[1:]


def _by_size(sums_FS: NDArray[np.float64]) -> dict[str, dict[str, Any]]:
    return {size: _entry(dict(zip(FIELDS, sums_FS[:, s], strict=True))) for s, size in enumerate(SIZES)}


def _entry(sums: dict[str, float]) -> dict[str, Any]:
    shares = {
        "pixel_recall": _ratio(sums["right_pixels"], sums["pixels"]),
        "object_recall": _ratio(sums["recalls"], sums["objects"]),
        "found": _ratio(sums["found"], sums["objects"]),
    }
    counts = {key: int(sums[key]) for key in ("objects", "pixels")}
    return {**counts, **{key: plain(value) for key, value in shares.items()}}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
