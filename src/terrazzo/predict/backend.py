"""What computes logits: the network in PyTorch, or later an exported file. One small interface for all.

Always in float32 and in evaluation mode: a label never depends on what else was in a batch, nor on settings
that training may have left behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from terrazzo.core.prediction import Prediction

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel


class Backend(Protocol):
    """Something that turns a batch of raw pixel values into logits."""

    @property
    def num_classes(self) -> int:
        """K, void not counted."""

    @property
    def in_channels(self) -> int:
        """C of the images it takes."""

    @property
    def sides(self) -> int:
        """2 for images, 3 for volumes."""

    @property
    def stride(self) -> int:
        """Image pixels per logit."""

    def run(self, image_BCHW: Tensor) -> Prediction:
        """Compute the logits of a batch.

        Args:
            image_BCHW: raw pixel values, uint8 or float32, on any device; volumes have one side more.

        Returns:
            Logits at the backend's own stride, float32, on its device; `size` is that of the images.
        """


class TorchBackend:
    """A network of ours, as it is: in any mode and on any device; it is left as it was.

    Args:
        model: the network.
    """

    def __init__(self, model: "SegmentationModel") -> None:
        self.model = model

    @property
    def num_classes(self) -> int:
        """K, void not counted."""
        return self.model.num_classes

    @property
    def in_channels(self) -> int:
        """C of the images it takes."""
        return self.model.in_channels

    @property
    def sides(self) -> int:
        """2 for images, 3 for volumes."""
        return self.model.sides

    @property
    def stride(self) -> int:
        """Image pixels per logit."""
        return self.model.stride

    def run(self, image_BCHW: Tensor) -> Prediction:
        """Compute the logits of a batch; see `Backend.run`."""
        device = next(self.model.parameters()).device
        with (
            _evaluating(self.model),
            _full_precision(device),
            torch.inference_mode(),
            torch.autocast(device.type, enabled=False),
        ):
            prediction: Prediction = self.model(image_BCHW.to(device))
        return prediction


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding float32 to TF32, and from picking its convolutions by a race against time.

    Both are settings of the process that training may have changed: the labels must not depend on them.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn  # its settings are attributes made at run time
    matmul = torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark
    cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = "ieee", "ieee", False
    try:
        yield
    finally:
        cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = before


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and afterwards give every module its own mode back (some may be frozen)."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
