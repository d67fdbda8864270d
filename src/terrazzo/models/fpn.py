"""Semantic FPN on any timm network.

Kirillov, Girshick, He, Dollar 2019, Panoptic Feature Pyramid Networks, section 4.1 and figure 3,
https://arxiv.org/abs/1901.02446. As segmentation_models_pytorch builds it: no 3x3 convolution on the pyramid,
and dropout before the classes. Ours is the widening with align_corners=False, so that an image and the same
image padded agree.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from itertools import pairwise
from math import log2
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import initialise, initialise_classifier, resize_like

FINEST_STRIDE = 4
GROUPS = 32

Norm = Literal["group", "batch"]


class Branch(nn.Module):
    """Brings one pyramid level to the finest level's size: (Conv3x3, norm, ReLU, widen x 2) repeated.

    Args:
        in_channels: width of the pyramid.
        out_channels: width of the branch.
        doublings: how often the size is doubled; without any there is still one convolution.
        align_corners: how features are widened.
        norm: "group" as in the paper, or "batch".
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, doublings: int, align_corners: bool, norm: Norm
    ) -> None:
        super().__init__()
        self.doublings = doublings
        self.align_corners = align_corners
        widths = [in_channels] + [out_channels] * max(1, doublings)
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(fan_in, width, kernel_size=3, padding=1, bias=False),
                nn.GroupNorm(GROUPS, width) if norm == "group" else nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for fan_in, width in pairwise(widths)
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h * 2^doublings, w * 2^doublings)."""
        for conv in self.convs:
            features_BDhw = conv(features_BDhw)
            if self.doublings:
                features_BDhw = F.interpolate(
                    features_BDhw, scale_factor=2, mode="bilinear", align_corners=self.align_corners
                )
        return features_BDhw


class FPN(SegmentationModel):
    """Feature pyramid, one branch per level, their sum, and the classes; logits at stride 4.

    Args:
        encoder: gives the levels; those of stride 4 and more are used.
        num_classes: K.
        in_channels: C.
        pyramid_channels: width of the pyramid; 256 in the paper.
        segmentation_channels: width of the branches; 128 in the paper.
        norm: of the branches. "group" (32 groups) as in the paper, which does not mind small batches; "batch"
            trains faster on a CPU, most of all in bf16.
        dropout: share of feature maps dropped before the classes, 0..1.
        align_corners: how features and logits are widened; True only for weights trained so.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        pyramid_channels: int = 256,
        segmentation_channels: int = 128,
        norm: Norm = "group",
        dropout: float = 0.2,
        align_corners: bool = False,
    ) -> None:
        if norm == "group":
            _check_groups(segmentation_channels)
        used = [
            (width, stride)
            for width, stride in zip(encoder.channels, encoder.strides, strict=True)
            if stride >= FINEST_STRIDE
        ]
        finest = used[0][1]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=finest,
            multiple=encoder.strides[-1],
            align_corners=align_corners,
        )
        self.encoder = encoder
        self.lateral = nn.ModuleList(nn.Conv2d(width, pyramid_channels, kernel_size=1) for width, _ in used)
        self.branches = nn.ModuleList(
            Branch(
                pyramid_channels,
                segmentation_channels,
                doublings=int(log2(stride / finest)),
                align_corners=align_corners,
                norm=norm,
            )
            for _, stride in used
        )
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(segmentation_channels, num_classes, kernel_size=1)
        initialise(self.lateral)
        initialise(self.branches)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        levels = self.encoder(image_BCHW)[-len(self.lateral) :]
        pyramid = self._top_down(
            [lateral(level) for lateral, level in zip(self.lateral, levels, strict=True)]
        )
        merged_BDhw, *others = [branch(level) for branch, level in zip(self.branches, pyramid, strict=True)]
        for other_BDhw in others:
            merged_BDhw = merged_BDhw + other_BDhw
        logits_BKhw: Tensor = self.classify(self.dropout(merged_BDhw))
        return logits_BKhw

    def _top_down(self, levels: list[Tensor]) -> list[Tensor]:
        """Add to every level the coarser ones above it; finest first, as given."""
        pyramid = [levels[-1]]
        for level_BDhw in reversed(levels[:-1]):
            pyramid.append(level_BDhw + resize_like(pyramid[-1], level_BDhw))
        return pyramid[::-1]


def _check_groups(segmentation_channels: int) -> None:
    if segmentation_channels < 1 or segmentation_channels % GROUPS:
        raise RequestError(
            f"segmentation_channels = {segmentation_channels}: give a multiple of {GROUPS}, "
            "the number of groups that are normalised together, or norm = batch."
        )
