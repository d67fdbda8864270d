"""The blocks that DDRNet and PIDNet share: residual stages, context, head.

Hong, Pan, Sun, Jia 2021, Deep Dual-resolution Networks, section III,
https://arxiv.org/abs/2101.06085. Every residual stage ends before its last ReLU, so that branches can be
added to it first; whoever reads a stage applies the ReLU.

Shapes: B images, h x w feature size, D feature width, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models.layers import ConvNormAct, relu

POOL_STRIDES = (2, 4, 8)
"""Of the context's average pools; each looks at 2 * stride + 1 pixels. A global average follows them."""


def widen(features_BDhw: Tensor, like: Tensor) -> Tensor:
    """Return the features at the height and width of another tensor, bilinearly.

    With align_corners=False always: the published weights of both networks are trained so.
    """
    return F.interpolate(features_BDhw, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Residual(nn.Module):
    """Convolutions, plus their input.

    Args:
        convs: the convolutions; the last has no activation.
        shortcut: brings the input to the output's size and width.
        activate: end with a ReLU.
    """

    def __init__(self, convs: nn.Module, shortcut: nn.Module, *, activate: bool) -> None:
        super().__init__()
        self.convs = convs
        self.shortcut = shortcut
        self.activate = activate

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return the sum, and its ReLU where asked for."""
        sum_BDhw: Tensor = self.convs(features_BDhw) + self.shortcut(features_BDhw)
        return F.relu(sum_BDhw) if self.activate else sum_BDhw


def basic_block(in_channels: int, channels: int, *, stride: int = 1, activate: bool = False) -> Residual:
    """Return two 3x3 convolutions of so many channels, the first with the stride."""
    convs = nn.Sequential(
        ConvNormAct(in_channels, channels, stride=stride), ConvNormAct(channels, channels, activation=None)
    )
    return Residual(convs, _shortcut(in_channels, channels, stride), activate=activate)


def bottleneck(in_channels: int, channels: int, *, stride: int = 1) -> Residual:
    """Return a 1x1, a 3x3 and a 1x1 convolution; the output has twice the channels, and no ReLU follows."""
    convs = nn.Sequential(
        ConvNormAct(in_channels, channels, kernel_size=1),
        ConvNormAct(channels, channels, stride=stride),
        ConvNormAct(channels, 2 * channels, kernel_size=1, activation=None),
    )
    return Residual(convs, _shortcut(in_channels, 2 * channels, stride), activate=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return ConvNormAct(in_channels, out_channels, kernel_size=1, stride=stride, activation=None)


def residual_stage(in_channels: int, channels: int, blocks: int, *, stride: int = 1) -> nn.Sequential:
    """Return so many basic blocks, the first with the stride, the last without its ReLU."""
    first = basic_block(in_channels, channels, stride=stride, activate=blocks > 1)
    others = [basic_block(channels, channels, activate=number < blocks) for number in range(2, blocks + 1)]
    return nn.Sequential(first, *others)


class NormActConv(nn.Sequential):
    """Batch norm, ReLU, convolution, in this order; keeps the size.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        kernel_size: odd, pixels.
        groups: of channels that do not see each other.
        bias: of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(
            nn.BatchNorm2d(in_channels),
            relu(in_channels),
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                padding=kernel_size // 2,
                groups=groups,
                bias=bias,
            ),
        )


class Head(nn.Sequential):
    """Norm, ReLU, Conv3x3; norm, ReLU, Conv1x1 to the outputs.

    Args:
        in_channels: width of the input.
        channels: width of the middle.
        outputs: K, or 1 for boundaries.
    """

    def __init__(self, in_channels: int, channels: int, outputs: int) -> None:
        super().__init__(
            NormActConv(in_channels, channels, kernel_size=3), NormActConv(channels, outputs, bias=True)
        )

    @property
    def last(self) -> nn.Conv2d:
        """The convolution that gives the logits."""
        *_, conv = self.modules()
        assert isinstance(conv, nn.Conv2d)
        return conv


class PooledContext(nn.Module):
    """The features at five scales, each one convolved to the same width: what DAPPM and PAPPM start from.

    Args:
        in_channels: width of the input.
        channels: width of each scale.
        out_channels: width of the output.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        local = [nn.AvgPool2d(2 * stride + 1, stride, padding=stride) for stride in POOL_STRIDES]
        self.pools = nn.ModuleList([*local, nn.AdaptiveAvgPool2d(1)])
        self.scales = nn.ModuleList(NormActConv(in_channels, channels) for _ in [None, *self.pools])
        self.compress = NormActConv(channels * len(self.scales), out_channels)
        self.shortcut = NormActConv(in_channels, out_channels)

    def pooled(self, features_BDhw: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the convolved features, and the convolved averages, finest first; all of one size."""
        same, *others = self.scales
        averages = [
            widen(scale(pool(features_BDhw)), features_BDhw)
            for scale, pool in zip(others, self.pools, strict=True)
        ]
        return same(features_BDhw), averages

    def joined(self, scales: list[Tensor], features_BDhw: Tensor) -> Tensor:
        """Return the compressed scales plus the projected input."""
        out_BDhw: Tensor = self.compress(torch.cat(scales, dim=1)) + self.shortcut(features_BDhw)
        return out_BDhw


class DAPPM(PooledContext):
    """Deep aggregation pyramid pooling: each scale is added to the finer one before it, and convolved.

    Args:
        in_channels: width of the input.
        channels: width of each scale.
        out_channels: width of the output.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__(in_channels, channels, out_channels)
        self.process = nn.ModuleList(NormActConv(channels, channels, kernel_size=3) for _ in self.pools)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        same_BDhw, averages = self.pooled(features_BDhw)
        scales = [same_BDhw]
        for process, average_BDhw in zip(self.process, averages, strict=True):
            scales.append(process(average_BDhw + scales[-1]))
        return self.joined(scales, features_BDhw)
