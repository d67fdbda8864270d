"""U-Net, the teaching variant.

Ronneberger, Fischer, Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation, figure 1,
https://arxiv.org/abs/1505.04597. As it is taught today: convolutions pad, so the logits are as large as the
image; batch norm follows every ReLU; the expanding path widens by repetition and a 3x3 convolution.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import initialise, initialise_classifier

FIRST_WIDTH = 64


class ConvReluNorm(nn.Sequential):
    """Conv3x3, ReLU, batch norm, in this order; keeps the size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(out_channels),
        )


class UNetConvBlock(nn.Module):
    """One level of the contracting path.

    Args:
        in_channels: width of the input.
        out_channels: width of both convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvReluNorm(in_channels, out_channels), ConvReluNorm(out_channels, out_channels)
        )
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, features_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (pooled, skip): the block's features at half the size, and at full size for the decoder."""
        skip_BDhw = self.convs(features_BDhw)
        return self.pool(skip_BDhw), skip_BDhw


class UNetEncoder(nn.Module):
    """The contracting path: blocks of 64, 128, 256, ... channels, then one convolution at the bottom.

    Args:
        in_channels: C.
        num_blocks: how often the size is halved; the bottom has 64 * 2^num_blocks channels.
    """

    def __init__(self, in_channels: int, num_blocks: int) -> None:
        super().__init__()
        widths = [in_channels, *(FIRST_WIDTH * 2**level for level in range(num_blocks))]
        self.blocks = nn.ModuleList(UNetConvBlock(fan_in, width) for fan_in, width in pairwise(widths))
        self.bottom = ConvReluNorm(widths[-1], FIRST_WIDTH * 2**num_blocks)

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return (B, 64 * 2^n, H / 2^n, W / 2^n) and the skips, finest first; H and W multiples of 2^n."""
        skips: list[Tensor] = []
        features_BDhw = image_BCHW
        for block in self.blocks:
            features_BDhw, skip_BDhw = block(features_BDhw)
            skips.append(skip_BDhw)
        return self.bottom(features_BDhw), skips


class UNetUpConvBlock(nn.Module):
    """One level of the expanding path: twice the size, half the channels.

    Args:
        in_channels: width of the input; the skip and the output have half of it.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        half = in_channels // 2
        self.upconv = nn.Sequential(nn.Upsample(scale_factor=2), ConvReluNorm(in_channels, half))
        self.convs = nn.Sequential(ConvReluNorm(in_channels, half), ConvReluNorm(half, half))

    def forward(self, features_BDhw: Tensor, skip_BDhw: Tensor) -> Tensor:
        """Return features of the skip's size and width."""
        out: Tensor = self.convs(torch.cat([self.upconv(features_BDhw), skip_BDhw], dim=1))
        return out


class UNetDecoder(nn.Module):
    """The expanding path, and the class scores.

    Args:
        in_channels: width of the encoder's output, 64 * 2^num_blocks.
        num_blocks: as in the encoder.
        num_classes: K.
    """

    def __init__(self, in_channels: int, num_blocks: int, num_classes: int) -> None:
        super().__init__()
        self.bottom = ConvReluNorm(in_channels, in_channels)
        self.blocks = nn.ModuleList(UNetUpConvBlock(in_channels // 2**level) for level in range(num_blocks))
        self.classify = nn.Conv2d(in_channels // 2**num_blocks, num_classes, kernel_size=1)

    def forward(self, features_BDhw: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return logits (B, K, H, W) from the encoder's output and its skips, finest first."""
        features_BDhw = self.bottom(features_BDhw)
        for block, skip_BDhw in zip(self.blocks, reversed(skips), strict=True):
            features_BDhw = block(features_BDhw, skip_BDhw)
        logits_BKHW: Tensor = self.classify(features_BDhw)
        return logits_BKHW


class UNet(SegmentationModel):
    """Encoder, decoder, and skips between them; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C.
        num_blocks: how often the size is halved; 4 in the paper.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        num_blocks: int = 4,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=1,
            multiple=2**num_blocks,
        )
        self.encoder = UNetEncoder(in_channels, num_blocks)
        self.decoder = UNetDecoder(FIRST_WIDTH * 2**num_blocks, num_blocks, num_classes)
        initialise(self)
        initialise_classifier(self.decoder.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        features_BDhw, skips = self.encoder(image_BCHW)
        logits_BKHW: Tensor = self.decoder(features_BDhw, skips)
        return logits_BKHW
