"""Boundary IoU: the IoU of the bands along the outlines, which weighs thin and small things as much as large.

Cheng et al. 2021, Boundary IoU: Improving Object-Centric Image Segmentation Evaluation,
https://arxiv.org/abs/2103.16562: of each class the pixels within d of its outline, in truth and prediction,
and the IoU of these two sets. d is 2 % of the image's diagonal, as there; distances are those of the authors'
code (github.com/bowenc0221/boundary-iou-api), d erosions with a square of 3 pixels, beyond the image's frame
everything being outside.

Shapes: H and W of one image, K classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.kernels.confusion import count_confusion
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.outlines import Ids, Mask, blanked, diagonal
from terrazzo.metrics.scores import Margins, iou, mean_iou, plain


class BoundaryIou:
    """IoU of the bands, pooled over all images as mIoU is; classes absent from all bands are left out.

    Args:
        labels: the dataset's label map.
        ratio: d as a share of the image's diagonal; 0.02 as in the paper.

    Raises:
        RequestError: the ratio is not between 0 and 1.
    """

    def __init__(self, labels: LabelMap, *, ratio: float = 0.02) -> None:
        if not 0 < ratio < 1:
            raise RequestError(
                f"The width of a boundary is a share of the image's diagonal, above 0 and below 1; {ratio} "
                "was given. The paper takes 0.02."
            )
        self.labels = labels
        self.ratio = ratio
        # The class K stands for whatever is in no band. Void is void in both maps: it may count as that too,
        # and does where 255 is the number of either.
        self._matrix = np.zeros((labels.num_classes + 1,) * 2, dtype=np.int64)
        self._void = labels.ignore_index if labels.ignore_index > labels.num_classes else -1

    def add(self, judged: Judged) -> None:
        """Count the bands of one image."""
        truth, ids = blanked(judged, self.labels)
        width = max(1, round(self.ratio * diagonal(truth.shape)))
        void, rest = self.labels.ignore_index, self.labels.num_classes
        there, found = (
            np.where(band(part, width, void=void), part, part.dtype.type(rest)) for part in (truth, ids)
        )
        self._matrix += count_confusion(found, there, rest + 1, ignore_index=self._void)

    def to_json(self) -> dict[str, Any]:
        """Return the mean over classes and each class's boundary IoU; None for an absent class."""
        margins = band_margins(self._matrix)
        each = iou(margins)
        return {
            "miou": plain(float(mean_iou(margins))),
            "ratio": self.ratio,
            "per_class": [
                {"name": name, "iou": plain(float(value))}
                for name, value in zip(self.labels.names, each, strict=True)
            ],
        }


def band_margins(matrix: NDArray[np.int64]) -> Margins:
    """Return the margins (K,) of a (K + 1, K + 1) matrix, whose last class is "in no band"."""
    margins = Margins.of(matrix)
    return Margins(margins.hits[:-1], margins.truth[:-1], margins.predicted[:-1])


def band(ids_HW: Ids, width: int, *, void: int) -> Mask:
    """Return the pixels that have another label, void or the frame within `width` in rows and columns.

    For each class, these are the pixels that `width` erosions with a square of 3 pixels take away: all
    classes at once, since a square that holds one label only has equal minimum and maximum.

    Args:
        ids_HW: labels.
        width: in pixels.
        void: the label that also stands for the outside of the image.
    """
    import cv2

    square = np.ones((2 * width + 1, 2 * width + 1), dtype=np.uint8)
    framed = cv2.copyMakeBorder(ids_HW, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=void)
    mixed: Mask = cv2.erode(framed, square) != cv2.dilate(framed, square)
    return mixed[1:-1, 1:-1]
