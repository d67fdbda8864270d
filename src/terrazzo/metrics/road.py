"""KITTI road's MaxF: the best F-measure over all thresholds of the road's probability, and more.

Fritsch, Kuehnl, Geiger 2013, A New Performance Measure and Evaluation Benchmark for Road Detection
Algorithms, and the benchmark's development kit: probabilities as 8-bit grey levels, 256 thresholds, a
pixel is road from the threshold on, counts pooled over the images of a category. Void is not counted.

Measured in the image (perspective space), as the kit does it for baselines. The public leaderboard measures
on the ground plane (bird's-eye view), which needs the calibration of each frame: its numbers are others.

Shapes: K = 2 classes, H and W of one image, T = 256 thresholds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.scores import Floats, plain

LEVELS = 256
CATEGORIES = ("um", "umm", "uu")
"""Marked with two lanes, marked with several, unmarked: how the benchmark's names begin."""

_TINY = 1e-10  # the kit's, so that 0 / 0 is 0

THRESHOLDS = np.arange(LEVELS) / 255.0
"""(T,) of the probability: one at every grey level."""


class RoadMaxF:
    """Histograms of the road's probability on road and elsewhere, per category and over all.

    Args:
        labels: two classes.
        road: the class that is looked for; None: the second, as in KITTI's masks.

    Raises:
        RequestError: there are not two classes, or none of that name.
    """

    def __init__(self, labels: LabelMap, *, road: str | None = None) -> None:
        if labels.num_classes != 2:
            raise RequestError(
                f"MaxF is measured on two classes, road and the rest; these labels have {labels.num_classes} "
                f"({', '.join(labels.names)}). Use it on data such as kitti-road."
            )
        if road is not None and road not in labels.names:
            raise RequestError(f"There is no class {road!r} here; choose one of {', '.join(labels.names)}.")
        self.labels = labels
        self.road = 1 if road is None else labels.names.index(road)
        self._levels: dict[str, NDArray[np.int64]] = {}

    def add(self, judged: Judged) -> None:
        """Take in the probabilities of one image.

        Raises:
            RequestError: only labels are known of this prediction.
        """
        grey = np.rint(judged.probabilities[self.road] * 255).astype(np.uint8)
        valid = judged.truth != self.labels.ignore_index
        road = valid & (judged.truth == self.road)
        sides = (grey[valid & ~road], grey[road])
        counts = np.stack([np.bincount(side, minlength=LEVELS) for side in sides])
        kind = judged.id.split("/")[-1].partition("_")[0]
        for category in ("all", *([kind] if kind in CATEGORIES else [])):
            self._levels[category] = self._levels.get(category, 0) + counts

    def to_json(self) -> dict[str, Any]:
        """Return the scores over all images, and per category where the names tell them."""
        nothing = np.zeros((2, LEVELS), dtype=np.int64)
        scores = road_scores(*self._levels.get("all", nothing))
        kinds = [kind for kind in CATEGORIES if kind in self._levels]
        return {
            "space": "perspective",
            **scores,
            "categories": {kind: road_scores(*self._levels[kind]) for kind in kinds},
        }


def road_scores(elsewhere: NDArray[np.int64], road: NDArray[np.int64]) -> dict[str, Any]:
    """Return MaxF and AP, and precision, recall, false rates and threshold at the best F-measure.

    Args:
        elsewhere: how many pixels that are not road have each grey level, (256,).
        road: the same of road.

    Returns:
        Fractions in 0..1; None throughout where there is no road, or nothing else.
    """
    missed, false = _below(road), elsewhere.sum() - _below(elsewhere)
    roads, others = int(road.sum()), int(elsewhere.sum())
    names = ("max_f", "average_precision", "precision", "recall", "fpr", "fnr", "threshold")
    if not roads or not others:
        return dict.fromkeys(names)
    right = roads - missed
    recall, precision = right / roads, right / (right + false + _TINY)
    f_measure = 2 * precision * recall / (precision + recall + _TINY)
    best = int(f_measure.argmax())
    values = (
        f_measure[best],
        eleven_point_precision(precision, recall),
        right[best] / max(1, right[best] + false[best]),
        recall[best],
        false[best] / others,
        missed[best] / roads,
        THRESHOLDS[best],
    )
    return {name: plain(float(value)) for name, value in zip(names, values, strict=True)}


def eleven_point_precision(precision: Floats, recall: Floats) -> float:
    """Return the mean of the best precision at recall 0, 0.1, ... 1 or more (Everingham et al. 2010)."""
    return float(np.mean([precision[recall >= least].max() for least in np.arange(0, 1.1, 0.1)]))


def _below(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, per threshold (T,), how many pixels are below it."""
    below: NDArray[np.int64] = np.cumsum(levels) - levels
    return below
