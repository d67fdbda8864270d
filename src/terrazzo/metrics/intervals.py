"""How sure a score is: a bootstrap over what is independent.

What is drawn again, with replacement, is what is independent (see `units`): whole scenes or videos where the
dataset knows several (cluster bootstrap, Davison and Hinkley 1997, section 3.8), else images; blocks of
consecutive frames where all are of one scene; never pixels, which are anything but independent. How an
interval follows from the resamples is said, with the evidence for it, in `resample`.

Shapes: N images, U units that are drawn, R resamples, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.resample import draws, half_width, jackknife
from terrazzo.metrics.scores import Floats, Margins, mean_iou, plain
from terrazzo.metrics.units import Unit, Units, find_units

Statistic = Callable[[Margins], Floats]
"""A score from `terrazzo.metrics.scores`: margins (..., K) to values (...), or (..., K)."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    """Lower end, in the score's units; NaN where there is nothing to resample."""

    high: float
    """Upper end."""

    over: str
    """What was drawn: "images", "groups (n)" or "blocks of n consecutive frames"."""

    unit: Unit
    """The same for programs: image, group or block."""

    note: str
    """What a reader must know before trusting the width; empty where nothing is special."""

    confidence: float
    resamples: int
    seed: int

    @property
    def method(self) -> str:
        """One line that says how the interval was made."""
        percent = f"{100 * self.confidence:g} %"
        return f"{percent} bootstrap over {self.over}, {self.resamples} resamples, seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values; undefined ends are None."""
        return {key: plain(value) for key, value in self.__dict__.items()}


def bootstrap_interval(
    counts: ConfusionCounts,
    statistic: Statistic = mean_iou,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the bootstrap interval of a score of the pooled confusion matrix.

    A resample is scored exactly as the whole is: pooled, over the classes that occur in it. The result
    depends on the images, not on the order in which they were counted.

    Args:
        counts: what was counted, per image.
        statistic: a score from `terrazzo.metrics.scores`, from margins (R, K) to (R,).
        confidence: the share of such intervals that should contain the true score.
        resamples: R, how many times the dataset is drawn again.
        seed: of the counted generator; the same seed and images give the same interval.
    """
    units = find_units(counts.ids, counts.groups)
    low = high = float("nan")
    if units.independent >= 2:
        low, high = interval_ends(
            Margins.of_images(counts, units.order),
            units,
            statistic,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
    return Interval(low, high, units.over, units.kind, units.note, confidence, resamples, seed)


def interval_ends(
    margins_NK: Margins,
    units: Units,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return both ends of the interval from the margins of images in the order of the units' members."""
    ends = _ends(
        np.concatenate(margins_NK.parts, axis=-1),
        units,
        lambda rows: statistic(Margins(*np.split(rows, 3, axis=-1))),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    low, high = (float(np.clip(end, 0, 1)) for end in ends)
    return low, high


def bootstrap_rows(
    rows_NX: NDArray[Any],
    groups: Sequence[str | None],
    ids: Sequence[str],
    statistic: Callable[[Floats], Floats],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the bootstrap interval of a function of sums over images, as `bootstrap_interval`.

    Args:
        rows_NX: (N, X) what each image adds.
        groups: the images' groups.
        ids: the images' ids; the result does not depend on the images' order.
        statistic: from sums (..., X) to scores (...).
        confidence: the share of such intervals that should contain the true score.
        resamples: R, how many times the dataset is drawn again.
        seed: of the counted generator.
    """
    units = find_units(ids, groups)
    ordered_NX = np.asarray(rows_NX, dtype=np.float64)[list(units.order)]
    low, high = _ends(ordered_NX, units, statistic, confidence=confidence, resamples=resamples, seed=seed)
    return Interval(low, high, units.over, units.kind, units.note, confidence, resamples, seed)


def _ends(
    rows_NX: Floats,
    units: Units,
    statistic: Callable[[Floats], Floats],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """Return both ends of the interval of a function of sums (..., X) over images in the units' order."""
    if units.independent < 2:
        return float("nan"), float("nan")
    sums_UX, whole_X = units.add_up(rows_NX), rows_NX.sum(axis=0)
    estimate = statistic(whole_X)
    spread = jackknife(statistic(whole_X - sums_UX), units)
    drawn = [statistic(weights_RU @ sums_UX) for weights_RU in draws(units, resamples, seed)]
    half = half_width(estimate, np.concatenate(drawn), spread, units, confidence)
    return float(estimate - half), float(estimate + half)
