"""A weighted sum of losses that reports each part by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.sample import IGNORE
<<<<<<< HEAD
from terrazzo.losses.masks import mask_classification
=======
from terrazzo.losses.boundary import aware_cross_entropy, balanced_cross_entropy
>>>>>>> m-pid

if TYPE_CHECKING:
    from terrazzo.core.prediction import Auxiliary, Boundary, Prediction
    from terrazzo.losses import Loss


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

<<<<<<< HEAD
    Masks with classes have a loss of their own, whatever the parts (see `losses.masks`).
=======
    Boundary branches bring losses of their own, see `losses.boundary`.
>>>>>>> m-pid
    """

    def __init__(self, parts: Sequence[WeightedLoss], *, ignore_index: int = IGNORE) -> None:
        if not parts:
            raise RequestError("A loss needs at least one part; none was given. Add, say, cross_entropy.")
        names = [part.name for part in parts]
        if len(set(names)) < len(names):
            raise RequestError(f"Loss parts need different names to be logged; given: {', '.join(names)}.")
        self.parts = tuple(parts)
        self.ignore_index = ignore_index

    def __call__(self, prediction: "Prediction", target_BHW: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a prediction.

        Args:
            prediction: what the network returned; its logits may have any float type.
            target_BHW: (B, H, W) train ids on the same device.

        Returns:
            The total to differentiate (float32 scalar), and each part's own value, detached and without its
            weight: `name` for the main output, `auxiliary<i>.name` (i from 1) for deep supervision,
<<<<<<< HEAD
            `masks<i>` for masks with classes. A main output of weight 0 is left out.
=======
            `boundary<i>` and `boundary<i>.aware` for boundary branches.
>>>>>>> m-pid
        """
        total: Tensor = torch.zeros((), device=prediction.logits.device)
        values: dict[str, Tensor] = {}
        if prediction.weight:
            loss, values = self._output_loss(prediction, target_BHW)
            total = prediction.weight * loss
        for number, output in enumerate(prediction.auxiliary, start=1):
            loss, parts = self._output_loss(output, target_BHW)
            total = total + output.weight * loss
            values |= {f"auxiliary{number}.{name}": value for name, value in parts.items()}
<<<<<<< HEAD
        masks, parts = self._queries_loss(prediction, target_BHW)
        return total + masks, values | parts

    def _queries_loss(self, prediction: "Prediction", target_BHW: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        total: Tensor = torch.zeros((), device=prediction.logits.device)
        values: dict[str, Tensor] = {}
        for number, queries in enumerate(prediction.queries, start=1):
            loss = mask_classification(queries, target_BHW, ignore_index=self.ignore_index)
            total = total + queries.weight * loss
            values[f"masks{number}"] = loss.detach()
=======
        for number, boundary in enumerate(prediction.boundaries, start=1):
            loss, parts = self._boundary_loss(prediction, boundary, target_BHW)
            total = total + loss
            values |= {f"boundary{number}{name}": value for name, value in parts.items()}
>>>>>>> m-pid
        return total, values

    def _boundary_loss(
        self, prediction: "Prediction", boundary: "Boundary", target_BHW: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the branch's own loss and the main output's at boundaries, weighted, and both by name."""
        own = balanced_cross_entropy(boundary, target_BHW, ignore_index=self.ignore_index)
        aware = aware_cross_entropy(prediction, boundary, target_BHW, ignore_index=self.ignore_index)
        total = boundary.weight * own + boundary.aware_weight * aware
        return total, {"": own.detach(), ".aware": aware.detach()}

    def _output_loss(
        self, output: "Prediction | Auxiliary", target_BHW: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        values = {
            part.name: part.function(
                output.logits,
                target_BHW,
                stride=output.stride,
                align_corners=output.align_corners,
                ignore_index=self.ignore_index,
            )
            for part in self.parts
        }
        total = torch.stack([part.weight * values[part.name] for part in self.parts]).sum()
        return total, {name: value.detach() for name, value in values.items()}
