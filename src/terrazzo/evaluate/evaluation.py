"""Evaluation: the counts of one model on one dataset, and everything that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.evaluate.protocol import Protocol
from terrazzo.metrics import ConfusionCounts, Interval, Scores
from terrazzo.metrics.scores import Margins, mean_iou, plain


@dataclass(frozen=True)
class Evaluation:
    """One number that means one thing: counts, scores, interval and protocol together."""

    counts: ConfusionCounts
    """What all the rest is computed from, per image."""

    scores: Scores
    """Of the pooled confusion matrix."""

    interval: Interval
    """Of `scores.miou`."""

    protocol: Protocol

    details: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """What the meters found, by name."""

    @cached_property
    def miou_per_image(self) -> NDArray[np.float64]:
        """(N,) the mIoU of each image by itself, in the order of `counts.ids`; NaN where all is void.

        For ranking images only: its mean is not the dataset's mIoU.
        """
        return mean_iou(Margins.of(self.counts.per_image))

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values, fractions in 0..1, None for what is undefined."""
        scores = self.scores.to_json()
        return {
            "miou": scores.pop("miou"),
            "miou_interval": [plain(self.interval.low), plain(self.interval.high)],
            **scores,
            "images": len(self.counts),
            "pixels": int(self.counts.pooled.sum()),
            "interval": self.interval.to_json(),
            "protocol": self.protocol.to_json(),
            **({"details": dict(self.details)} if self.details else {}),
        }

    def confusions(self, limit: int = 8) -> list[dict[str, Any]]:
        """Return the largest mistakes as plain rows; shares are of that true class and of all mistakes."""
        matrix = self.counts.pooled
        names = [entry.name for entry in self.scores.per_class]
        wrong = matrix - np.diag(np.diag(matrix))
        largest = np.argsort(-wrong, axis=None, kind="stable")[:limit]
        cells = [divmod(int(cell), len(names)) for cell in largest]
        return [
            {
                "truth": names[k],
                "prediction": names[j],
                "share_of_class": float(wrong[k, j] / matrix[k].sum()),
                "share_of_mistakes": float(wrong[k, j] / wrong.sum()),
            }
            for k, j in cells
            if wrong[k, j] > 0
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row per class: name, iou, f1, precision, recall, share of the true pixels."""
        total = max(1, int(self.counts.pooled.sum()))
        columns = ("name", "iou", "f1", "precision", "recall")
        entries = [entry.to_json() for entry in self.scores.per_class]
        return [{key: e[key] for key in columns} | {"share": e["pixels"] / total} for e in entries]
