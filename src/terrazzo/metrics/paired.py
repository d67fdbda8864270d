"""Two models on the same images: the difference of their scores, and how sure it is.

Both are resampled by the same units, so what makes an image hard for both cancels. Where a side has several
runs of one recipe (seeds), its score is the mean over them, and runs are a second level of chance: they are
drawn with replacement as well, independently of the images (two crossed levels: Owen 2007, the pigeonhole
bootstrap), and their variance s^2 / S is added to that of the images. Then the interval speaks of the recipes
and not of two networks; that the choice of seed must enter a comparison of methods is shown by Bouthillier et
al. 2021 (Accounting for variance in machine learning benchmarks). One run says nothing about others.

Shapes: N images, U units, R resamples, S runs of a side, K classes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.confusion import ConfusionCounts
from terrazzo.metrics.intervals import Statistic
from terrazzo.metrics.resample import Spread, draws, half_width, jackknife, p_value
from terrazzo.metrics.scores import Floats, Margins
from terrazzo.metrics.units import Units, find_units

POWER = 0.80
"""How likely a difference is to be shown by as many units as are said to be needed."""

Z_TWO_SIDED, Z_POWER = 1.959963984540054, 0.8416212335729143
"""Normal quantiles at 97.5 % and at `POWER`."""


@dataclass(frozen=True, eq=False)
class Paired:
    """A difference of scores, b - a; every array is () or, for scores per class, (K,)."""

    a: Floats
    """Mean over the runs of side a."""

    b: Floats
    difference: Floats
    low: Floats
    """Lower end of the interval; NaN where there is none."""

    high: Floats
    p: Floats
    """Two-sided, of "there is no difference"; NaN where there is no interval."""

    unit_variance: Floats
    """The part of the squared standard error that more units would make smaller."""

    run_variance: Floats
    """The part that more runs would make smaller; 0 where each side is one run."""

    units: Units

    def more_units(self, difference: float) -> int | None:
        """Return how many more units would show a difference of this size with 80 % power.

        Two-sided at 5 %: the standard error must be difference / (z_0.975 + z_0.8) = difference / 2.80
        (Lachin 1981), and the part of its square that is due to q units falls as 1 / q.

        Args:
            difference: a fraction, for instance 0.01 for a point.

        Returns:
            0 if they are enough; None if no number of units would do, for the runs alone vary too much.
        """
        allowed = (difference / (Z_TWO_SIDED + Z_POWER)) ** 2 - float(self.run_variance)
        if not allowed > 0 or math.isnan(float(self.unit_variance)):
            return None
        needed = self.units.independent * float(self.unit_variance) / allowed
        return max(0, math.ceil(needed - self.units.independent))


def paired_difference(
    a: Sequence[ConfusionCounts],
    b: Sequence[ConfusionCounts],
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Paired:
    """Compare two sides, each one run or several of one recipe.

    Args:
        a: what was counted, per run; all runs of both sides on the same images.
        b: of the other side.
        statistic: a score from `terrazzo.metrics.scores`, to (...) or per class (..., K).
        confidence: the share of such intervals that should contain the true difference.
        resamples: R, how many times units and runs are drawn again.
        seed: of the counted generator.

    Raises:
        ValueError: the images differ.
    """
    units = find_units(a[0].ids, a[0].groups)
    ids = [a[0].ids[i] for i in units.order]
    margins_a, margins_b = ([_margins(run, ids) for run in side] for side in (a, b))
    return paired_margins(
        margins_a,
        margins_b,
        units,
        statistic=statistic,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


def paired_margins(
    a: Sequence[Margins],
    b: Sequence[Margins],
    units: Units,
    *,
    statistic: Statistic,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Paired:
    """Compare two sides by the margins (N, K) of each run, images in the order of the units' members."""
    sides = [_Side.of(runs, units, statistic) for runs in (a, b)]
    score_a, score_b = (side.scores().mean(axis=0) for side in sides)
    difference = np.asarray(score_b - score_a)
    if units.independent < 2:
        nan = np.full(difference.shape, np.nan)
        return Paired(score_a, score_b, difference, nan, nan, nan, nan, nan, units)
    by_units = jackknife(sides[1].without_each() - sides[0].without_each(), units)
    spread = by_units.plus(sides[0].between_runs()).plus(sides[1].between_runs())
    drawn_R = np.concatenate(list(_drawn(sides, units, resamples, seed)))
    half = half_width(difference, drawn_R, spread, units, confidence)
    return Paired(
        score_a,
        score_b,
        difference,
        low=np.clip(difference - half, -1, 1),
        high=np.clip(difference + half, -1, 1),
        p=p_value(difference, spread),
        unit_variance=by_units.variance,
        run_variance=spread.variance - by_units.variance,
        units=units,
    )


def _margins(run: ConfusionCounts, ids: Sequence[str]) -> Margins:
    """Return the margins (N, K) of the images in the order of `ids`.

    Raises:
        ValueError: these are not the run's images.
    """
    place = {id: index for index, id in enumerate(run.ids)}
    if place.keys() != set(ids):
        raise ValueError("The runs were scored on different images.")
    return Margins.of_images(run, [place[id] for id in ids])


@dataclass(frozen=True, eq=False)
class _Side:
    """The runs of one recipe: of each the margins of the whole (K,) and of its units (U, K)."""

    runs: tuple[tuple[Margins, Margins], ...]
    statistic: Statistic

    @classmethod
    def of(cls, runs: Sequence[Margins], units: Units, statistic: Statistic) -> "_Side":
        """Sum up the images (N, K) of each run."""
        return cls(tuple((run.total(), units.sums(run)) for run in runs), statistic)

    def scores(self) -> Floats:
        """Return the score of each run, (S, ...)."""
        return np.stack([self.statistic(whole) for whole, _ in self.runs])

    def without_each(self) -> Floats:
        """Return the mean score over the runs without each unit, (U, ...)."""
        left_out = [self.statistic(whole.minus(parts)) for whole, parts in self.runs]
        return np.asarray(np.mean(left_out, axis=0))

    def between_runs(self) -> Spread:
        """Return the spread of the mean over runs; none where one run says nothing of others."""
        scores, count = self.scores(), len(self.runs)
        if count == 1:
            return Spread(np.zeros(scores.shape[1:]), np.ones(scores.shape[1:]))
        return Spread(scores.var(axis=0, ddof=1) / count, np.full(scores.shape[1:], count - 1.0))

    def drawn(self, weights_RU: Floats, random: np.random.Generator) -> Floats:
        """Return the score of each resample of units (R, ...), the runs drawn again for each as well."""
        count = len(self.runs)
        per_run_SR = np.stack([self.statistic(parts.weighted(weights_RU)) for _, parts in self.runs])
        times_RS = random.multinomial(count, np.full(count, 1 / count), size=len(weights_RU))
        return np.asarray(np.einsum("rs,sr...->r...", times_RS / count, per_run_SR))


def _drawn(sides: Sequence[_Side], units: Units, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield the difference in each resample; both sides get the same units."""
    random = generator(seed, Stream.BOOTSTRAP, 1)
    for weights_RU in draws(units, resamples, seed):
        score_a, score_b = (side.drawn(weights_RU, random) for side in sides)
        yield score_b - score_a
