"""V-Net, for volumes as published, and for images.

Milletari, Navab, Ahmadi 2016, V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
Segmentation, https://arxiv.org/abs/1606.04797, section 2, figure 2 and table 1. Stages of 1, 2, 3, 3, 3
convolutions and back with 3, 3, 2, 1 as in table 1 (the authors' Caffe file has one less in four of them, and
a further convolution before the classes); the first stage adds the image itself, its channels repeated, as
that file does. No norm, as published; `norm="batch"` puts one after every convolution but the last, as later
implementations do; without it mind the learning rate, 0.0001 in the paper. The paper trains with Dice, which
is `terrazzo.losses.region.dice`.

Shapes: B images, C channels, H x W image size (D x H x W of a volume), h x w feature size, D feature width,
N width of a stage, K classes; names with `HW` and `hw` stand for volumes, too.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import initialise, initialise_classifier, prelu

Dimensions = Literal[2, 3]
Norm = Literal["none", "batch"]

CONVOLUTIONS = (1, 2, 3, 3, 3)
"""Of each stage, finest first (table 1); the way back has those of the same level."""

KERNEL_SIZE = 5
"""Of the stages' convolutions, pixels in every direction (section 2)."""


class Layers:
    """Makes layers for so many dimensions and with or without norm, so that the stages need not ask."""

    def __init__(self, dimensions: Dimensions, norm: Norm) -> None:
        self.conv = nn.Conv3d if dimensions == 3 else nn.Conv2d
        self.up_conv = nn.ConvTranspose3d if dimensions == 3 else nn.ConvTranspose2d
        batch = nn.BatchNorm3d if dimensions == 3 else nn.BatchNorm2d
        self.norm = batch if norm == "batch" else lambda _channels: nn.Identity()

    def same(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Return a convolution that keeps the size, and the norm."""
        conv = self.conv(in_channels, out_channels, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        return [conv, self.norm(out_channels)]

    def down(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return what halves the size: a convolution of 2 at stride 2, the norm, PReLU."""
        conv = self.conv(in_channels, out_channels, 2, stride=2)
        return nn.Sequential(conv, self.norm(out_channels), prelu(out_channels))

    def up(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return what doubles the size: a transposed convolution of 2 at stride 2, the norm, PReLU."""
        conv = self.up_conv(in_channels, out_channels, 2, stride=2)
        return nn.Sequential(conv, self.norm(out_channels), prelu(out_channels))


class Stage(nn.Module):
    """Convolutions with PReLU between them, their input added to the last, PReLU.

    Args:
        layers: makes them.
        in_channels: width of the input; only the first stage's differs from its own.
        channels: width of the stage.
        convolutions: how many.
    """

    def __init__(self, layers: Layers, in_channels: int, channels: int, convolutions: int) -> None:
        super().__init__()
        parts = layers.same(in_channels, channels)
        for _ in range(convolutions - 1):
            parts += [prelu(channels), *layers.same(channels, channels)]
        self.convs = nn.Sequential(*parts)
        self.activation = prelu(channels)
        # An image of fewer channels is added to several: its channels in turn.
        self.turns = -(-channels // in_channels)
        self.channels = channels

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, N, h, w) from (B, D, h, w)."""
        residual_BNhw = features_BDhw
        if features_BDhw.shape[1] != self.channels:
            residual_BNhw = torch.cat([features_BDhw] * self.turns, dim=1)[:, : self.channels]
        out_BNhw: Tensor = self.activation(self.convs(features_BDhw) + residual_BNhw)
        return out_BNhw


class VNet(SegmentationModel):
    """Compression path, decompression path, and features forwarded between them; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C.
        dimensions: 3 for volumes (B, C, D, H, W) with labels (B, D, H, W); 2 for images.
        first_width: of the first stage; every further one has twice the width before. 16 in the paper.
        norm: "none" as in the paper, or "batch" after every convolution but the last.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        dimensions: Dimensions = 2,
        first_width: int = 16,
        norm: Norm = "none",
    ) -> None:
        if first_width < 1:
            raise RequestError(f"first_width = {first_width}: a stage needs at least 1 channel.")
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=1,
            multiple=2 ** (len(CONVOLUTIONS) - 1),
        )
        self.sides = dimensions
        layers = Layers(dimensions, norm)
        widths = [first_width * 2**level for level in range(len(CONVOLUTIONS))]
        self.encoder = nn.ModuleList(
            Stage(layers, in_channels if level == 0 else width, width, CONVOLUTIONS[level])
            for level, width in enumerate(widths)
        )
        self.down = nn.ModuleList(layers.down(fine, coarse) for fine, coarse in pairwise(widths))
        # A stage on the way back is twice as wide as its level: half from below, half forwarded.
        below = [2 * width for width in widths[1:-1]] + [widths[-1]]
        self.up = nn.ModuleList(
            layers.up(coarse, fine) for coarse, fine in zip(below[::-1], widths[-2::-1], strict=True)
        )
        self.decoder = nn.ModuleList(
            Stage(layers, 2 * width, 2 * width, convolutions)
            for width, convolutions in zip(widths[-2::-1], CONVOLUTIONS[-2::-1], strict=True)
        )
        self.classify = layers.conv(2 * first_width, num_classes, 1)
        initialise(self)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W), of a volume (B, K, D, H, W)."""
        features_BDhw = self.encoder[0](image_BCHW)
        forwarded: list[Tensor] = []
        for down, stage in zip(self.down, self.encoder[1:], strict=True):
            forwarded.append(features_BDhw)
            features_BDhw = stage(down(features_BDhw))
        for up, stage in zip(self.up, self.decoder, strict=True):
            features_BDhw = stage(torch.cat([up(features_BDhw), forwarded.pop()], dim=1))
        logits_BKHW: Tensor = self.classify(features_BDhw)
        return logits_BKHW
