"""Are the probabilities honest? Of the pixels that a network is 80 % sure of, 80 % should be right.

Definitions, all over valid pixels at the resolution of the truth, the confidence of a pixel being the
probability of the class that is predicted there:
* expected calibration error, ECE: the gap between mean confidence and accuracy within each of M equal bins
  of confidence, averaged with the bins' shares of the pixels (Naeini et al. 2015; M = 15 and bins closed
  above as in Guo et al. 2017, section 2); the maximum calibration error, MCE, is the largest such gap;
* classwise ECE: the same of each class's probability against how often the pixel is of that class, for every
  class over all pixels, then the mean over classes (Kull et al. 2019, section 2; the static calibration error
  of Nixon et al. 2019);
* Brier score: the squared distance between probabilities and truth, summed over classes (Brier 1950; 0..2);
* negative log-likelihood: -log of the probability of the true class, natural logarithm.

Shapes: K classes, M bins, N images, X numbers kept per image.
"""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import IGNORE, DataError
from terrazzo.metrics.intervals import Interval, bootstrap_rows
from terrazzo.metrics.meter import Judged
from terrazzo.metrics.probability_sums import CONFIDENCE, HITS, PIXELS, STEPS, Counts, sum_probabilities
from terrazzo.metrics.scores import plain

BINS: Final = 15
"""As in Guo et al. 2017."""

Floats = NDArray[np.float64]


