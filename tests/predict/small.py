"""A network whose receptive field is known, and predictors around it."""

import numpy as np
import torch
from torch import Tensor, nn

from terrazzo.checkpoint import Card
from terrazzo.core.labels import LabelMap
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import Predictor

STRIDE = 4
FIELD = 3 * STRIDE
"""Pixels by which a logit looks beyond its own 4 x 4 pixels, in every direction."""

LABELS = LabelMap.of({"sky": (70, 130, 180), "road": (128, 64, 128), "car": (0, 0, 142)})


class Small(SegmentationModel):
    """4 x 4 pixels become one logit, which then looks three logits further; nothing global."""

    def __init__(self, num_classes: int = 3, in_channels: int = 3, *, align_corners: bool = False) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=STRIDE,
            multiple=STRIDE,
            align_corners=align_corners,
        )
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 8, STRIDE, stride=STRIDE),
            *(layer for _ in range(3) for layer in (nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))),
            nn.Conv2d(8, num_classes, 1),
        )

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        logits: Tensor = self.layers(image_BCHW)
        return logits


def small(num_classes: int = 3, in_channels: int = 3, *, align_corners: bool = False) -> Small:
    """Return one with fixed weights, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = Small(num_classes, in_channels, align_corners=align_corners)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    noise = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, in_channels, 64, 64)))
    model.eval()
    with torch.no_grad():
        logits = model(noise.float()).logits
        last = model.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.div_(logits.std(dim=(0, 2, 3))[:, None, None, None])
        logits = model(noise.float()).logits
        last.bias.sub_(logits.mean(dim=(0, 2, 3)))  # so that every class wins somewhere
    return model


def predictor(model: SegmentationModel, labels: LabelMap = LABELS) -> Predictor:
    """Return a predictor around a model that was never trained."""
    card = Card(
        architecture="small",
        arguments={},
        num_classes=model.num_classes,
        in_channels=model.in_channels,
        stride=model.stride,
        labels=labels.to_json(),
        mean=tuple(model.normalize.mean.flatten().tolist()),
        std=tuple(model.normalize.std.flatten().tolist()),
        channel_order="RGB" if model.in_channels == 3 else "as stored",
    )
    return Predictor(model, labels, card)
