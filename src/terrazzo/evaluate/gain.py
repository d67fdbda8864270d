"""What test-time augmentation gains, with its interval, and what it costs.

The two evaluations are of the same images, so the difference is drawn again as a pair (`metrics.paired`).
Were they drawn apart, most of the width would be how the images differ, which both share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.metrics import Interval
from terrazzo.metrics.paired import paired_difference
from terrazzo.metrics.scores import mean_iou, plain


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
            "words": self.words,
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
        seconds: per image, without and with; their means are compared. Of runs that alternated they say
            more than of runs one after the other, in between which a machine may have become busy.
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
    found = paired_difference([without.counts], [augmented.counts], mean_iou, resamples=resamples, seed=seed)
    units = found.units
    ends = float(found.low), float(found.high)
    interval = Interval(*ends, units.over, units.kind, units.note, 0.95, resamples, seed)
    ratio = None if seconds is None else fmean(seconds[1]) / fmean(seconds[0])
    return Gain(theirs.tta, without.scores.miou, augmented.scores.miou, interval, ratio)
