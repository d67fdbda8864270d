"""UPerNet: pyramid pooling on the coarsest level, a feature pyramid below it, and the fusion of all levels.

Xiao, Liu, Zhou, Jiang, Sun 2018, Unified Perceptual Parsing for Scene Understanding, section 3.1 and figure 4
(the object head alone), https://arxiv.org/abs/1807.10221. As it has become the usual decoder for new
backbones (mmsegmentation; Liu et al. 2022, A ConvNet for the 2020s, https://arxiv.org/abs/2201.03545). What
differs from the paper and its code:

* every pooled scale is projected before it is widened, not after, and has the width of the decoder;
* the classes are read off the fused features by a 1x1 convolution, without another 3x3 before it;
* dropout before the classes;
* in training, a second head on the last level but one, whose loss counts 0.4;
* a layer norm on every level of the encoder (`level_norm`), as ConvNeXt and Swin need it: their residual sums
  are not normalised where a stage ends.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

import torch
from torch import Tensor, nn

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import (
    ConvNormAct,
    FCNHead,
    PyramidPooling,
    initialise,
    initialise_classifier,
    resize_like,
)

FINEST_STRIDE = 4
AUXILIARY_WEIGHT = 0.4
"""Of the second head's loss; mmsegmentation's and the ConvNeXt authors' value."""

NORM_EPSILON = 1e-6
"""Of the layer norms on the levels, as in ConvNeXt."""


class LevelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel.

    Args:
        channels: width of the level.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=NORM_EPSILON)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        return super().forward(features_BDhw.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UPerNet(SegmentationModel):
    """Context, top-down path, fusion, and the classes; logits at stride 4.

    Args:
        encoder: gives the levels; those of stride 4 and more are used.
        num_classes: K.
        in_channels: C.
        channels: width of the decoder; 512 as in the paper.
        bins: the coarsest level is pooled to n x n for each n of these; as in the paper.
        level_norm: norm every level of the encoder; False as in the paper, whose ResNet does without.
        dropout: share of feature maps dropped before the classes, 0..1; 0.1 in mmsegmentation.
        auxiliary: train with the second head; it has no part in the prediction.
        auxiliary_channels: its width; 256 in mmsegmentation.
        align_corners: how the logits are widened; True only for weights trained so. Features are always
            widened with False.
    """

    norms_global_average = True

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int = 512,
        bins: tuple[int, ...] = (1, 2, 3, 6),
        level_norm: bool = True,
        dropout: float = 0.1,
        auxiliary: bool = True,
        auxiliary_channels: int = 256,
        align_corners: bool = False,
    ) -> None:
        strides = [stride for stride in encoder.strides if stride >= FINEST_STRIDE]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=strides[0],
            multiple=strides[-1],
            align_corners=align_corners,
        )
        *widths, coarsest = encoder.channels[-len(strides) :]
        self.encoder = encoder
        self.level_norms = nn.ModuleList(
            LevelNorm(width) if level_norm else nn.Identity() for width in [*widths, coarsest]
        )
        self.context = nn.Sequential(
            PyramidPooling(coarsest, channels, bins=bins),
            ConvNormAct(coarsest + len(bins) * channels, channels),
        )
        self.lateral = nn.ModuleList(ConvNormAct(width, channels, kernel_size=1) for width in widths)
        self.smooth = nn.ModuleList(ConvNormAct(channels, channels) for _ in widths)
        self.fuse = ConvNormAct(len(strides) * channels, channels)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        for part in (self.context, self.lateral, self.smooth, self.fuse):
            initialise(part)
        initialise_classifier(self.classify)
        self.auxiliary_stride = strides[-2]
        self.auxiliary = FCNHead(widths[-1], num_classes, channels=auxiliary_channels) if auxiliary else None

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 4, W / 4); in training with the second head's, at the last stride but one."""
        encoded = self.encoder(image_BCHW)[-len(self.level_norms) :]
        levels = [norm(level) for norm, level in zip(self.level_norms, encoded, strict=True)]
        pyramid = self._top_down(levels)
        fused_BDhw = self.fuse(torch.cat([_widened(level, pyramid[0]) for level in pyramid], dim=1))
        logits_BKhw: Tensor = self.classify(self.dropout(fused_BDhw))
        if self.auxiliary is None or not self.training:
            return logits_BKhw
        second_BKhw = self.auxiliary(levels[-2])
        return Outputs(logits_BKhw, (Auxiliary(second_BKhw, self.auxiliary_stride, AUXILIARY_WEIGHT),))

    def _top_down(self, levels: list[Tensor]) -> list[Tensor]:
        """Add the context to every level, from the coarsest down, and smooth; finest first, as given."""
        context_BDhw: Tensor = self.context(levels[-1])
        pyramid = [context_BDhw]
        sum_BDhw = context_BDhw
        for lateral, smooth, level in zip(
            reversed(self.lateral), reversed(self.smooth), reversed(levels[:-1]), strict=True
        ):
            lateral_BDhw = lateral(level)
            sum_BDhw = lateral_BDhw + _widened(sum_BDhw, lateral_BDhw)
            pyramid.append(smooth(sum_BDhw))
        return pyramid[::-1]


def _widened(features_BDhw: Tensor, like: Tensor) -> Tensor:
    return resize_like(features_BDhw, like, mode="bilinear")
