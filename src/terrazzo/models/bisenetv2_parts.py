"""The two branches of BiSeNet V2 and how they are joined; see bisenetv2.py for the paper.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models.layers import ConvNormAct

LAYERS_PER_STAGE = (2, 2, 4)
"""Gather-and-expansion layers of stages 3, 4 and 5, the first of each halving the size (table 1)."""


class DetailBranch(nn.Sequential):
    """Wide and shallow: three stages, each halving the size at its start (table 1, left).

    Args:
        in_channels: C.
        widths: of the stages, which have 2, 3 and 3 convolutions.
    """

    def __init__(self, in_channels: int, widths: tuple[int, int, int]) -> None:
        stages = zip(pairwise((in_channels, *widths)), (2, 3, 3), strict=True)
        super().__init__(
            *(
                nn.Sequential(
                    ConvNormAct(fan_in, width, stride=2),
                    *(ConvNormAct(width, width) for _ in range(convs - 1)),
                )
                for (fan_in, width), convs in stages
            )
        )


class Stem(nn.Module):
    """Two ways to shrink by 4, side by side.

    Args:
        in_channels: C.
        out_channels: width of the output, at stride 4.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels, stride=2)
        self.left = nn.Sequential(
            ConvNormAct(out_channels, out_channels // 2, kernel_size=1),
            ConvNormAct(out_channels // 2, out_channels, stride=2),
        )
        self.right = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.fuse = ConvNormAct(2 * out_channels, out_channels)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, out_channels, H / 4, W / 4)."""
        features_BDhw = self.conv(image_BCHW)
        out: Tensor = self.fuse(torch.cat([self.left(features_BDhw), self.right(features_BDhw)], dim=1))
        return out


class GatherExpand(nn.Module):
    """Conv3x3, depthwise expansion, Conv1x1, and a shortcut.

    Args:
        in_channels: width of the input.
        out_channels: width of the output; the same as the input's at stride 1.
        stride: 1 or 2; at 2 the expansion takes two depthwise convolutions and the shortcut one.
        expansion: factor on the width in between.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * in_channels
        self.gather = ConvNormAct(in_channels, in_channels)
        self.expand: nn.Module = ConvNormAct(in_channels, wide, groups=in_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            self.expand = nn.Sequential(
                ConvNormAct(in_channels, wide, stride=2, groups=in_channels, activation=None),
                ConvNormAct(wide, wide, groups=wide),
            )
            self.shortcut = nn.Sequential(
                ConvNormAct(in_channels, in_channels, stride=2, groups=in_channels, activation=None),
                ConvNormAct(in_channels, out_channels, kernel_size=1, activation=None),
            )
        self.project = ConvNormAct(wide, out_channels, kernel_size=1, activation=None)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h / stride, w / stride)."""
        out_BDhw = self.project(self.expand(self.gather(features_BDhw)))
        return F.relu(out_BDhw + self.shortcut(features_BDhw))


class SemanticBranch(nn.Module):
    """Narrow and deep: a stem and three stages of gather-and-expansion layers (table 1, right).

    Args:
        in_channels: C.
        widths: of the stem and the stages.
        expansion: of the layers.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], *, expansion: int) -> None:
        super().__init__()
        self.stem = Stem(in_channels, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(
                GatherExpand(fan_in, width, stride=2, expansion=expansion),
                *(GatherExpand(width, width, stride=1, expansion=expansion) for _ in range(layers - 1)),
            )
            for (fan_in, width), layers in zip(pairwise(widths), LAYERS_PER_STAGE, strict=True)
        )

    def forward(self, image_BCHW: Tensor) -> list[Tensor]:
        """Return the maps of stride 4, 8, 16 and 32."""
        levels = [self.stem(image_BCHW)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return levels


class ContextEmbedding(nn.Module):
    """Adds the global average, normed and convolved, to every place.

    Args:
        channels: width of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.average = ConvNormAct(channels, channels, kernel_size=1)
        self.conv = ConvNormAct(channels, channels)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        average_BD11 = self.average(self.norm(features_BDhw.mean(dim=(2, 3), keepdim=True)))
        out: Tensor = self.conv(average_BD11 + features_BDhw)
        return out


class GuidedAggregation(nn.Module):
    """Each branch gates the other, at both sizes, and the two results are summed.

    Args:
        channels: width of both branches and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.detail_fine = _separable(channels)
        self.detail_coarse = nn.Sequential(
            ConvNormAct(channels, channels, stride=2, activation=None),
            nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.semantic_fine = ConvNormAct(channels, channels, activation=None)
        self.semantic_coarse = _separable(channels)
        self.conv = ConvNormAct(channels, channels)

    def forward(self, detail_BDhw: Tensor, semantic_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w) at the size of the detail branch; the other is a quarter of it."""
        gate_fine_BDhw = F.interpolate(self.semantic_fine(semantic_BDhw), scale_factor=4.0).sigmoid()
        gate_coarse_BDhw = self.semantic_coarse(semantic_BDhw).sigmoid()
        fine_BDhw = self.detail_fine(detail_BDhw) * gate_fine_BDhw
        coarse_BDhw = self.detail_coarse(detail_BDhw) * gate_coarse_BDhw
        out: Tensor = self.conv(fine_BDhw + F.interpolate(coarse_BDhw, scale_factor=4.0))
        return out


def _separable(channels: int) -> nn.Sequential:
    """Return depthwise Conv3x3-BN and Conv1x1."""
    return nn.Sequential(
        ConvNormAct(channels, channels, groups=channels, activation=None),
        nn.Conv2d(channels, channels, kernel_size=1, bias=False),
    )
