"""A label map and a network small enough to save a hundred times in a test."""

from typing import Any

import torch
from torch import Tensor, nn

from terrazzo.core.labels import LabelMap
from terrazzo.core.prediction import Prediction, logits_size

LABELS = LabelMap.of({"sky": (70, 130, 180), "road": (128, 64, 128), "car|van": (0, 0, 142)})


class _Normalize(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.arange(in_channels, dtype=torch.float32).view(-1, 1, 1) + 100)
        self.register_buffer("std", torch.full((in_channels, 1, 1), 50.0))


class TinyNet(nn.Module):
    """Two convolutions at stride 2, with the attributes of a `SegmentationModel`."""

    architecture = "tiny"

    def __init__(self, num_classes: int = 3, in_channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.num_classes, self.in_channels, self.stride = num_classes, in_channels, 2
        self.arguments: dict[str, Any] = {
            "num_classes": num_classes,
            "in_channels": in_channels,
            "width": width,
        }
        self.normalize = _Normalize(in_channels)
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width)
        )
        self.classify = nn.Conv2d(width, num_classes, 3, padding=1)

    def forward(self, image_BCHW: Tensor) -> Prediction:
        height, width = image_BCHW.shape[-2:]
        normal_BCHW = (image_BCHW.float() - self.normalize.mean) / self.normalize.std
        logits_BKhw = self.classify(self.encoder(normal_BCHW).relu())
        assert logits_BKhw.shape[-2:] == logits_size((height, width), 2)
        return Prediction(logits_BKhw, 2, (height, width))


def build_tiny(name: str, **arguments: Any) -> TinyNet:
    """Stand in for `build_model`."""
    assert name == "tiny"
    assert arguments.pop("pretrained") is False
    return TinyNet(**arguments)
