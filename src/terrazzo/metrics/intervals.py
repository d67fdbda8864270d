"""How sure a score is: the percentile bootstrap over images, or over groups of images where known.

What is drawn again, with replacement, is what is independent: whole scenes or videos where the dataset
knows them (cluster bootstrap), else images; never pixels, which are anything but independent.

Sources: Efron and Tibshirani 1993, chapter 13 (percentile interval); Davison and Hinkley 1997, section 3.8
(resampling whole clusters). With few images or groups a percentile interval is somewhat too narrow; where
that is known to matter, the interval says so in its `note`.

Shapes: N images, U units that are drawn (images or groups), R resamples, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.scores import Floats, Margins, mean_iou, plain

FEW_UNITS = 10
"""Below so many units a percentile interval is noticeably too narrow (the note says so)."""

BLOCK = 256
"""Resamples scored at a time: bounds the memory at BLOCK x K numbers, whatever R is."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    """Lower end, in the score's units; NaN where there is nothing to resample."""

    high: float
    """Upper end."""

    over: str
    """What was drawn: "images" or "groups (n)"."""

    note: str
    """What a reader must know before trusting the width; empty where nothing is special."""

    confidence: float
    resamples: int
    seed: int

    @property
    def method(self) -> str:
        """One line that says how the interval was made."""
        percent = f"{100 * self.confidence:g} %"
        return (
            f"{percent} percentile bootstrap over {self.over}, {self.resamples} resamples, seed {self.seed}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; undefined ends are None."""
        return {key: plain(value) for key, value in self.__dict__.items()}


def bootstrap_interval(
    counts: ConfusionCounts,
    statistic: Callable[[Margins], Floats] = mean_iou,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a score of the pooled confusion matrix.

    A resample is scored exactly as the whole is: pooled, over the classes that occur in it. The result
    depends on the images, not on the order in which they were counted.

    Args:
        counts: what was counted, per image.
        statistic: a score from `terrazzo.metrics.scores`, from margins (R, K) to (R,).
        confidence: the share of such intervals that should contain the true score.
        resamples: R, how many times the dataset is drawn again.
        seed: of the counted generator; the same seed and images give the same interval.
    """
    order = sorted(range(len(counts)), key=lambda i: counts.ids[i])
    units, over, note = _units([counts.groups[i] for i in order])
    low = high = float("nan")
    if len(np.unique(units)) > 1:
        margins_UK = _sum_by_unit(Margins.of(counts.per_image[order]), units)
        values_R = _resampled(margins_UK, statistic, resamples, seed)
        low, high = _percentile_ends(values_R, confidence)
    return Interval(low, high, over, note, confidence, resamples, seed)


def _percentile_ends(values_R: Floats, confidence: float) -> tuple[float, float]:
    """Cut off half of what is left over at either end; resamples in which nothing is counted do not vote."""
    defined = values_R[~np.isnan(values_R)]
    if not defined.size:
        return float("nan"), float("nan")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(defined, (tail, 100 - tail))
    return float(low), float(high)


def _units(groups: list[str | None]) -> tuple[NDArray[np.int64], str, str]:
    """Say which unit each image belongs to, what the units are called, and what must be noted."""
    images = np.arange(len(groups))
    known = {group for group in groups if group is not None}
    if len(groups) < 2:
        return images, "images", "A single image says nothing about the spread: there is no interval."
    if not known:
        return images, "images", _few(len(groups), "images")
    # An image whose group is unknown stands for itself.
    keys = [("image", str(i)) if g is None else ("group", g) for i, g in enumerate(groups)]
    distinct = {key: unit for unit, key in enumerate(sorted(set(keys)))}
    if len(distinct) == 1:
        return images, "images", _one_group(len(groups), str(groups[0]))
    if len(distinct) == len(groups):
        return images, "images", _few(len(groups), "images")
    units = np.array([distinct[key] for key in keys], dtype=np.int64)
    return units, f"groups ({len(distinct)})", _few(len(distinct), "groups")


def _one_group(images: int, group: str) -> str:
    return (
        f"All {images} images come from one group ({group}), so they are correlated: "
        "the interval over images is a lower bound of the uncertainty and says nothing about other scenes."
    )


def _few(units: int, what: str) -> str:
    if units >= FEW_UNITS:
        return ""
    return f"Only {units} {what} could be resampled: the interval is likely to be too narrow."


def _sum_by_unit(margins_NK: Margins, units: NDArray[np.int64]) -> Margins:
    """Add up the images of each unit: (N, K) -> (U, K)."""
    member_UN = (units[None, :] == np.unique(units)[:, None]).astype(np.float64)
    return margins_NK.weighted(member_UN)


def _resampled(
    margins_UK: Margins, statistic: Callable[[Margins], Floats], resamples: int, seed: int
) -> Floats:
    """Score R resamples of U units; a resample is how often each unit was drawn, a row of multinomials."""
    draws = _draws(len(margins_UK.truth), resamples, seed)
    return np.concatenate([statistic(margins_UK.weighted(weights_RU)) for weights_RU in draws])


def _draws(units: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each of U units is drawn in each resample: (R, U) in blocks."""
    random = generator(seed, Stream.BOOTSTRAP)
    even = np.full(units, 1 / units)
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        yield random.multinomial(units, even, size=size).astype(np.float64)


def bootstrap_rows(
    rows_NX: NDArray[Any],
    groups: Sequence[str | None],
    ids: Sequence[str],
    statistic: Callable[[NDArray[Any]], Floats],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a function of sums over images, as `bootstrap_interval`.

    Args:
        rows_NX: (N, X) what each image adds.
        groups: the images' groups.
        ids: the images' ids; the result does not depend on the images' order.
        statistic: from sums (..., X) to scores (...).
        confidence: the share of such intervals that should contain the true score.
        resamples: R, how many times the dataset is drawn again.
        seed: of the counted generator.
    """
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    units, over, note = _units([groups[i] for i in order])
    low = high = float("nan")
    distinct, unit_N = np.unique(units, return_inverse=True)
    if len(distinct) > 1:
        sums_UX = np.zeros((len(distinct), rows_NX.shape[1]))
        np.add.at(sums_UX, unit_N, rows_NX[order])
        draws = _draws(len(sums_UX), resamples, seed)
        values_R = np.concatenate([statistic(weights_RU @ sums_UX) for weights_RU in draws])
        low, high = _percentile_ends(values_R, confidence)
    return Interval(low, high, over, note, confidence, resamples, seed)
