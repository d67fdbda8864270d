"""The model that is scored and saved: an exponential moving average of the one that is trained.

It is a plain float32 copy that training never touches otherwise, so validation runs at full precision
whatever the training precision is. With a decay of 0 it is simply the trained model.
"""

from copy import deepcopy

import torch
from torch import nn


class AveragedModel:
    """Holds `model`, whose floating-point weights and buffers follow the trained model's."""

    def __init__(self, trained: nn.Module, decay: float) -> None:
        """Start from a copy of the trained model.

        Args:
            trained: the model whose steps are followed; call before it is wrapped or compiled.
            decay: share of the old average kept at each step, 0 (no averaging) to just below 1.
        """
        self.decay = decay
        self.model = deepcopy(trained).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, trained: nn.Module, step: int) -> None:
        """Move towards the trained model after optimiser step `step` (the first is 1).

        The decay warms up as (1 + step) / (10 + step), so that a short run is not an average of its
        random start (as TensorFlow's ExponentialMovingAverage does with `num_updates`).
        """
        keep = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        averages, news = self._float_pairs(trained)
        torch._foreach_lerp_(averages, news, 1.0 - keep)
        self._copy_the_rest(trained)

    def _float_pairs(self, trained: nn.Module) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        new = trained.state_dict()
        pairs = [(a, new[k]) for k, a in self.model.state_dict().items() if a.is_floating_point()]
        return [a for a, _ in pairs], [b for _, b in pairs]

    def _copy_the_rest(self, trained: nn.Module) -> None:
        """Counters such as a norm's number of batches are taken over as they are."""
        new = trained.state_dict()
        for key, average in self.model.state_dict().items():
            if not average.is_floating_point():
                average.copy_(new[key])
