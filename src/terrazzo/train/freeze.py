"""A frozen encoder: for the first part of a run its weights and statistics stay as they are.

A new decoder on a pretrained encoder sends it large, meaningless gradients at first; frozen, it does not get
them, and the steps are cheaper, for nothing is propagated back through it.
"""

from torch import nn

from terrazzo.core.errors import RequestError


class EncoderFreeze:
    """Freezes and thaws a network's encoder.

    While frozen, the encoder works as in prediction: no gradient, no dropout or stochastic depth, and batch
    norm normalises by its running statistics and leaves them as they are.
    """

    def __init__(self, model: nn.Module, *, share: float, steps: int) -> None:
        """Find what is to be frozen; nothing is changed yet.

        Args:
            model: with its encoder as `encoder`.
            share: of the budget, 0..1, in which the encoder is frozen.
            steps: optimiser steps in which it is frozen; the longer of the two counts.

        Raises:
            RequestError: it is to be frozen, but the network has no `encoder`.
        """
        self.share, self.steps = share, steps
        self.encoder: nn.Module | None = getattr(model, "encoder", None)
        if self.encoder is None and (share or steps):
            name = getattr(model, "architecture", "") or type(model).__name__
            raise RequestError(
                f"The encoder is to be frozen, but {name!r} has no encoder of its own. "
                "Set optimizer.freeze_encoder and optimizer.freeze_encoder_steps to 0, "
                "or choose an architecture with one (`terrazzo models`)."
            )
        parameters = self.encoder.parameters() if self.encoder is not None else ()
        self.trainable = [parameter for parameter in parameters if parameter.requires_grad]
        self.frozen = False

    def __call__(self, *, step: int, progress: float) -> None:
        """Freeze or thaw before optimiser step `step` (the first is 0), at `progress` of the budget in 0..1.

        What is frozen is a function of these two alone, so a resumed run is the same run.
        """
        frozen = progress < self.share or step < self.steps
        if self.encoder is None or frozen == self.frozen:
            return
        self.frozen = frozen
        self.encoder.train(not frozen)
        for parameter in self.trainable:
            parameter.requires_grad_(not frozen)
