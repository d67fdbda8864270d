"""What came of trying candidates: which is best, what it gains where it was not chosen, and the verdict."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from terrazzo.metrics.scores import plain
from terrazzo.metrics.units import Units

SEEN: Final = "These are images that models are trained on: what helps there may not help elsewhere."


@dataclass(frozen=True, eq=False)
class Tuning:
    """What candidates do, which one is chosen, and what choosing gains on images it was not chosen on."""

    candidates: tuple[str, ...]
    """In words, `none` first."""

    miou: tuple[float, ...]
    """Of each on all images, 0..1: for ranking them; the best one's is too good."""

    fold_choices: tuple[str, ...]
    """The best candidate on all images but those of each fold."""

    difference: float
    """Of the held-out images' mIoU: what was chosen without them, over none."""

    low: float
    """Lower end of its 95 % interval; NaN where there is none."""

    high: float

    units: Units
    """What was resampled for it."""

    folds: str
    """What the folds keep whole, in words."""

    fingerprint: str
    """Of the data."""

    split: str

    @property
    def best(self) -> str:
        """The candidate with the largest mIoU on all images, of equal ones the first."""
        return self.candidates[int(np.argmax(np.nan_to_num(self.miou)))]

    @property
    def real(self) -> bool:
        """Whether the gain's interval lies above 0."""
        return self.best != "none" and self.low > 0

    @property
    def chosen(self) -> str:
        """What to do from now on: the best candidate where its gain is real, else `none`."""
        return self.best if self.real else "none"

    @property
    def words(self) -> str:
        """The verdict in a sentence."""
        difference, low, high = (100 * value for value in (self.difference, self.low, self.high))
        ends = "no interval exists" if math.isnan(low) else f"95 % interval {low:+.2f} to {high:+.2f}"
        if self.real:
            return (
                f"{self.best} gains {difference:.2f} points of mIoU, 95 % interval {low:.2f} to {high:.2f}, "
                "on images that it was not chosen on."
            )
        if self.best == "none":
            return "No gain shown: none of the candidates is better than none on these images."
        verdict = "No gain shown" if not high < 0 else "A loss is shown"
        return (
            f"{verdict}: {self.best} is best on all images, but choosing on some and judging on others "
            f"changes mIoU by {difference:+.2f} points, {ends}."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before trusting the verdict."""
        picks = Counter(self.fold_choices)
        differ = "The folds chose differently: " + ", ".join(
            f"{words} ({count} of {len(self.fold_choices)})" for words, count in picks.most_common()
        )
        said = [
            f"{differ}." if len(picks) > 1 else "",
            SEEN if self.split in {"train", "all"} else "",
            self.units.note,
        ]
        return tuple(note for note in said if note)

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row per candidate: mIoU on all images, and how much that is above none's."""
        return [
            {"postprocess": words, "miou": plain(miou), "difference": plain(miou - self.miou[0])}
            for words, miou in zip(self.candidates, self.miou, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, fractions in 0..1; undefined numbers are None."""
        return {
            "chosen": self.chosen,
            "best": self.best,
            "real": self.real,
            "words": self.words,
            "gain": plain(self.difference),
            "interval": [plain(self.low), plain(self.high)],
            "unit": self.units.kind,
            "units": round(self.units.independent, 2),
            "folds": {"by": self.folds, "chose": list(self.fold_choices)},
            "candidates": self.rows(),
            "notes": list(self.notes),
            "images": len(self.units.order),
            "data_fingerprint": self.fingerprint,
        }
