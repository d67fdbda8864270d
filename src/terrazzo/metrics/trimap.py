"""Scores near boundaries and away from them: trimap IoU, and which share of the errors lies at a boundary.

A trimap of width w is the valid pixels less than w from a true boundary: w = 1 is the pixels on either side
of it. A boundary is where two labels meet, void being one of them; the image's frame is none. Distances are
Euclidean, in pixels, exact.

Kohli et al. 2009, Robust Higher Order Potentials for Enforcing Label Consistency (the accuracy
in such bands of growing width); Chen et al. 2018, DeepLab (their mean IoU),
https://arxiv.org/abs/1606.00915.

Shapes: H and W of one image, K classes, R widths.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.kernels.confusion import count_confusion
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.outlines import Ids, blanked, outline
from terrazzo.metrics.scores import Margins, iou, mean_iou, plain

WIDTHS = (1, 2, 4, 8, 16, 32)
"""Pixels; doubled from one to the next, up to about the largest of the papers (40)."""


class Trimap:
    """Confusion matrices within several distances of the true boundaries, pooled over all images.

    Args:
        labels: the dataset's label map.
        widths: whole pixels, in any order.

    Raises:
        RequestError: there is no width, or one is below 1.
    """

    def __init__(self, labels: LabelMap, *, widths: Sequence[int] = WIDTHS) -> None:
        if not widths or min(widths) < 1:
            raise RequestError(
                f"A trimap's width is 1 pixel or more; {list(widths)} was given. Give some, such as 1 4 16."
            )
        self.labels = labels
        self.widths = tuple(sorted(set(widths)))
        sides = (labels.num_classes,) * 2
        self._within = np.zeros((len(self.widths), *sides), dtype=np.int64)
        self._all = np.zeros(sides, dtype=np.int64)

    def add(self, judged: Judged) -> None:
        """Count one image, once for every width."""
        truth, ids = blanked(judged, self.labels)
        classes, void = self.labels.num_classes, self.labels.ignore_index
        distance = boundary_distance(truth)
        self._all += count_confusion(ids, truth, classes, ignore_index=void)
        for place, width in enumerate(self.widths):
            near = np.where(distance < width, truth, np.asarray(void, dtype=truth.dtype))
            self._within[place] += count_confusion(ids, near, classes, ignore_index=void)

    def to_json(self) -> dict[str, Any]:
        """Return one entry per width: scores within it, and how the errors divide."""
        bands = zip(self.widths, self._within, strict=True)
        return {"widths": [{"width": width, **self._band(matrix)} for width, matrix in bands]}

    def _band(self, matrix: NDArray[np.int64]) -> dict[str, Any]:
        margins = Margins.of(matrix)
        values = {
            "miou": float(mean_iou(margins)),
            "share_of_pixels": _share(matrix.sum(), self._all.sum()),
            "share_of_errors": _share(_wrong(matrix), _wrong(self._all)),
            "error_rate_within": _share(_wrong(matrix), matrix.sum()),
            "error_rate_beyond": _share(_wrong(self._all) - _wrong(matrix), self._all.sum() - matrix.sum()),
        }
        each = zip(self.labels.names, iou(margins), strict=True)
        rows = [{"name": name, "iou": plain(float(value))} for name, value in each]
        return {**{key: plain(value) for key, value in values.items()}, "per_class": rows}


def boundary_distance(truth_HW: Ids) -> NDArray[np.float32]:
    """Return how far each pixel is from the nearest pixel at a boundary, 0 on it; inf where there is none."""
    import cv2

    edge = outline(truth_HW, frame=False)
    if not edge.any():
        return np.full(truth_HW.shape, np.inf, dtype=np.float32)
    away = (~edge).view(np.uint8)
    return cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float32, copy=False)


def _wrong(matrix: NDArray[np.int64]) -> int:
    return int(matrix.sum() - np.trace(matrix))


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")
