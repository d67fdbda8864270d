"""Fine-grained mIoU: the IoU of every image by itself, averaged over images, classes, and the worst.

Wang et al. 2023, Revisiting Evaluation Metrics for Semantic Segmentation,
https://arxiv.org/abs/2310.19252: mIoU^I averages the classes of an image, then the images; mIoU^C the images
of a class, then the classes. A class counts in the images in whose truth it is, predicted or not, as there;
so an image counts unless it is void throughout. Worst q % is the mean of the lowest q % of the images,
rounded down, at least one; the tail mean averages that over q = 10, 20, ... 100.

Two classes are treated as any other number; the authors' code counts the foreground alone there.

Shapes: N images, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap
from terrazzo.kernels.confusion import count_confusion
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.scores import Floats, Margins, iou, plain

WORST = 5
"""Per cent, as in the paper's tables."""

TAILS = tuple(range(10, 101, 10))


@dataclass(frozen=True)
class ClassPerImage:
    """One class, over the images in whose truth it is; NaN where there is none."""

    name: str
    images: int
    """In how many images it is."""

    iou: float
    """Mean of its IoU in each of them."""

    worst: float
    """Mean over the worst of them."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict; undefined numbers are None."""
        return {key: plain(value) for key, value in self.__dict__.items()}


@dataclass(frozen=True)
class FineGrained:
    """Means of the IoU per image and class, fractions in 0..1, NaN where nothing is defined."""

    images: int
    """Images that count: all but those that are void throughout."""

    miou_i: float
    """mIoU^I: over the classes of an image, then over the images."""

    miou_c: float
    """mIoU^C: over the images of a class, then over the classes."""

    miou_i_worst: float
    """mIoU^I of the worst images."""

    miou_c_worst: float
    """mIoU^C, of each class in its own worst images."""

    miou_i_tails: float
    """mIoU^I, averaged over the worst 10 %, 20 %, ... 100 %."""

    miou_c_tails: float
    """mIoU^C likewise."""

    worst_percent: float
    per_class: tuple[ClassPerImage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; undefined numbers are None."""
        facts = {key: plain(value) for key, value in self.__dict__.items()}
        return facts | {"per_class": [entry.to_json() for entry in self.per_class]}


def fine_grained(
    counts: ConfusionCounts, names: Sequence[str], *, worst_percent: float = WORST
) -> FineGrained:
    """Average the IoU of every image by itself, from counts alone.

    Args:
        counts: what was counted, per image.
        names: the K class names in train-id order.
        worst_percent: share of the images that are the worst.
    """
    images = [Margins.of(counts.matrix(index)) for index in range(len(counts))]
    return from_margins(stacked(images, counts.num_classes), names, worst_percent=worst_percent)


def stacked(images: Sequence[Margins], num_classes: int) -> Margins:
    """Return the margins (N, K) of N images that have (K,) each."""
    parts = ([getattr(image, part) for image in images] for part in ("hits", "truth", "predicted"))
    return Margins(*(np.array(part, dtype=np.float64).reshape(-1, num_classes) for part in parts))


def from_margins(margins_NK: Margins, names: Sequence[str], *, worst_percent: float = WORST) -> FineGrained:
    """Average over the margins (N, K) of N images, as `fine_grained` does."""
    values_NK = np.where(margins_NK.truth > 0, iou(margins_NK), np.nan)
    images = _sorted([_mean(row) for row in values_NK])
    classes = [_sorted(column) for column in values_NK.T]
    worst_K = [worst(values, worst_percent) for values in classes]
    tails_K = [[worst(values, tail) for tail in TAILS] for values in classes]
    return FineGrained(
        images=len(images),
        miou_i=_mean(images),
        miou_c=_mean([_mean(values) for values in classes]),
        miou_i_worst=worst(images, worst_percent),
        miou_c_worst=_mean(worst_K),
        miou_i_tails=_mean([worst(images, tail) for tail in TAILS]),
        miou_c_tails=_mean([_mean(values) for values in tails_K]),
        worst_percent=worst_percent,
        per_class=tuple(
            ClassPerImage(name, len(values), _mean(values), low)
            for name, values, low in zip(names, classes, worst_K, strict=True)
        ),
    )


def worst(rising: Floats, percent: float) -> float:
    """Return the mean of the lowest `percent` of the values, rounded down, at least one; NaN of none."""
    return _mean(rising[: max(1, int(percent / 100 * len(rising)))])


class FineGrainedMeter:
    """`fine_grained` as a meter; where confusion counts are kept anyway, take the function.

    Keeps three numbers per image and class.

    Args:
        labels: the dataset's label map.
        worst_percent: share of the images that are the worst.
    """

    def __init__(self, labels: LabelMap, *, worst_percent: float = WORST) -> None:
        self.labels = labels
        self.worst_percent = worst_percent
        self._images: list[Margins] = []

    def add(self, judged: Judged) -> None:
        """Count one image, or one volume."""
        matrix = count_confusion(
            judged.ids, judged.truth, self.labels.num_classes, ignore_index=self.labels.ignore_index
        )
        self._images.append(Margins.of(matrix))

    def to_json(self) -> dict[str, Any]:
        """Return what `FineGrained.to_json` does."""
        margins = stacked(self._images, self.labels.num_classes)
        return from_margins(margins, self.labels.names, worst_percent=self.worst_percent).to_json()


def _sorted(values: Sequence[float] | NDArray[np.float64]) -> Floats:
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    return np.sort(known)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = _sorted(values)
    return float(known.mean()) if known.size else float("nan")
