"""Atrous spatial pyramid pooling: context by convolutions of several dilations, and the image's average.

Chen, Papandreou, Schroff, Adam 2017, Rethinking Atrous Convolution for Semantic Image Segmentation,
section 3.3, https://arxiv.org/abs/1706.05587; separable as in Chen et al. 2018, Encoder-Decoder with Atrous
Separable Convolution, section 3.1, https://arxiv.org/abs/1802.02611.

Shapes: B images, h x w feature size, D feature width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.layers import ConvNormAct

RATES_AT_STRIDE_16 = (6, 12, 18)
"""Section 3.3; the rates are doubled at stride 8."""


def atrous_rates(rates: Sequence[int] | None, stride: int) -> tuple[int, ...]:
    """Return the rates that were asked for, or else those that span the paper's pixels at this stride.

    Args:
        rates: dilations, features; None for the paper's.
        stride: image pixels per feature: (6, 12, 18) at 16, (12, 24, 36) at 8, (3, 6, 9) at 32.

    Raises:
        RequestError: no rate, or one below 1.
    """
    if rates is None:
        return tuple(max(1, 16 * rate // stride) for rate in RATES_AT_STRIDE_16)
    if not rates or min(rates) < 1:
        raise RequestError(f"rates = {list(rates)}: give at least one dilation, each from 1 on.")
    return tuple(rates)


class SeparableConv(nn.Sequential):
    """Depthwise Conv3x3, Conv1x1, batch norm, ReLU; keeps the size.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        dilation: pixels between the kernel's taps.
        depthwise_norm: batch norm and ReLU between the two, too.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dilation: int = 1, depthwise_norm: bool = True
    ) -> None:
        depthwise = ConvNormAct(in_channels, in_channels, dilation=dilation, groups=in_channels)
        super().__init__(
            depthwise if depthwise_norm else depthwise[0],
            ConvNormAct(in_channels, out_channels, kernel_size=1),
        )


def conv3x3(
    in_channels: int, out_channels: int, *, separable: bool, depthwise_norm: bool, dilation: int = 1
) -> nn.Module:
    """Return a 3x3 convolution with batch norm and ReLU, in one piece or separable."""
    if separable:
        return SeparableConv(in_channels, out_channels, dilation=dilation, depthwise_norm=depthwise_norm)
    return ConvNormAct(in_channels, out_channels, dilation=dilation)


class ASPP(nn.Module):
    """Conv1x1, one Conv3x3 per rate, and the image's average, side by side; Conv1x1 over all; dropout.

    Args:
        in_channels: width of the input.
        out_channels: width of each branch, and of the output.
        rates: dilation of each 3x3 convolution.
        dropout: share of values dropped at the end, 0..1.
        separable: of the 3x3 convolutions.
        depthwise_norm: as for `SeparableConv`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        rates: Sequence[int],
        dropout: float,
        separable: bool = False,
        depthwise_norm: bool = True,
    ) -> None:
        super().__init__()
        self.point = ConvNormAct(in_channels, out_channels, kernel_size=1)
        self.atrous = nn.ModuleList(
            conv3x3(
                in_channels,
                out_channels,
                separable=separable,
                depthwise_norm=depthwise_norm,
                dilation=rate,
            )
            for rate in rates
        )
        self.image = ConvNormAct(in_channels, out_channels, kernel_size=1)
        self.project = ConvNormAct((2 + len(self.atrous)) * out_channels, out_channels, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        h, w = features_BDhw.shape[-2:]
        image_BD11 = self.image(F.adaptive_avg_pool2d(features_BDhw, 1))
        branches = [
            self.point(features_BDhw),
            *(conv(features_BDhw) for conv in self.atrous),
            image_BD11.expand(-1, -1, h, w),  # what bilinear widening of a single value comes to
        ]
        out: Tensor = self.dropout(self.project(torch.cat(branches, dim=1)))
        return out
