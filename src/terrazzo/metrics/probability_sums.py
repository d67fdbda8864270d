"""One image's probabilities reduced to the sums that every calibration score is made of.

Pixels are taken a block at a time, so that a block's probabilities stay in the cache, and void pixels are
zeroed there once. Of the classes' bins only the pixels above the first edge are looked at one by one: nearly
all probabilities lie in the first bin, which is what remains of the whole.

Sums of fractions are kept as whole numbers of steps of 2^-20. Whole numbers add up to the same total in any
order, so neither the order of images nor how processes shared them changes a single bit of a score.

Shapes: K classes, N pixels of one image, n pixels of a block, M bins, 3 columns of a bin (`PIXELS`,
`CONFIDENCE`, `HITS`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError

Counts = NDArray[np.int64]
Floats = NDArray[np.float32]

PIXELS, CONFIDENCE, HITS = range(3)
"""Columns of a bin: how many pixels, the sum of their confidences (in steps), how many are right."""

STEPS: Final = 1 << 20
"""Steps per unit in sums of fractions: 2^43 pixels fit, and a sum over one image is right to a millionth."""

FLOOR: Final = float(np.finfo(np.float32).tiny)
"""The least probability that the logarithm is taken of, 1.2e-38: below, a float32 softmax gives 0."""

BLOCK: Final = 1 << 14
"""Pixels looked at together."""


@dataclass(frozen=True)
class ProbabilitySums:
    """What is kept of the valid pixels of one image."""

    bins: Counts
    """(M, 3) by the probability of the predicted class."""

    classes: Counts
    """(K, M, 3) class by class, by that class's probability; a hit is a pixel that is of this class."""

    log_loss: int
    """Sum of -log of the probability of the true class, in steps."""

    brier: int
    """Sum over pixels and classes of (probability - truth)^2, in steps."""


def sum_probabilities(
    probabilities: NDArray[np.float32],
    ids: NDArray[Any],
    truth: NDArray[Any],
    *,
    ignore_index: int,
    bins: int,
) -> ProbabilitySums:
    """Reduce one image.

    Args:
        probabilities: (K, H, W), or (K, D, H, W) of a volume: float32 shares in 0..1 that add up to 1.
        ids: (H, W) predicted train ids 0..K-1, not necessarily the most likely class.
        truth: (H, W) true train ids, void included.
        ignore_index: the train id of void.
        bins: M bins of equal width; bin m holds what is above m / M and at most (m + 1) / M.

    Raises:
        DataError: the sizes differ, or a probability of a valid pixel is no number in 0..1.
    """
    if not probabilities.shape[1:] == ids.shape == truth.shape:
        raise DataError(
            f"Probabilities {probabilities.shape}, labels {ids.shape} and truth {truth.shape} differ in "
            "size; judge a prediction against the mask of the same image at the mask's own size."
        )
    num_classes = len(probabilities)
    flat_KN = probabilities.reshape(num_classes, -1)
    ids_N, truth_N = ids.reshape(-1), truth.reshape(-1)
    total = _Total(num_classes, bins)
    for start in range(0, truth_N.size, BLOCK):
        block = slice(start, start + BLOCK)
        total.add(flat_KN[:, block], ids_N[block], truth_N[block], ignore_index)
    return total.rounded()


class _Total:
    """Sums of one image while its blocks are added up, in float64."""

    def __init__(self, num_classes: int, bins: int) -> None:
        self.bins_M3 = np.zeros((bins, 3))
        self.classes_KM3 = np.zeros((num_classes, bins, 3))
        self.log_loss = 0.0
        self.brier = 0.0

    def add(self, given_Kn: Floats, ids_n: NDArray[Any], truth_n: NDArray[Any], ignore_index: int) -> None:
        """Add a block of pixels."""
        valid_n = truth_n != ignore_index
        count = int(np.count_nonzero(valid_n))
        if not count:
            return
        shares_Kn = np.array(given_Kn, dtype=np.float32, order="C")
        if count < valid_n.size:
            shares_Kn[:, ~valid_n] = 0
        where = np.flatnonzero(valid_n)
        truth, hit = truth_n[where].astype(np.intp), ids_n[where] == truth_n[where]
        true_share = shares_Kn[truth, where]
        self._add_losses(shares_Kn, true_share, count)
        self._add_predicted(shares_Kn[ids_n[where].astype(np.intp), where], hit)
        self._add_classes(shares_Kn, count, truth, true_share)

    def rounded(self) -> ProbabilitySums:
        """Return the sums as whole numbers."""
        for table in (self.bins_M3, self.classes_KM3):
            table[..., CONFIDENCE] *= STEPS
        bins, classes = (np.rint(table).astype(np.int64) for table in (self.bins_M3, self.classes_KM3))
        return ProbabilitySums(bins, classes, round(self.log_loss * STEPS), round(self.brier * STEPS))

    def _add_losses(self, shares_Kn: Floats, true_share: Floats, count: int) -> None:
        flat = shares_Kn.reshape(-1)
        squares = float(np.dot(flat, flat))
        if not 0 <= squares <= 1.001 * count:
            raise DataError(
                "The probabilities of this image are no numbers in 0..1 that add up to 1; the network's "
                "output may hold NaN or infinity. Check the model on this image."
            )
        self.brier += squares + count - 2 * float(true_share.sum(dtype=np.float64))
        self.log_loss -= float(np.log(np.maximum(true_share, FLOOR)).sum(dtype=np.float64))

    def _add_predicted(self, confidence: Floats, hit: NDArray[np.bool_]) -> None:
        bins = len(self.bins_M3)
        place = bin_of(confidence, bins)
        self.bins_M3[:, PIXELS] += np.bincount(place, minlength=bins)
        self.bins_M3[:, CONFIDENCE] += np.bincount(place, confidence, minlength=bins)
        self.bins_M3[:, HITS] += np.bincount(place, hit, minlength=bins)

    def _add_classes(
        self, shares_Kn: Floats, count: int, truth: NDArray[np.intp], true_share: Floats
    ) -> None:
        """Bin all K probabilities of each pixel: one by one above the first edge, the rest as a rest."""
        num_classes, bins, _ = self.classes_KM3.shape
        cells = num_classes * bins
        high = np.flatnonzero(shares_Kn > np.float32(1 / bins))
        share = shares_Kn.reshape(-1)[high]
        place = bin_of(share, bins)
        place += (high // shares_Kn.shape[1]) * bins
        table_KM3 = np.empty_like(self.classes_KM3)
        table_KM3[..., PIXELS] = np.bincount(place, minlength=cells).reshape(num_classes, bins)
        table_KM3[..., CONFIDENCE] = np.bincount(place, share, minlength=cells).reshape(num_classes, bins)
        table_KM3[:, 0, PIXELS] = count - table_KM3[:, 1:, PIXELS].sum(axis=1)
        table_KM3[:, 0, CONFIDENCE] = shares_Kn.sum(axis=1) - table_KM3[:, 1:, CONFIDENCE].sum(axis=1)
        place = truth * bins + bin_of(true_share, bins)
        table_KM3[..., HITS] = np.bincount(place, minlength=cells).reshape(num_classes, bins)
        self.classes_KM3 += table_KM3


def bin_of(share: NDArray[np.float32], bins: int) -> NDArray[np.intp]:
    """Return the bin 0..M-1 of shares in 0..1: bin m is (m / M, (m + 1) / M], and 0 lies in the first."""
    place: NDArray[np.intp] = np.ceil(share * np.float32(bins)).astype(np.intp)
    place -= 1
    np.clip(place, 0, bins - 1, out=place)
    return place