class Calibration:
    """A meter of calibration: whole numbers per bin, and one small row per image for the intervals.

    Args:
        num_classes: K.
        ignore_index: the train id of void in the truth.
        bins: M.
    """

    def __init__(self, num_classes: int, ignore_index: int = IGNORE, *, bins: int = BINS) -> None:
        self.num_classes, self.ignore_index, self.bins = num_classes, ignore_index, bins
        self._classes_KM3 = np.zeros((num_classes, bins, 3), np.int64)
        self._rows: dict[str, Counts] = {}
        self._groups: dict[str, str | None] = {}

    def add(self, judged: Judged) -> None:
        """Take in one image; see `Meter`.

        Raises:
            DataError: its probabilities are no numbers, or of another size than the truth; names the image.
        """
        try:
            sums = sum_probabilities(
                judged.probabilities,
                judged.ids,
                judged.truth,
                ignore_index=self.ignore_index,
                bins=self.bins,
            )
        except DataError as error:
            raise DataError(f"{judged.id}: {error}") from error
        row_X = np.append(sums.bins, (sums.log_loss, sums.brier))
        self._append(judged.id, judged.group, row_X)
        self._classes_KM3 += sums.classes

    def merge(self, other: Self) -> None:
        """Take in the images of another meter, for instance another process's share; in any order.

        Raises:
            ValueError: its classes, void or bins differ, or an image is in both.
        """
        mine = (self.num_classes, self.ignore_index, self.bins)
        theirs = (other.num_classes, other.ignore_index, other.bins)
        if mine != theirs:
            raise ValueError(
                f"Calibrations of (classes, void id, bins) {mine} and {theirs} cannot be merged."
            )
        for id in other.ids:
            self._refuse_twice(id)
        for id, row_X in other._rows.items():
            self._append(id, other._groups[id], row_X)
        self._classes_KM3 += other._classes_KM3

    @property
    def rows(self) -> Counts:
        """(N, 3M + 2) sums per image, in the order of `ids`: what `ece` and its like take."""
        empty = np.zeros((0, 3 * self.bins + 2), np.int64)
        return np.stack([self._rows[id] for id in self.ids]) if self._rows else empty

    @property
    def ids(self) -> list[str]:
        """The images' ids, sorted: results depend on the images, not on their order."""
        return sorted(self._rows)

    @property
    def groups(self) -> list[str | None]:
        """The images' groups, in the order of `ids`."""
        return [self._groups[id] for id in self.ids]

    def scores(self) -> dict[str, float]:
        """Return ece, mce, classwise_ece, brier, nll, accuracy and mean confidence; NaN without any pixel."""
        total_X = self.rows.sum(axis=0)
        pixels, confidence, hits = (float(column) for column in total_X[:-2].reshape(-1, 3).sum(axis=0))
        return {
            "ece": float(ece(total_X)),
            "mce": float(mce(total_X)),
            "classwise_ece": float(np.mean(self.ece_per_class())),
            "brier": float(brier(total_X)),
            "nll": float(nll(total_X)),
            "accuracy": hits / pixels if pixels else float("nan"),
            "confidence": confidence / STEPS / pixels if pixels else float("nan"),
        }

    def ece_per_class(self) -> Floats:
        """(K,) the calibration error of each class's probability, over all valid pixels."""
        return _ece(self._classes_KM3.astype(np.float64))

    def interval(self, score: str) -> Interval:
        """Return the bootstrap interval of `ece`, `nll` or `brier` over images, or groups where known."""
        return bootstrap_rows(self.rows, self.groups, self.ids, INTERVALS[score])

    def reliability(self) -> list[dict[str, Any]]:
        """Return the reliability diagram: per bin its edges, pixels, mean confidence and accuracy."""
        bins_M3 = self.rows.sum(axis=0)[:-2].reshape(-1, 3)
        return [
            {
                "low": m / self.bins,
                "high": (m + 1) / self.bins,
                "pixels": int(row[PIXELS]),
                "confidence": row[CONFIDENCE] / STEPS / row[PIXELS] if row[PIXELS] else None,
                "accuracy": row[HITS] / row[PIXELS] if row[PIXELS] else None,
            }
            for m, row in enumerate(bins_M3)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain values: scores, their intervals, the classes in train-id order, and the bins."""
        intervals = {name: self.interval(name) for name in INTERVALS}
        return {
            **{name: plain(value) for name, value in self.scores().items()},
            **{f"{name}_interval": [plain(i.low), plain(i.high)] for name, i in intervals.items()},
            "ece_per_class": [plain(float(value)) for value in self.ece_per_class()],
            "pixels": sum(row["pixels"] for row in self.reliability()),
            "interval": {"method": intervals["ece"].method, "note": intervals["ece"].note},
            "bins": self.reliability(),
        }

    def _append(self, id: str, group: str | None, row_X: Counts) -> None:
        self._refuse_twice(id)
        self._rows[id], self._groups[id] = row_X, group

    def _refuse_twice(self, id: str) -> None:
        if id in self._rows:
            raise ValueError(f"The image {id!r} has been counted already; every image counts once.")


def ece(rows_X: NDArray[Any]) -> Floats:
    """Return the expected calibration error (...) of sums (..., 3M + 2); NaN without any pixel."""
    return _ece(_bins(rows_X))


def mce(rows_X: NDArray[Any]) -> Floats:
    """Return the largest gap of any bin that has pixels, (...) of sums (..., 3M + 2)."""
    bins = _bins(rows_X)
    largest: Floats = (_gap(bins) / np.maximum(bins[..., PIXELS], 1)).max(axis=-1)
    return np.where(bins[..., PIXELS].sum(axis=-1) > 0, largest, np.nan)


def nll(rows_X: NDArray[Any]) -> Floats:
    """Return the mean negative log-likelihood (...), in nats, of sums (..., 3M + 2)."""
    return _per_pixel(rows_X, rows_X[..., -2] / STEPS)


def brier(rows_X: NDArray[Any]) -> Floats:
    """Return the mean Brier score (...), in 0..2, of sums (..., 3M + 2)."""
    return _per_pixel(rows_X, rows_X[..., -1] / STEPS)


INTERVALS: Final = {"ece": ece, "nll": nll, "brier": brier}
"""The scores that an interval is given of."""


def _ece(bins_M3: Floats) -> Floats:
    """(..., M, 3) -> (...): the gaps, weighted with the bins' pixels."""
    return _divided(_gap(bins_M3).sum(axis=-1), bins_M3[..., PIXELS].sum(axis=-1))


def _gap(bins_M3: Floats) -> Floats:
    """Return pixels times |mean confidence - accuracy|, (..., M)."""
    gap: Floats = np.abs(bins_M3[..., CONFIDENCE] / STEPS - bins_M3[..., HITS])
    return gap


def _bins(rows_X: NDArray[Any]) -> Floats:
    bins: Floats = rows_X[..., :-2].reshape(*rows_X.shape[:-1], -1, 3).astype(np.float64)
    return bins


def _per_pixel(rows_X: NDArray[Any], total: Floats) -> Floats:
    return _divided(total, _bins(rows_X)[..., PIXELS].sum(axis=-1))


def _divided(total: Floats, pixels: Floats) -> Floats:
    total, pixels = np.asarray(total, dtype=np.float64), np.asarray(pixels, dtype=np.float64)
    quotient: Floats = np.divide(total, pixels, out=np.full(pixels.shape, np.nan), where=pixels > 0)
    return quotient
