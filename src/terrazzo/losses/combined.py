"""A weighted sum of losses that reports each part by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.sample import IGNORE
from terrazzo.losses.boundary import aware_cross_entropy, balanced_cross_entropy
from terrazzo.losses.masks import mask_classification

if TYPE_CHECKING:
    from terrazzo.core.prediction import Auxiliary, Prediction
    from terrazzo.losses import Loss


@runtime_checkable
class Scheduled(Protocol):
    """A loss that changes over the run."""

    def set_progress(self, share: float) -> None:
        """Say how much of the run is done, 0..1; what it changes is a function of that alone."""


Term = tuple[str, float, Tensor]
"""Name, weight, and value without the weight."""


@dataclass(frozen=True)
class WeightedLoss:
    """One part of a combined loss."""

    name: str
    """Under which its value is logged; unique within the sum."""

    weight: float
    """Its factor in the sum."""

    function: "Loss"
    """The loss, its own options already bound."""


class CombinedLoss:
    """The sum of weight * loss over its parts, over the main output and the auxiliary ones.

    Boundary branches and masks with classes have losses of their own, whatever the parts: see
    `losses.boundary` and `losses.masks`.
    """

    def __init__(
        self,
        parts: Sequence[WeightedLoss],
        *,
        ignore_index: int = IGNORE,
        auxiliary_weights: Sequence[float] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            parts: at least one, with different names.
            ignore_index: the train id of void.
            auxiliary_weights: one factor per auxiliary output, instead of the network's own.

        Raises:
            RequestError: there is no part, or two have one name.
        """
        if not parts:
            raise RequestError("A loss needs at least one part; none was given. Add, say, cross_entropy.")
        names = [part.name for part in parts]
        if len(set(names)) < len(names):
            raise RequestError(f"Loss parts need different names to be logged; given: {', '.join(names)}.")
        self.parts = tuple(parts)
        self.ignore_index = ignore_index
        self.auxiliary_weights = None if auxiliary_weights is None else tuple(auxiliary_weights)

    def set_progress(self, share: float) -> None:
        """Tell the parts that change over the run how much of it is done, 0..1."""
        for part in self.parts:
            if isinstance(part.function, Scheduled):
                part.function.set_progress(share)

    def __call__(self, prediction: "Prediction", target_BHW: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a prediction.

        Args:
            prediction: what the network returned; its logits may have any float type.
            target_BHW: (B, H, W) train ids on the same device.

        Returns:
            The total to differentiate (float32 scalar), and each part's own value, detached and without its
            weight: `name` for the main output (left out where its weight is 0), `auxiliary<i>.name` (i from
            1) for deep supervision, `boundary<i>` and `boundary<i>.aware` for boundary branches, `masks<i>`
            for masks with classes.
        """
        total: Tensor = torch.zeros((), device=prediction.logits.device)
        values: dict[str, Tensor] = {}
        for name, weight, loss in self._terms(prediction, target_BHW):
            total = total + weight * loss
            values[name] = loss.detach()
        return total, values

    def _terms(self, prediction: "Prediction", target_BHW: Tensor) -> Iterator[Term]:
        """Yield everything that is summed."""
        ignore_index = self.ignore_index
        if prediction.weight:
            yield from self._output_terms(prediction, target_BHW)
        for number, output in enumerate(self._auxiliary(prediction), start=1):
            for name, weight, loss in self._output_terms(output, target_BHW):
                yield f"auxiliary{number}.{name}", weight, loss
        for number, boundary in enumerate(prediction.boundaries, start=1):
            own = balanced_cross_entropy(boundary, target_BHW, ignore_index=ignore_index)
            yield f"boundary{number}", boundary.weight, own
            aware = aware_cross_entropy(prediction, boundary, target_BHW, ignore_index=ignore_index)
            yield f"boundary{number}.aware", boundary.aware_weight, aware
        for number, queries in enumerate(prediction.queries, start=1):
            loss = mask_classification(queries, target_BHW, ignore_index=ignore_index)
            yield f"masks{number}", queries.weight, loss

    def _auxiliary(self, prediction: "Prediction") -> "tuple[Auxiliary, ...]":
        """Return the auxiliary outputs, each with the weight that counts."""
        outputs, weights = prediction.auxiliary, self.auxiliary_weights
        if weights is None:
            return outputs
        if len(weights) != len(outputs):
            raise RequestError(
                f"loss.auxiliary_weights holds {len(weights)} numbers, but the network has {len(outputs)} "
                "auxiliary outputs. Give one per output, or leave it out for the network's own."
            )
        return tuple(replace(output, weight=w) for output, w in zip(outputs, weights, strict=True))

    def _output_terms(self, output: "Prediction | Auxiliary", target_BHW: Tensor) -> Iterator[Term]:
        """Yield the parts for one output of class scores."""
        for part in self.parts:
            loss = part.function(
                output.logits,
                target_BHW,
                stride=output.stride,
                align_corners=output.align_corners,
                ignore_index=self.ignore_index,
            )
            yield part.name, output.weight * part.weight, loss
