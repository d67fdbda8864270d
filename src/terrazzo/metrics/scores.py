"""Scores from counts alone: every number here is a function of a confusion matrix and nothing else.

Shapes: K classes; ... any leading axes, so that the one definition of a score serves the pooled matrix
(K, K), the images one by one (N, K, K) and the resamples of a bootstrap.

What is undefined is NaN (None in JSON), never 0 and never -1:
* IoU and F1 of a class that is neither in the truth nor predicted ("absent"), 0 / 0;
* recall of a class that is not in the truth, precision of a class that is never predicted;
* every mean over no class at all. Means leave out what is undefined, and absent classes are listed.
A class that is in the truth and never predicted has IoU 0, F1 0 and recall 0: it counts.

Sources: Everingham et al. 2010 (IoU as the VOC segmentation score, section 4.1.2); Long et al. 2015,
section 5 (pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.metrics.confusion import ConfusionCounts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Margins:
    """What all overlap scores need of a confusion matrix: its diagonal and its two sums, each (..., K)."""

    hits: Floats
    """Pixels of class k predicted as k."""

    truth: Floats
    """Pixels of class k in the ground truth: the row sums."""

    predicted: Floats
    """Pixels predicted as class k: the column sums."""

    @classmethod
    def of(cls, matrix: NDArray[Any]) -> "Margins":
        """Reduce matrices (..., K, K), rows = truth; exact below 2^53 pixels."""
        hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
        return cls(hits, matrix.sum(axis=-1, dtype=np.float64), matrix.sum(axis=-2, dtype=np.float64))

    @classmethod
    def of_images(cls, counts: ConfusionCounts, order: Sequence[int]) -> "Margins":
        """Reduce the images at these places one by one: (N, K), without a copy of all matrices."""
        images = [cls.of(counts.matrix(index)).parts for index in order]
        return cls(*(np.stack(parts) for parts in zip(*images, strict=True)))

    @property
    def parts(self) -> tuple[Floats, Floats, Floats]:
        """The three, to be treated alike."""
        return self.hits, self.truth, self.predicted

    def total(self) -> "Margins":
        """Sum the images: (N, K) -> (K,)."""
        return Margins(*(part.sum(axis=0) for part in self.parts))

    def minus(self, part: "Margins") -> "Margins":
        """Return what is left without a part, for instance (K,) without each of (U, K)."""
        return Margins(self.hits - part.hits, self.truth - part.truth, self.predicted - part.predicted)

    def weighted(self, weights: Floats) -> "Margins":
        """Sum the images (N, K) with weights (R, N): the margins (R, K) of R pooled resamples."""
        return Margins(weights @ self.hits, weights @ self.truth, weights @ self.predicted)


def iou(margins: Margins) -> Floats:
    """Return intersection over union (..., K); NaN where the class is absent."""
    return _ratio(margins.hits, margins.truth + margins.predicted - margins.hits)


def f1(margins: Margins) -> Floats:
    """Return F1 = Dice = 2 hits / (truth + predicted), (..., K); NaN where the class is absent."""
    return _ratio(2 * margins.hits, margins.truth + margins.predicted)


def precision(margins: Margins) -> Floats:
    """Return the share of the pixels predicted as k that are k, (..., K); NaN where k is never predicted."""
    return _ratio(margins.hits, margins.predicted)


def recall(margins: Margins) -> Floats:
    """Return the share of the pixels of k that are found, (..., K); NaN where k is not in the truth.

    Papers on segmentation call this number the class accuracy.
    """
    return _ratio(margins.hits, margins.truth)


def mean_iou(margins: Margins) -> Floats:
    """Return the mean IoU (...) over the classes in truth or prediction (union > 0)."""
    return _mean_where_defined(iou(margins))


def macro_f1(margins: Margins) -> Floats:
    """Return the mean F1 (...) over the classes in truth or prediction."""
    return _mean_where_defined(f1(margins))


def mean_accuracy(margins: Margins) -> Floats:
    """Return the mean recall (...) over the classes in the truth: balanced accuracy."""
    return _mean_where_defined(recall(margins))


def pixel_accuracy(margins: Margins) -> Floats:
    """Return the share (...) of the counted pixels that are right."""
    return _ratio(margins.hits.sum(axis=-1), margins.truth.sum(axis=-1))


def frequency_weighted_iou(margins: Margins) -> Floats:
    """Return the IoU (...) averaged with each class's share of the true pixels."""
    weighted = np.nan_to_num(iou(margins)) * margins.truth
    return _ratio(weighted.sum(axis=-1), margins.truth.sum(axis=-1))


