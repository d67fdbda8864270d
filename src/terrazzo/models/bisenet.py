"""BiSeNet: a wide, shallow path for detail beside a deep one for context.

Yu, Wang, Peng, Gao, Yu, Sang 2018, BiSeNet: Bilateral Segmentation Network for Real-time Semantic
Segmentation, section 3 and figure 2, https://arxiv.org/abs/1808.00897. Widths, the closing 1x1 convolution of
the spatial path and the 3x3 convolutions after each sum of the context path, which the paper does not list,
are those of common implementations. Any timm encoder is the context path.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, resize_like

STRIDE = 8
SPATIAL_WIDTH = 64
AUXILIARY_CHANNELS = 256
AUXILIARY_WEIGHT = 1.0
"""Alpha in equation 2."""


class SpatialPath(nn.Sequential):
    """Three convolutions of stride 2 that keep detail (section 3.1).

    Args:
        in_channels: C.
        out_channels: width of the output, at stride 8.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            ConvNormAct(in_channels, SPATIAL_WIDTH, kernel_size=7, stride=2),
            ConvNormAct(SPATIAL_WIDTH, SPATIAL_WIDTH, stride=2),
            ConvNormAct(SPATIAL_WIDTH, SPATIAL_WIDTH, stride=2),
            ConvNormAct(SPATIAL_WIDTH, out_channels, kernel_size=1),
        )


class AttentionRefinement(nn.Module):
    """Weighs channels by what their average over the image says (figure 2 b).

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels)
        self.attend = ConvNormAct(out_channels, out_channels, kernel_size=1, activation=None)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        features_BDhw = self.conv(features_BDhw)
        weights_BD11: Tensor = self.attend(features_BDhw.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return features_BDhw * weights_BD11


class FeatureFusion(nn.Module):
    """Joins the two paths, then weighs channels as squeeze-and-excitation does (figure 2 c).

    Args:
        in_channels: width of both paths together.
        out_channels: width of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels, kernel_size=1)
        self.squeeze = nn.Conv2d(out_channels, out_channels // 4, kernel_size=1, bias=False)
        self.excite = nn.Conv2d(out_channels // 4, out_channels, kernel_size=1, bias=False)

    def forward(self, spatial_BDhw: Tensor, context_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h, w)."""
        features_BDhw: Tensor = self.conv(torch.cat([spatial_BDhw, context_BDhw], dim=1))
        squeezed_BD11 = F.relu(self.squeeze(features_BDhw.mean(dim=(2, 3), keepdim=True)))
        weights_BD11: Tensor = self.excite(squeezed_BD11).sigmoid()
        return features_BDhw + features_BDhw * weights_BD11


class ContextPath(nn.Module):
    """The encoder's maps of stride 16 and 32, refined and widened on top of the global average (figure 2 a).

    Args:
        in_channels: widths of the maps of stride 16 and 32.
        channels: width of the output.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        coarse, coarsest = in_channels
        self.average = ConvNormAct(coarsest, channels, kernel_size=1)
        self.refine = nn.ModuleList(AttentionRefinement(width, channels) for width in (coarsest, coarse))
        self.smooth = nn.ModuleList(ConvNormAct(channels, channels) for _ in self.refine)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return (B, channels, H / 16, W / 16) and (B, channels, H / 8, W / 8).

        Args:
            levels: maps of stride 8 (whose size alone matters), 16 and 32.
        """
        fine_BDhw, coarse_BDhw, coarsest_BDhw = levels
        context_BDhw = self.average(coarsest_BDhw.mean(dim=(2, 3), keepdim=True))
        outputs = []
        for refine, smooth, level, like in zip(
            self.refine, self.smooth, (coarsest_BDhw, coarse_BDhw), (coarse_BDhw, fine_BDhw), strict=True
        ):
            context_BDhw = smooth(resize_like(refine(level) + context_BDhw, like))
            outputs.append(context_BDhw)
        return outputs[0], outputs[1]


class BiSeNet(SegmentationModel):
    """Spatial and context path, fused; logits at stride 8.

    Args:
        encoder: the context path; its last three levels have strides 8, 16 and 32.
        num_classes: K.
        in_channels: C.
        path_channels: width of either path.
        head_channels: width of the fusion and of the layer before the classes.
        auxiliary: supervise both maps of the context path in training, too.
    """

    norms_global_average = True

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        path_channels: int = 128,
        head_channels: int = 256,
        auxiliary: bool = True,
    ) -> None:
        if encoder.strides[-3:] != (8, 16, 32):
            raise RequestError(
                f"The encoder ends with strides {encoder.strides[-3:]}; BiSeNet's context path needs maps of "
                "strides 8, 16 and 32. Leave output_stride at 32."
            )
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=STRIDE, multiple=32)
        self.spatial = SpatialPath(in_channels, path_channels)
        self.encoder = encoder
        self.context = ContextPath(encoder.channels[-2:], path_channels)
        self.fuse = FeatureFusion(2 * path_channels, head_channels)
        self.classify = _head(head_channels, head_channels, num_classes)
        for part in (self.spatial, self.context, self.fuse):
            initialise(part)
        heads = 2 if auxiliary else 0
        self.auxiliary = nn.ModuleList(
            _head(path_channels, AUXILIARY_CHANNELS, num_classes) for _ in range(heads)
        )

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8), and in training mode those of the auxiliary heads."""
        context16_BDhw, context8_BDhw = self.context(self.encoder(image_BCHW)[-3:])
        features_BDhw = self.fuse(self.spatial(image_BCHW), context8_BDhw)
        logits_BKhw: Tensor = self.classify(features_BDhw)
        if not self.training:
            return logits_BKhw
        auxiliary = tuple(
            Auxiliary(head(features), stride, AUXILIARY_WEIGHT)
            for head, features, stride in zip(
                self.auxiliary, (context16_BDhw, context8_BDhw), (16, 8), strict=False
            )
        )
        return Outputs(logits_BKhw, auxiliary)


def _head(in_channels: int, channels: int, num_classes: int) -> nn.Sequential:
    """Return Conv3x3-BN-ReLU and Conv1x1 to the classes."""
    classify = nn.Conv2d(channels, num_classes, kernel_size=1)
    head = nn.Sequential(ConvNormAct(in_channels, channels), classify)
    initialise(head)
    initialise_classifier(classify)
    return head
