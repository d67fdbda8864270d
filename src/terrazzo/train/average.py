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
        """Start from a copy of the trained model, and follow its weights from then on.

        Args:
            trained: the model whose steps are followed; on its device already, before it is wrapped.
            decay: share of the old average kept at each step, 0 (no averaging) to just below 1.
        """
        self.decay = decay
        self.model = deepcopy(trained).eval().requires_grad_(False)
        # State dicts take milliseconds to make; the tensors in them stay the same all through a run.
        pairs = zip(self.model.state_dict().values(), trained.state_dict().values(), strict=True)
        tensors = list(pairs)
        self._averages = [average for average, _ in tensors if average.is_floating_point()]
        self._trained = [new for average, new in tensors if average.is_floating_point()]
        self._counters = [pair for pair in tensors if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the trained model after optimiser step `step` (the first is 1).

        The decay warms up as (1 + step) / (10 + step), so that a short run is not an average of its
        random start (as TensorFlow's ExponentialMovingAverage does with `num_updates`). Counters such as a
        norm's number of batches are taken over as they are.
        """
        keep = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        torch._foreach_lerp_(self._averages, self._trained, 1.0 - keep)
        for average, new in self._counters:
            average.copy_(new)
