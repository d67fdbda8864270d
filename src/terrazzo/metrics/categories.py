"""Scores of groups of classes: car taken for bus is wrong among classes, and right among categories.

As Cityscapes' evaluation script does: the pixels of a category's classes count as one class, in truth and
prediction; void is not counted (`getIouScoreForCategory`). Counts are pooled over the images.

Shapes: K classes, G categories.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.kernels.confusion import count_confusion
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.scores import score_matrix

Categories = Mapping[str, Sequence[str]]
"""Name of a category -> names of its classes."""

CITYSCAPES: Final[Categories] = {
    "flat": ("road", "sidewalk"),
    "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"),
    "nature": ("vegetation", "terrain"),
    "sky": ("sky",),
    "human": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
"""Cordts et al. 2016, table 1; those of its 30 classes that are evaluated."""


class CategoryIou:
    """IoU of categories of classes, and its mean.

    Args:
        labels: the dataset's label map.
        categories: every class in exactly one of them; by default those of Cityscapes.

    Raises:
        RequestError: a class is in no category, or in two, or a category names a class that is not there.
    """

    def __init__(self, labels: LabelMap, *, categories: Categories = CITYSCAPES) -> None:
        owners = [[group for group, names in categories.items() if name in names] for name in labels.names]
        named = sorted({name for names in categories.values() for name in names} - set(labels.names))
        wrong = [name for name, groups in zip(labels.names, owners, strict=True) if len(groups) != 1]
        if wrong or named:
            raise RequestError(
                f"Categories need every class in exactly one of them; {(wrong or named)[0]!r} is "
                f"{'not' if wrong else 'no class here'}. Known by name are those of Cityscapes' 19 classes; "
                "in Python give CategoryIou others."
            )
        self.labels = labels
        self.names = tuple(categories)
        self._belongs_KG = np.array(
            [[group in groups for group in self.names] for groups in owners], np.int64
        )
        self._matrix_GG = np.zeros((len(self.names),) * 2, dtype=np.int64)

    def add(self, judged: Judged) -> None:
        """Count one image, or one volume."""
        matrix_KK = count_confusion(
            judged.ids, judged.truth, self.labels.num_classes, ignore_index=self.labels.ignore_index
        )
        self._matrix_GG += self._belongs_KG.T @ matrix_KK @ self._belongs_KG

    def to_json(self) -> dict[str, Any]:
        """Return the mean over categories, and what is known of each."""
        found = score_matrix(self._matrix_GG, self.names).to_json()
        keys = ("name", "iou", "precision", "recall")
        rows = [{key: row[key] for key in keys} for row in found["per_class"]]
        return {"miou": found["miou"], "pixel_accuracy": found["pixel_accuracy"], "per_class": rows}
