"""What is gained by leaving out the pixels a network is least sure of, and do its doubts find its errors?

Coverage is the share of pixels that are kept, the surest first; risk is the error rate among them (El-Yaniv
and Wiener 2010; Geifman and El-Yaniv 2017). AURC is the mean of the risk over all coverages 1/N, 2/N, ..., 1,
and E-AURC what remains of it beyond that of a perfect order, all errors last (Geifman et al. 2019, section
4). AUROC is the chance that a wrong pixel is less sure than a right one, ties counting half (Hendrycks and
Gimpel 2017).

Uncertainty is kept as a histogram, so that memory does not grow: 256 bins per halving of the uncertainty,
from 1 down to 2^-30. Two pixels whose uncertainties differ by less than 0.4 % of themselves may count as
tied; a tie is scored as the mean over all its orders, so on data without such near-ties all is exact.

Shapes: M bins, the surest first; N pixels.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import IGNORE, DataError
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.scores import plain
from terrazzo.metrics.uncertainty import UNCERTAINTIES

By = Literal["confidence", "entropy", "margin"]

COVERAGES: Final = (0.9, 0.95, 0.99)
"""Where the error rate is given."""

POINTS: Final = 100
"""Points of the curve, at equal steps of coverage."""

_SHIFT: Final = 15
"""Bits of a float32 that are dropped: 8 bits of its 23-bit fraction stay, so 256 bins per octave."""

_FIRST: Final = int(np.float32(2.0**-30).view(np.int32)) >> _SHIFT
_LAST: Final = int(np.float32(1.0).view(np.int32)) >> _SHIFT
SIZE: Final = _LAST - _FIRST + 2
"""M: bin 0 is what is below 2^-30, the last is exactly 1."""

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


class Coverage:
    """A meter of risk against coverage: two histograms of uncertainty, of right and of wrong pixels.

    Args:
        num_classes: K; not needed, taken so that all meters are built alike.
        ignore_index: the train id of void in the truth.
        by: what orders the pixels: `confidence`, the probability of the predicted class; or the entropy or
            the margin over all classes.
    """

    def __init__(self, num_classes: int = 0, ignore_index: int = IGNORE, *, by: By = "confidence") -> None:
        self.num_classes, self.ignore_index, self.by = num_classes, ignore_index, by
        self._right_M, self._wrong_M = np.zeros(SIZE, np.int64), np.zeros(SIZE, np.int64)

    def add(self, judged: Judged) -> None:
        """Take in one image; see `Meter`."""
        where = np.flatnonzero(judged.truth != self.ignore_index)
        place = bin_of(self._uncertainty(judged, where))
        if len(place) and not 0 <= place.min() <= place.max() < SIZE:
            raise DataError(f"{judged.id}: its probabilities are no numbers in 0..1. Check the model on it.")
        wrong = judged.ids.reshape(-1)[where] != judged.truth.reshape(-1)[where]
        both_M = np.bincount(place, minlength=SIZE)
        wrong_M = np.bincount(place[wrong], minlength=SIZE)
        self._right_M += both_M - wrong_M
        self._wrong_M += wrong_M

    def merge(self, other: Self) -> None:
        """Take in the pixels of another meter.

        Raises:
            ValueError: it orders pixels by something else, or its void differs.
        """
        mine, theirs = (self.by, self.ignore_index), (other.by, other.ignore_index)
        if mine != theirs:
            raise ValueError(f"Coverages of (order, void id) {mine} and {theirs} cannot be merged.")
        self._right_M += other._right_M
        self._wrong_M += other._wrong_M

    @property
    def pixels(self) -> int:
        """N, the valid pixels seen."""
        return int((self._right_M + self._wrong_M).sum())

    def risk(self, coverages: Sequence[float] | Floats) -> Floats:
        """Return the error rate among the surest pixels at coverages in 0..1; NaN where none are kept."""
        kept = np.asarray(coverages, dtype=np.float64) * self.pixels
        ends, errors = self._cumulated()
        risk: Floats = np.divide(
            np.interp(kept, ends, errors), kept, out=np.full(kept.shape, np.nan), where=kept > 0
        )
        return risk

    def threshold(self, coverage: float) -> float:
        """Return the uncertainty up to which pixels are kept, to within its bin; NaN without any pixel."""
        if not self.pixels:
            return float("nan")
        ends, _ = self._cumulated()
        return bin_end(int(np.searchsorted(ends[1:], coverage * self.pixels)))

    @property
    def aurc(self) -> float:
        """The area under the risk-coverage curve; NaN without pixels."""
        pixels = self._right_M + self._wrong_M
        there = pixels > 0
        size, wrong = pixels[there].astype(np.float64), self._wrong_M[there].astype(np.float64)
        before, errors = np.cumsum(size) - size, np.cumsum(wrong) - wrong
        rate = wrong / size
        # Of a tie of n pixels, the i-th that is kept adds (errors + rate i) / (before + i): summed over i.
        total = wrong + (errors - rate * before) * (_harmonic(before + size) - _harmonic(before))
        return _over(float(total.sum()), self.pixels)

    @property
    def excess_aurc(self) -> float:
        """E-AURC: the area above that of a perfect order."""
        wrong, pixels = int(self._wrong_M.sum()), self.pixels
        right = pixels - wrong
        last = _harmonic(np.array([float(right), float(pixels)]))
        best = wrong - right * float(last[1] - last[0])
        return self.aurc - _over(best, pixels)

    @property
    def auroc(self) -> float:
        """The chance that a wrong pixel is less sure than a right one; NaN where all or none are wrong."""
        surer_M = np.cumsum(self._right_M) - self._right_M / 2  # floats: exact below 2^52 pixels
        pairs = float(self._right_M.sum()) * float(self._wrong_M.sum())
        return _over(float((surer_M * self._wrong_M).sum()), pairs)

    def to_json(self) -> dict[str, Any]:
        """Return plain values: areas, error rates at 90, 95 and 99 % coverage, and the curve."""
        steps = np.arange(1, POINTS + 1) / POINTS
        risks = {f"{100 * c:g}": plain(float(self.risk([c])[0])) for c in COVERAGES}
        return {
            "by": self.by,
            "aurc": plain(self.aurc),
            "excess_aurc": plain(self.excess_aurc),
            "auroc": plain(self.auroc),
            "error_rate": plain(float(self.risk([1.0])[0])),
            "error_at_coverage": risks,
            "uncertainty_at_coverage": {f"{100 * c:g}": plain(self.threshold(c)) for c in COVERAGES},
            "pixels": self.pixels,
            "curve": {
                "coverage": steps.tolist(),
                "risk": [plain(float(value)) for value in self.risk(steps)],
            },
        }

    def _uncertainty(self, judged: Judged, where: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the uncertainty, in 0..1, of the pixels at these places."""
        if self.by != "confidence":
            return UNCERTAINTIES[self.by](judged.probabilities).reshape(-1)[where]
        # The class that is predicted may not be the likeliest: post-processing changes labels.
        ids = judged.ids.reshape(-1)[where].astype(np.intp)
        unsure: NDArray[np.float32] = 1 - judged.probabilities.reshape(-1)[ids * judged.truth.size + where]
        return unsure

    def _cumulated(self) -> tuple[Floats, Floats]:
        """Return pixels and errors up to the end of each bin, from 0 on: (M + 1), (M + 1)."""
        pixels, errors = np.zeros(SIZE + 1), np.zeros(SIZE + 1)
        np.cumsum(self._right_M + self._wrong_M, out=pixels[1:])
        np.cumsum(self._wrong_M, out=errors[1:])
        return pixels, errors


def bin_of(uncertainty: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the bin 0..M-1 of uncertainties in 0..1; outside that range for what is no number in it.

    The bits of a positive float, read as a whole number, rise with its logarithm.
    """
    bits = np.ascontiguousarray(uncertainty, dtype=np.float32).view(np.int32)
    place = (bits >> _SHIFT) - (_FIRST - 1)
    # Rounding may leave a hair below 0, in which the sign bit is set: certain all the same.
    small = (uncertainty < np.float32(2.0**-30)) & (uncertainty > np.float32(-1e-5))
    place[small] = 0
    return place


def bin_end(place: int) -> float:
    """Return the upper end of a bin."""
    return float(np.int32((min(place + 1, SIZE - 1) + _FIRST - 1) << _SHIFT).view(np.float32))


def _harmonic(count: Floats) -> Floats:
    """Return 1 + 1/2 + ... + 1/n, less Euler's constant."""
    from scipy.special import digamma

    value: Floats = digamma(count + 1)
    return value


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