@dataclass(frozen=True)
class ClassScore:
    """The scores of one class, fractions in 0..1, NaN where undefined."""

    name: str
    iou: float
    f1: float
    precision: float
    recall: float
    pixels: int
    """Pixels of this class in the ground truth."""

    predicted_pixels: int
    """Pixels predicted as this class."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict; undefined numbers are None."""
        return {key: plain(value) for key, value in self.__dict__.items()}


@dataclass(frozen=True)
class Scores:
    """All scores of one confusion matrix, fractions in 0..1, NaN where undefined."""

    miou: float
    """Mean IoU over the classes in truth or prediction."""

    macro_f1: float
    """Mean F1 (Dice) over the same classes."""

    fwiou: float
    """IoU weighted by each class's share of the true pixels."""

    pixel_accuracy: float
    """Share of the counted pixels that are right."""

    mean_accuracy: float
    """Mean recall over the classes in the truth (balanced accuracy)."""

    per_class: tuple[ClassScore, ...]
    """One entry per class, in train-id order, absent ones included."""

    absent_classes: tuple[str, ...]
    """Classes neither in truth nor prediction: no mean contains them."""

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and dicts; undefined numbers are None."""
        means = {
            "miou": self.miou,
            "pixel_accuracy": self.pixel_accuracy,
            "macro_f1": self.macro_f1,
            "fwiou": self.fwiou,
            "mean_accuracy": self.mean_accuracy,
        }
        return {
            **{key: plain(value) for key, value in means.items()},
            "per_class": [entry.to_json() for entry in self.per_class],
            "absent_classes": list(self.absent_classes),
        }


def score(counts: ConfusionCounts, names: Sequence[str]) -> Scores:
    """Score the pooled confusion matrix of all images counted.

    Args:
        counts: what was counted.
        names: the K class names in train-id order.
    """
    return score_matrix(counts.pooled, names)


def score_matrix(matrix_KK: NDArray[Any], names: Sequence[str]) -> Scores:
    """Score one confusion matrix.

    Args:
        matrix_KK: (K, K) pixel counts, rows = truth, columns = prediction.
        names: the K class names in train-id order.

    Raises:
        ValueError: the matrix is not (K, K) for these names.
    """
    if matrix_KK.shape != (len(names), len(names)):
        raise ValueError(
            f"A confusion matrix of shape {matrix_KK.shape} does not fit {len(names)} class names."
        )
    margins = Margins.of(matrix_KK)
    return Scores(
        miou=float(mean_iou(margins)),
        macro_f1=float(macro_f1(margins)),
        fwiou=float(frequency_weighted_iou(margins)),
        pixel_accuracy=float(pixel_accuracy(margins)),
        mean_accuracy=float(mean_accuracy(margins)),
        per_class=_class_scores(margins, names),
        absent_classes=tuple(n for n, v in zip(names, iou(margins), strict=True) if math.isnan(v)),
    )


def plain(value: Any) -> Any:
    """Return None for NaN and everything else as it is: JSON knows no NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _class_scores(margins: Margins, names: Sequence[str]) -> tuple[ClassScore, ...]:
    iou_K, f1_K, precision_K, recall_K = iou(margins), f1(margins), precision(margins), recall(margins)
    return tuple(
        ClassScore(
            name=name,
            iou=float(iou_K[k]),
            f1=float(f1_K[k]),
            precision=float(precision_K[k]),
            recall=float(recall_K[k]),
            pixels=int(margins.truth[k]),
            predicted_pixels=int(margins.predicted[k]),
        )
        for k, name in enumerate(names)
    )


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with NaN (and no warning) for a whole of 0."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    quotient: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return quotient


def _mean_where_defined(values: Floats) -> Floats:
    """Average over the last axis without the NaNs; NaN (and no warning) where nothing is defined."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))
