"""Which samples an epoch visits, and how often: uniform, by weights, or rare classes more often.

A plan is a pure function of (seed, epoch), so any position of the stream can be asked for at once: resumed
runs and several processes see the same draws. Letters: N samples, K classes, L draws of an epoch.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.randomness import Stream, generator, permutation

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """The draws of one epoch, in order."""

    samples: NDArray[np.int64]
    """(L,) positions in the dataset."""

    wanted: NDArray[np.int64] | None = None
    """(L,) the class that each was drawn for, which its crop should show; None: any crop will do."""


class Plan(Protocol):
    """What an epoch visits."""

    @property
    def length(self) -> int:
        """L, draws of an epoch: the same for every epoch."""

    def visits(self, seed: int, epoch: int) -> Visits:
        """Return the draws of an epoch; equal arguments give equal draws."""


@dataclass(frozen=True)
class Uniform:
    """Every sample once an epoch."""

    length: int

    def visits(self, seed: int, epoch: int) -> Visits:
        """Return a permutation."""
        return Visits(permutation(self.length, seed, epoch))


@dataclass(frozen=True)
class Repeated:
    """Every sample so often on average as it says; each epoch has the number below or above that."""

    times: NDArray[np.float64]
    """(N,) mean visits an epoch, 0 or more; their sum, rounded, is L."""

    @property
    def length(self) -> int:
        """L, the rounded sum of `times`."""
        return max(1, round(float(self.times.sum())))

    def visits(self, seed: int, epoch: int) -> Visits:
        """Return the draws: one grid of equal steps over the samples laid end to end in random order.

        So a sample with 2.3 comes twice or three times, never five times, as it might in free draws.
        """
        rng = generator(seed, Stream.ORDER, epoch)
        order = rng.permutation(len(self.times))
        ends = np.cumsum(self.times[order])
        ends *= self.length / ends[-1]
        ends[-1] = self.length  # whatever rounding made of it: L draws
        times = np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(np.int64)
        return Visits(rng.permutation(np.repeat(order, times)))


@dataclass(frozen=True)
class ByClass:
    """A class is drawn first, by its share, then one of its samples, all alike; N draws an epoch."""

    shares: NDArray[np.float64]
    """(K,) chance of each class, summing to 1."""

    members: tuple[NDArray[np.int64], ...]
    """For each class the samples that show it; at least one where the share is above 0."""

    length: int

    def visits(self, seed: int, epoch: int) -> Visits:
        """Return the draws, each with the class it was drawn for."""
        rng = generator(seed, Stream.ORDER, epoch)
        wanted = rng.choice(len(self.shares), self.length, p=self.shares)
        places = rng.random(self.length)
        samples = [
            self.members[k][int(p * len(self.members[k]))] for k, p in zip(wanted, places, strict=True)
        ]
        return Visits(np.array(samples, dtype=np.int64), wanted.astype(np.int64))


def by_weights(weights: NDArray[np.float64]) -> Repeated:
    """Visit N samples an epoch, in proportion to their weights (N,), 0 or more and not all 0."""
    return Repeated(weights * (len(weights) / weights.sum()))


def repeat_factors(frequency_K: NDArray[np.float64], has_NK: NDArray[np.bool_], threshold: float) -> Repeated:
    """Repeat the samples of classes that are rarer than a threshold.

    Gupta, Dollar, Girshick 2019, LVIS, section 5: r(c) = max(1, sqrt(t / f(c))), and a sample has the
    largest r of its classes. Ours: the fractions are spread over the epoch by a grid, so L is fixed.

    Args:
        frequency_K: f(c); the paper's is the share of images that have the class.
        has_NK: which classes a sample shows.
        threshold: t.
    """
    factors_K = np.ones_like(frequency_K)
    seen = frequency_K > 0
    factors_K[seen] = np.maximum(1.0, np.sqrt(threshold / frequency_K[seen]))
    return Repeated(np.where(has_NK, factors_K, 1.0).max(axis=1))


def rare_classes(counts_NK: Counts, *, temperature: float, least_NK: NDArray[np.bool_]) -> ByClass:
    """Draw classes by exp((1 - f) / T), f being the share of the labelled pixels.

    Hoyer, Dai, Van Gool 2022, DAFormer, section 4.3 (rare class sampling). An infinite temperature
    draws all classes alike (class-balanced). Classes without a pixel are never drawn.

    Args:
        counts_NK: pixels of each class in each sample.
        temperature: T.
        least_NK: where a sample shows enough of a class to be drawn for it; a class that no sample shows
            enough of is drawn from all samples that have it.
    """
    pixels_K = counts_NK.sum(axis=0)
    has_K = pixels_K > 0
    # (1 - f) / T up to a constant, 0 for the rarest that is there: so the exponentials cannot overflow.
    exponent_K = (pixels_K[has_K].min() - pixels_K) / pixels_K.sum() / temperature
    chance_K = np.where(has_K, np.exp(np.minimum(exponent_K, 0)), 0.0)
    members = tuple(
        np.flatnonzero(least_NK[:, k] if least_NK[:, k].any() else counts_NK[:, k] > 0)
        for k in range(counts_NK.shape[1])
    )
    return ByClass(chance_K / chance_K.sum(), members, len(counts_NK))
