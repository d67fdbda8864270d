"""Several predictions of one image become one: the rules, and the running sum that keeps only the last.

All of it is done on logarithms of probabilities, so that nothing underflows: the result may be widened
bilinearly, and a probability that had become 0 would be minus infinity there.

Shapes: K classes, h x w logits, H x W pixels, r rows.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from terrazzo.core.prediction import Prediction
from terrazzo.predict.rows import FullRows, blocks

SHARPEN: Final = 0.5
"""T of tsharpen, as in TTAch (`ttach/base.py`, class Merger)."""


@dataclass(frozen=True)
class Rule:
    """How predictions are merged: a term of each, and how a term joins those before."""

    term: Callable[[Tensor], Tensor]
    """From logits (K, r, W) to a new tensor of that shape."""

    join: Callable[[Tensor, Tensor], None]
    """Takes a term (second) into the running sum (first), in place."""

    divides: bool = False
    """Whether the sum is divided by the number of predictions; else softmax takes that factor out."""


def _log_shares(logits_KrW: Tensor) -> Tensor:
    return logits_KrW.log_softmax(dim=0)


def _sharpened(logits_KrW: Tensor) -> Tensor:
    return logits_KrW.log_softmax(dim=0).mul_(SHARPEN)


def _add(sum_KrW: Tensor, term_KrW: Tensor) -> None:
    sum_KrW.add_(term_KrW)


def _keep_larger(sum_KrW: Tensor, term_KrW: Tensor) -> None:
    torch.maximum(sum_KrW, term_KrW, out=sum_KrW)


def _add_exponentials(sum_KrW: Tensor, term_KrW: Tensor) -> None:
    """Take the logarithm of the sum: max + log(1 + exp(-|a - b|)); torch.logaddexp is ten times slower."""
    apart_KrW = (sum_KrW - term_KrW).abs_().neg_().exp_().add_(1).log_()
    torch.maximum(sum_KrW, term_KrW, out=sum_KrW)
    sum_KrW.add_(apart_KrW)


MERGES: Final = {
    "gmean": Rule(_log_shares, _add, divides=True),
    "logits": Rule(torch.clone, _add, divides=True),
    "max": Rule(_log_shares, _keep_larger),
    "mean": Rule(_log_shares, _add_exponentials),
    "tsharpen": Rule(_sharpened, _add_exponentials),
}
"""The rules by name; `docs/tta.md` defines them."""


def merge(
    rule: str, predictions: Callable[[], Iterable[tuple[Prediction, float]]], *, at_full_size: bool = False
) -> Prediction:
    """Merge predictions of one image, holding one at a time.

    Args:
        rule: a name in MERGES.
        predictions: yields each prediction with its weight, the image at its own size first. Where they turn
            out to lie on different grids after all, it is called again and they are merged at full size.
        at_full_size: see `Merger`.

    Returns:
        The logarithms of the merged probabilities, up to a number per pixel that softmax takes out.
    """
    merger: Merger | None = None
    for prediction, weight in predictions():
        if merger is None:
            merger = Merger(rule, prediction, at_full_size=at_full_size)
        if not merger.takes(prediction):
            return merge(rule, predictions, at_full_size=True)
        merger.add(prediction, weight=weight)
    assert merger is not None
    return merger.merged()


class Merger:
    """Takes in predictions of one image one by one, and merges them.

    Args:
        rule: a name in MERGES.
        first: the first prediction, of the image at its own size.
        at_full_size: merge pixel by pixel; else at the logits, which all predictions must then have alike.
    """

    def __init__(self, rule: str, first: Prediction, *, at_full_size: bool) -> None:
        self.rule = MERGES[rule]
        self.at_full_size = at_full_size
        self.first = replace(first, stride=1, align_corners=False) if at_full_size else first
        self.count = 0
        shape = (first.logits.shape[1], *(first.size if at_full_size else first.logits.shape[2:]))
        self._sum_Khw = torch.empty(shape, dtype=torch.float32, device=first.logits.device)

    def takes(self, prediction: Prediction) -> bool:
        """Whether this prediction can be merged here; at full size any can."""
        mine, theirs = (
            (p.logits.shape, p.stride, tuple(p.size), p.align_corners) for p in (self.first, prediction)
        )
        return self.at_full_size or mine == theirs

    def add(self, prediction: Prediction, *, weight: float = 1.0) -> None:
        """Take in a prediction of the image: upright, at any scale where merged at full size.

        Args:
            prediction: the first one, too.
            weight: factor on it, above 0; for the rule "mean".
        """
        with torch.inference_mode():
            source = self._source(prediction)
            device = self._sum_Khw.device
            for start, stop in blocks(self._sum_Khw.shape, device):
                term = self.rule.term(source.block(start, stop).to(device))
                if weight != 1:
                    term += math.log(weight)
                rows = self._sum_Khw[:, start:stop]
                if self.count:
                    self.rule.join(rows, term)
                else:
                    rows.copy_(term)
        self.count += 1

    def merged(self) -> Prediction:
        """Return the logarithms of the merged probabilities, up to a number per pixel that softmax takes out.

        Nothing more can be added afterwards.
        """
        with torch.inference_mode():
            if self.rule.divides:
                self._sum_Khw /= self.count
            return replace(self.first, logits=self._sum_Khw[None])

    def _source(self, prediction: Prediction) -> FullRows:
        if self.at_full_size:
            return FullRows(prediction, self.first.size)
        return FullRows(Prediction(prediction.logits, 1, tuple(prediction.logits.shape[2:])))
