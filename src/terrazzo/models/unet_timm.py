"""U-Net with any timm network as its contracting path.

Ronneberger, Fischer, Brox 2015, https://arxiv.org/abs/1505.04597, figure 1, with a classification network in
place of the contracting path. The expanding path is the one segmentation_models_pytorch made common: nearest
upsampling, skip, two Conv-BN-ReLU of 256, 128, 64, 32, 16 channels; with resnet18 the two networks are equal
weight by weight (tests/models/foreign/test_smp.py).

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier

LAST_WIDTH = 16
WIDEST = 256


class UpBlock(nn.Module):
    """One level of the expanding path: widen, concatenate the skip, two Conv-BN-ReLU.

    Args:
        in_channels: width of the coarser level.
        skip_channels: width of the skip, 0 for none.
        out_channels: width of the output.
        factor: how much larger the output is than the input, 1 for not at all.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv1 = ConvNormAct(in_channels + skip_channels, out_channels)
        self.conv2 = ConvNormAct(out_channels, out_channels)

    def forward(self, features_BDhw: Tensor, skip_BDhw: Tensor | None) -> Tensor:
        """Return (B, out_channels, h * factor, w * factor)."""
        if self.factor > 1:
            features_BDhw = F.interpolate(features_BDhw, scale_factor=self.factor, mode="nearest")
        if skip_BDhw is not None:
            features_BDhw = torch.cat([features_BDhw, skip_BDhw], dim=1)
        out: Tensor = self.conv2(self.conv1(features_BDhw))
        return out


class UNetTimm(SegmentationModel):
    """U-Net decoder on an encoder.

    Args:
        encoder: the contracting path.
        num_classes: K.
        in_channels: C.
        decoder_channels: width of each level of the expanding path, coarsest first; None for 16 at stride 1,
            doubling up to 256. Fewer levels end the network earlier: each one less doubles the stride of
            the logits.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        decoder_channels: Sequence[int] | None = None,
    ) -> None:
        steps = _steps(encoder.channels, encoder.strides)
        widths = _widths(decoder_channels, len(steps))
        steps = steps[: len(widths)]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=steps[-1][0],
            multiple=encoder.strides[-1],
        )
        self.encoder = encoder
        self.decoder = nn.ModuleList()
        self._has_skip = [skip_channels > 0 for _, skip_channels in steps]
        fan_in, coarser = encoder.channels[-1], encoder.strides[-1]
        for (stride, skip_channels), width in zip(steps, widths, strict=True):
            self.decoder.append(UpBlock(fan_in, skip_channels, width, factor=coarser // stride))
            fan_in, coarser = width, stride
        self.classify = nn.Conv2d(fan_in, num_classes, kernel_size=3, padding=1)
        initialise(self.decoder)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / stride, W / stride)."""
        *skips, features_BDhw = self.encoder(image_BCHW)
        for block, has_skip in zip(self.decoder, self._has_skip, strict=True):
            features_BDhw = block(features_BDhw, skips.pop() if has_skip else None)
        logits_BKhw: Tensor = self.classify(features_BDhw)
        return logits_BKhw


def _steps(channels: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Return (stride, skip channels) of each level of the expanding path, coarsest first, down to stride 1.

    Strides the encoder does not offer (2 in a ConvNeXt, say) have no skip.
    """
    steps: list[tuple[int, int]] = []
    stride = strides[-1]
    for skip_channels, skip_stride in zip(channels[-2::-1], strides[-2::-1], strict=True):
        while stride > 2 * skip_stride:
            stride //= 2
            steps.append((stride, 0))
        stride = skip_stride
        steps.append((stride, skip_channels))
    while stride > 1:
        stride //= 2
        steps.append((stride, 0))
    return steps


def _widths(decoder_channels: Sequence[int] | None, levels: int) -> list[int]:
    if decoder_channels is None:
        return [min(WIDEST, LAST_WIDTH * 2**finer) for finer in reversed(range(levels))]
    if not 1 <= len(decoder_channels) <= levels or min(decoder_channels) < 1:
        raise RequestError(
            f"decoder_channels = {list(decoder_channels)}: this encoder leaves room for 1 to {levels} levels "
            "of at least 1 channel each; give one width per level, coarsest first."
        )
    return list(decoder_channels)
