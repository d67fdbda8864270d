"""Two models, or two recipes, on the same images: which is better, by how much, and how sure that is.

Sources: Efron and Tibshirani 1993 (bootstrap, jackknife), Künsch 1989 (blocks), Owen 2007 and Bouthillier et
al. 2021 (runs), Holm 1979 (many classes), Lachin 1981 (how many more are needed). How it is computed:
`metrics.paired` and `metrics.resample`.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from terrazzo.evaluate.alike import check_alike
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.verdict import in_words
from terrazzo.metrics import Paired, paired_difference
from terrazzo.metrics.resample import holm
from terrazzo.metrics.scores import Floats, iou, mean_iou, plain

Winner = Literal["a", "b", "none"]

ALPHA = 0.05
"""A class counts as different where its p-value after Holm's correction is at most this."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two sides' scores on the same images say about them."""

    miou: Paired
    """Of the pooled mIoU."""

    iou: Paired
    """Of each class's IoU."""

    a: tuple[Evaluation, ...]
    """One run, or several of one recipe."""

    b: tuple[Evaluation, ...]

    may_differ: tuple[str, ...] = ()
    """What of the protocol was allowed to differ."""

    @property
    def verdict(self) -> Winner:
        """The better side by mIoU; none where the interval holds 0, or there is none."""
        if self.miou.low > 0:
            return "b"
        return "a" if self.miou.high < 0 else "none"

    @property
    def words(self) -> str:
        """The verdict in a sentence."""
        return in_words(self.miou)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before trusting the verdict."""
        return tuple(note for note in (self.miou.units.note, _about_runs(len(self.a), len(self.b))) if note)

    @property
    def p_holm(self) -> Floats:
        """(K,) p-values of the classes after Holm's correction; NaN for classes without an interval."""
        return holm(self.iou.p)

    def per_class(self) -> list[dict[str, Any]]:
        """Return one plain row per class: IoU of both, difference, interval, p-values, verdict."""
        rows = []
        for k, name in enumerate(self.a[0].protocol.classes):
            facts = {
                key: float(getattr(self.iou, key)[k]) for key in ("a", "b", "difference", "low", "high", "p")
            }
            facts = {key: plain(value) for key, value in facts.items()}
            interval = [facts.pop("low"), facts.pop("high")]
            p_holm = float(self.p_holm[k])
            rows.append(
                {"name": name, **facts, "interval": interval, "p_holm": plain(p_holm)}
                | {"verdict": _winner(float(self.iou.difference[k]), p_holm)}
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values, fractions, differences b - a, None for undefined."""
        units = self.miou.units
        more = self.miou.more_units(0.01)
        return {
            "a": plain(float(self.miou.a)),
            "b": plain(float(self.miou.b)),
            "difference": plain(float(self.miou.difference)),
            "interval": [plain(float(self.miou.low)), plain(float(self.miou.high))],
            "p": plain(float(self.miou.p)),
            "verdict": self.verdict,
            "words": self.words,
            "unit": units.kind,
            "units": round(units.independent, 2),
            "more_units_to_show_a_point": more,
            "runs": {"a": len(self.a), "b": len(self.b)},
            "per_class": self.per_class(),
            "notes": list(self.notes),
            "may_differ": list(self.may_differ),
            "protocol": self.a[0].protocol.to_json(),
        }


def compare(
    a: Evaluation | Sequence[Evaluation],
    b: Evaluation | Sequence[Evaluation],
    *,
    may_differ: Collection[str] = (),
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two sides that were scored on the same images in the same way.

    Args:
        a: an evaluation; or several, of runs of one recipe that differ by their seed.
        b: the other side.
        may_differ: what of the protocol may differ between them: tta, tiles, members, postprocess.
        resamples: how often units and runs are drawn again.
        seed: of the counted generator; the same seed gives the same comparison.

    Raises:
        RequestError: the protocols are unlike, or the images or their masks differ.
    """
    runs_a, runs_b = ((side,) if isinstance(side, Evaluation) else tuple(side) for side in (a, b))
    for side in (runs_a, runs_b):  # within a side nothing may differ
        check_alike(side)
    check_alike((runs_a[0], *runs_b), may_differ=may_differ)
    counts_a, counts_b = ([run.counts for run in side] for side in (runs_a, runs_b))
    overall, classes = (
        paired_difference(counts_a, counts_b, statistic, resamples=resamples, seed=seed)
        for statistic in (mean_iou, iou)
    )
    return Comparison(overall, classes, runs_a, runs_b, tuple(may_differ))


def _winner(difference: float, p: float) -> Winner:
    if math.isnan(p) or p > ALPHA:
        return "none"
    return "b" if difference > 0 else "a"


def _about_runs(a: int, b: int) -> str:
    if a == b == 1:
        return "One run of each: this compares two networks; another seed of the same recipes may differ."
    if 1 in (a, b):
        return "One side is a single run: how much its seed matters is not in the interval."
    if min(a, b) < 3:
        return "Two runs say little about how much seeds matter; the interval is wide for that reason."
    return ""
