"""The network in PyTorch.

Whoever predicts (validation, `evaluate`, `predict`) runs the same fast network made of the same weights, so
their labels agree to the last pixel. Always in float32 and in evaluation mode: a label never depends on what
else was in a batch, nor on settings that training may have left behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from terrazzo.core.prediction import Prediction
from terrazzo.models.stages import evaluating
from terrazzo.predict.backends.fast import fast_network

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel


State = tuple[tuple[int, int], ...]
"""Of every parameter and buffer, its place in memory and its version."""


class TorchBackend:
    """A network of ours: in any mode and on any device; it is left as it was.

    Args:
        model: the network.
        fold: run the fast network that is made of its weights at the first image (see `backends.fast`),
            whose logits are the same to rounding; False runs the modules of the network itself. After
            training steps make a new backend: loaded weights are noticed, those that an optimiser fuses are
            not.
    """

    def __init__(self, model: "SegmentationModel", *, fold: bool = True) -> None:
        self.model = model
        self.fold = fold
        self._made: tuple[State, SegmentationModel] | None = None

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

    @property
    def network(self) -> "SegmentationModel":
        """What runs: the fast network, or the network itself."""
        if not self.fold:
            return self.model
        state = _state(self.model)
        if self._made is None or self._made[0] != state:
            device = next(self.model.parameters()).device
            with _full_precision(device), torch.autocast(device.type, enabled=False):
                self._made = state, fast_network(self.model)
        return self._made[1]

    def run(self, image_BCHW: Tensor) -> Prediction:
        """Compute the logits of a batch; see `Backend.run`."""
        device = next(self.model.parameters()).device
        network = self.network
        with (
            evaluating(network),
            _full_precision(device),
            torch.inference_mode(),
            torch.autocast(device.type, enabled=False),
        ):
            prediction: Prediction = network(image_BCHW.to(device))
        return prediction


def _state(model: nn.Module) -> State:
    """Return what tells weights from those loaded over them: where each lies, and its version."""
    tensors = [*model.parameters(), *model.buffers()]
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)


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
