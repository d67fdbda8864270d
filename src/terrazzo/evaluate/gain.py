"""What test-time augmentation gains, with its interval, and what it costs.

The two evaluations are of the same images, so the difference is drawn again as a pair: every resample of the
images (or groups, where known) is scored under both, and the interval is of the differences (paired
percentile bootstrap; Efron and Tibshirani 1993, chapter 13). Were they drawn apart, most of the width would
be how the images differ, which both share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.metrics import ConfusionCounts, Interval, bootstrap_interval
from terrazzo.metrics.scores import Floats, Margins, mean_iou, plain


@dataclass(frozen=True)
class Gain:
    """The difference that test-time augmentation makes."""

    tta: str
    """The augmentation, in words."""

    miou_plain: float
    """Without it, 0..1."""

    miou_tta: float
    """With it, 0..1."""

    interval: Interval
    """Of the difference."""

    time_ratio: float | None
    """Seconds per image with it, over seconds without; None where no times are known."""

    @property
    def difference(self) -> float:
        """With minus without, a fraction."""
        return self.miou_tta - self.miou_plain

    @property
    def words(self) -> str:
        """One line for people, with what must be known of the interval."""
        low, high = 100 * self.interval.low, 100 * self.interval.high
        shown = f"{100 * self.difference:+.2f} points of mIoU, 95 % interval {low:+.2f} to {high:+.2f}"
        verdict = "" if low > 0 or high < 0 else ", so no difference is shown"
        cost = "" if self.time_ratio is None else f"; {self.time_ratio:.2f} times the time per image"
        note = f". {self.interval.note}" if self.interval.note else ""
        return f"{shown}{verdict}{cost}{note}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values, fractions in 0..1; undefined numbers are None."""
        return {
            "tta": self.tta,
            "miou_plain": plain(self.miou_plain),
            "miou_tta": plain(self.miou_tta),
            "difference": plain(self.difference),
            "interval": [plain(self.interval.low), plain(self.interval.high)],
            "interval_method": self.interval.method,
            "note": self.interval.note,
            "time_ratio": self.time_ratio,
        }


def tta_gain(
    without: Evaluation,
    augmented: Evaluation,
    *,
    seconds: tuple[Sequence[float], Sequence[float]] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Gain:
    """Compare two evaluations of one model that differ in test-time augmentation alone.

    Args:
        without: of the plain network.
        augmented: of the same, with augmentation.
        seconds: per image, without and with, from runs that alternated; their totals are compared.
        resamples: how often the images are drawn again.
        seed: of the counted generator.

    Raises:
        RequestError: the two differ in anything but their augmentation.
    """
    mine, theirs = without.protocol, augmented.protocol
    if replace(mine, tta=theirs.tta).fingerprint != theirs.fingerprint or set(without.counts.ids) != set(
        augmented.counts.ids
    ):
        raise RequestError(
            f"The gain is of test-time augmentation alone, but these evaluations ({mine.fingerprint} and "
            f"{theirs.fingerprint}) differ in more. Evaluate the same model on the same data, once without."
        )
    pairs = _Pairs(without.counts, augmented.counts)
    interval = bootstrap_interval(pairs, pairs.difference, resamples=resamples, seed=seed)
    ratio = None if seconds is None else sum(seconds[1]) / sum(seconds[0])
    return Gain(theirs.tta, without.scores.miou, augmented.scores.miou, interval, ratio)


class _Pairs(ConfusionCounts):
    """Two counts of the same images as one: of K classes each, side by side on the diagonal of (2K, 2K).

    So whatever draws images for one score draws the same for both.
    """

    def __init__(self, first: ConfusionCounts, second: ConfusionCounts) -> None:
        super().__init__(2 * first.num_classes, ignore_index=first.ignore_index)
        self._pair = first, second

    def __len__(self) -> int:
        return len(self._pair[0])

    @property
    def ids(self) -> tuple[str, ...]:
        return self._pair[0].ids

    @property
    def groups(self) -> tuple[str | None, ...]:
        return self._pair[0].groups

    @property
    def per_image(self) -> NDArray[np.int64]:
        """(N, 2K, 2K), both in the order of the first one's ids."""
        first, second = self._pair
        place = {id: index for index, id in enumerate(second.ids)}
        classes = first.num_classes
        both = np.zeros((len(first), 2 * classes, 2 * classes), dtype=np.int64)
        both[:, :classes, :classes] = first.per_image
        both[:, classes:, classes:] = second.per_image[[place[id] for id in first.ids]]
        return both

    def difference(self, margins: Margins) -> Floats:
        """Return the second's mIoU minus the first's, of margins (R, 2K)."""
        first, second = (
            mean_iou(Margins(*(np.split(part, 2, axis=-1)[half] for part in vars(margins).values())))
            for half in (0, 1)
        )
        return second - first
