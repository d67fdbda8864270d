"""From units to an interval: leave each out (jackknife), draw them again (bootstrap), mind the tails.

The plain percentile bootstrap is too narrow where units are few or a few of them decide: by simulation
(`benchmarks/compare_simulation.py`) its 95 % interval for 100 images holds the truth 92 to 93 times in 100,
for ten groups less than 90 times. So the bootstrap's spread about the estimate is stretched to what Student's
t allows for:

    half width = Q(|s* - s|) x (t / z) x (SE_jackknife / SE_bootstrap)

* Q: the quantile of the resamples' distance from the estimate s; symmetric, because the skew of a percentile
  interval points the wrong way for a ratio.
* SE_jackknife (Efron and Tibshirani 1993, chapter 11; for blocks Künsch 1989): from leaving each unit out. It
  lies above that of the bootstrap where single units weigh much, as images of a rare class do.
* t / z: Student's t over the normal quantile. Degrees of freedom (q - 1) min(1, 2 / (kurtosis - 1)): those
  of a variance that is estimated from q values of this kurtosis (Satterthwaite 1946), q - 1 for normal ones.

Shapes: U candidate units, R resamples; ... any trailing axes, for instance K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.scores import Floats
from terrazzo.metrics.units import FEW_UNITS, Units

BLOCK = 256
"""Resamples drawn at a time: bounds the memory at BLOCK x U numbers, whatever R is."""


@dataclass(frozen=True, eq=False)
class Spread:
    """How far an estimate may be off: a variance, and how well that is known."""

    variance: Floats
    """(...) squared standard error; NaN where leaving a unit out leaves nothing to score."""

    freedom: Floats
    """(...) degrees of freedom, 1 or more."""

    def plus(self, other: "Spread") -> "Spread":
        """Add an independent source of spread; degrees of freedom by Satterthwaite 1946."""
        total = self.variance + other.variance
        share = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(share > 0, total**2 / share, self.freedom)
        return Spread(total, freedom)


def jackknife(left_out: Floats, units: Units) -> Spread:
    """Return the spread of a score from its values without each unit.

    Args:
        left_out: (U, ...) the score of everything but one candidate unit.
        units: what the units are.
    """
    more = units.independent - 1
    away = left_out - left_out.mean(axis=0)
    second, fourth = (away**2).mean(axis=0), (away**4).mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = np.where(second > 0, fourth / second**2, 3.0)
        freedom = more * np.minimum(1, 2 / np.maximum(kurtosis - 1, 1e-9))
    return Spread(np.asarray(more * second), np.maximum(freedom, 1.0))


def draws(units: Units, resamples: int, seed: int) -> Iterator[Floats]:
    """Draw the units with replacement: yields how often each was drawn, (r, U), R rows in all."""
    random = generator(seed, Stream.BOOTSTRAP)
    candidates = units.candidates
    drawn = max(1, round(units.independent))
    even = np.full(candidates, 1 / candidates)
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        yield random.multinomial(drawn, even, size=size).astype(np.float64)


def half_width(estimate: Floats, drawn_R: Floats, spread: Spread, units: Units, confidence: float) -> Floats:
    """Return half the width of the interval about an estimate; see the module.

    Args:
        estimate: (...) the score.
        drawn_R: (R, ...) the score of each resample; NaN where nothing was counted, which does not vote.
        spread: of the estimate.
        units: what was drawn.
        confidence: the share of such intervals that should contain the true score.

    Returns:
        (...), NaN where the spread is not known, 0 where there is none.
    """
    flat_RC = np.asarray(drawn_R - estimate, dtype=np.float64).reshape(len(drawn_R), -1)
    enough = units.independent >= FEW_UNITS
    shape_C = [_tail(away, confidence) if enough else 1.0 for away in flat_RC.T]
    error = np.sqrt(spread.variance)
    return np.reshape(shape_C, np.shape(estimate)) * error * student(spread.freedom, confidence)


def _tail(away_R: Floats, confidence: float) -> float:
    """Return the quantile of |s* - s| in standard deviations, over that of a normal distribution."""
    known = away_R[~np.isnan(away_R)]
    deviation = float(np.sqrt((known**2).mean())) if known.size else 0.0
    if not deviation:
        return 1.0
    return float(np.quantile(np.abs(known), confidence)) / deviation / float(normal(confidence))


def student(freedom: Floats, confidence: float) -> Floats:
    """Return Student's t that holds `confidence` of the distribution between -t and t."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, (1 + confidence) / 2), dtype=np.float64)


def normal(confidence: float) -> float:
    """Return z that holds `confidence` of the normal distribution between -z and z."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def p_value(estimate: Floats, spread: Spread) -> Floats:
    """Return the two-sided p-value of "the true value is 0" by Student's t; 1 for 0 without spread.

    By the tail of t and not by counting resamples: R resamples know no p below 1 / R, which Holm's
    correction over 150 classes would make 150 / R.
    """
    from scipy.special import stdtr

    error = np.sqrt(spread.variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(error > 0, np.abs(estimate) / error, np.where(estimate == 0, 0.0, np.inf))
    t = np.where(np.isnan(spread.variance) | np.isnan(estimate), np.nan, t)
    return np.asarray(2 * stdtr(spread.freedom, -t), dtype=np.float64)


def holm(p: Floats) -> Floats:
    """Return Holm's adjusted p-values (Holm 1979): below a bound, all true null hypotheses hold together.

    Args:
        p: (K,) p-values; NaN for what was not tested, which counts for nothing.
    """
    adjusted = np.full(p.shape, np.nan)
    tested: NDArray[np.int64] = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order])) if len(order) else 0
    return adjusted
