"""Networks whose answers are known beforehand: tiny, with random weights, at any stride."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.prediction import Prediction
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import TorchBackend, WholeImage


class Averages(SegmentationModel):
    """Means of cells, coarser means around them, and a 3 x 3 kernel: seen in a mirror it says the same.

    Args:
        symmetric: False makes the kernel lopsided.
        dropout: rate of a dropout layer before the last.
    """

    def __init__(
        self,
        stride: int,
        *,
        classes: int = 4,
        channels: int = 3,
        multiple: int | None = None,
        symmetric: bool = True,
        dropout: float = 0.0,
        align_corners: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(
            num_classes=classes,
            in_channels=channels,
            stride=stride,
            multiple=multiple or 2 * stride,
            align_corners=align_corners,
        )
        random = torch.Generator().manual_seed(seed)
        kernel = torch.randn((classes, channels, 3, 3), generator=random)
        if symmetric:
            kernel = kernel + kernel.flip(-1)
            kernel = kernel + kernel.flip(-2)
            kernel = kernel + kernel.mT
        self.kernel = nn.Parameter(kernel / 4)
        self.mix = nn.Parameter(torch.randn((classes, channels, 1, 1), generator=random))
        self.norm = nn.BatchNorm2d(classes)
        self.dropout = nn.Dropout2d(dropout)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        fine = F.avg_pool2d(image_BCHW, self.stride)
        coarse = F.avg_pool2d(image_BCHW, self.multiple)
        factor = self.multiple // self.stride
        coarse = coarse.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        logits: Tensor = self.norm(F.conv2d(fine, self.kernel, padding=1) + F.conv2d(coarse, self.mix))
        dropped: Tensor = self.dropout(logits)
        return dropped


def averages(stride: int = 4, **options: object) -> WholeImage:
    """Return such a network as something that predicts an image."""
    return WholeImage(TorchBackend(Averages(stride, **options)))  # type: ignore[arg-type]


class Foreign:
    """A backend that cannot say how it pads: a network of ours without its name."""

    def __init__(self, model: SegmentationModel) -> None:
        self._inside = TorchBackend(model)
        self.num_classes, self.in_channels = model.num_classes, model.in_channels
        self.sides, self.stride = model.sides, model.stride

    def run(self, image_BCHW: Tensor) -> Prediction:
        return self._inside.run(image_BCHW)
