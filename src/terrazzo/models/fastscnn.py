"""Fast-SCNN: two branches that share their first layers.

Poudel, Liwicki, Cipolla 2019, Fast-SCNN: Fast Semantic Segmentation Network, section 3, table 1 and figure 2,
https://arxiv.org/abs/1902.04502. Auxiliary losses of weight 0.4 follow the learning-to-downsample and the
global-feature-extractor modules, as in section 4; of these heads the paper says nothing, here they are a
convolution to 32 channels and one to the classes. Ours is the padding of the very first convolution, which
the paper leaves open: coarser maps stay on the grid of the image.

Weights in the layout of Tramac/Fast-SCNN-pytorch (Apache-2.0) fit; see models/foreign.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.layers import (
    ConvNormAct,
    FCNHead,
    PyramidPooling,
    initialise,
    initialise_classifier,
    resize_like,
)

STRIDE, COARSEST = 8, 32
AUXILIARY_WEIGHT = 0.4
EXPANSION = 6
AUXILIARY_CHANNELS = 32


class SeparableConv(nn.Sequential):
    """Depthwise Conv3x3 and pointwise Conv1x1, each with norm and ReLU.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        stride: of the depthwise convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            ConvNormAct(in_channels, in_channels, stride=stride, groups=in_channels),
            ConvNormAct(in_channels, out_channels, kernel_size=1),
        )


class Bottleneck(nn.Module):
    """Inverted residual of MobileNetV2: widen by 6, depthwise Conv3x3, narrow without ReLU.

    Args:
        in_channels: width of the input.
        out_channels: width of the output; the input is added where width and size stay.
        stride: of the depthwise convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        wide = EXPANSION * in_channels
        self.adds = stride == 1 and in_channels == out_channels
        self.convs = nn.Sequential(
            ConvNormAct(in_channels, wide, kernel_size=1),
            ConvNormAct(wide, wide, stride=stride, groups=wide),
            ConvNormAct(wide, out_channels, kernel_size=1, activation=None),
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h / stride, w / stride)."""
        out_BDhw: Tensor = self.convs(features_BDhw)
        return out_BDhw + features_BDhw if self.adds else out_BDhw


class FeatureFusion(nn.Module):
    """Adds the widened coarse branch to the fine one (section 3.2.3, table 3).

    Args:
        fine_channels: width of the fine branch.
        channels: width of the coarse branch and of the sum.
        align_corners: how the coarse branch is widened.
    """

    def __init__(self, fine_channels: int, channels: int, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.depthwise = ConvNormAct(channels, channels, groups=channels)
        self.coarse = nn.Sequential(nn.Conv2d(channels, channels, kernel_size=1), nn.BatchNorm2d(channels))
        self.fine = nn.Sequential(nn.Conv2d(fine_channels, channels, kernel_size=1), nn.BatchNorm2d(channels))

    def forward(self, fine_BDhw: Tensor, coarse_BDhw: Tensor) -> Tensor:
        """Return the sum at the size of the fine branch."""
        wide_BDhw = resize_like(coarse_BDhw, fine_BDhw, mode="bilinear", align_corners=self.align_corners)
        return F.relu(self.fine(fine_BDhw) + self.coarse(self.depthwise(wide_BDhw)))


class FastSCNN(SegmentationModel):
    """Learning to downsample, global feature extractor, fusion, classifier; logits at stride 8.

    Args:
        num_classes: K.
        in_channels: C.
        downsample_channels: widths of the three layers that both branches share (table 1).
        bottleneck_channels: widths of the three groups of bottlenecks (table 1).
        channels: width from the pyramid pooling on (table 1).
        auxiliary: where auxiliary heads stand: after both modules as in the paper, after the first, or
            nowhere.
        pad_first: pad the first convolution; False only for weights trained without.
        dropout: share of values dropped before the classes, 0..1.
        align_corners: how features and logits are widened; True only for weights trained so.
    """

    norms_global_average = True

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        downsample_channels: tuple[int, int, int] = (32, 48, 64),
        bottleneck_channels: tuple[int, int, int] = (64, 96, 128),
        channels: int = 128,
        auxiliary: Literal["both", "first", "none"] = "both",
        pad_first: bool = True,
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=STRIDE,
            multiple=COARSEST,
            align_corners=align_corners,
        )
        first, second, fine = downsample_channels
        stem = ConvNormAct(in_channels, first, stride=2)
        if not pad_first:
            stem[0] = nn.Conv2d(in_channels, first, kernel_size=3, stride=2, bias=False)
        self.downsample = nn.Sequential(
            stem, SeparableConv(first, second, stride=2), SeparableConv(second, fine, stride=2)
        )
        self.extract = _bottlenecks(fine, bottleneck_channels)
        coarse = bottleneck_channels[-1]
        self.context = PyramidPooling(coarse, coarse // 4, align_corners=align_corners)
        self.project = ConvNormAct(2 * coarse, channels, kernel_size=1)
        self.fuse = FeatureFusion(fine, channels, align_corners=align_corners)
        self.head = nn.Sequential(SeparableConv(channels, channels), SeparableConv(channels, channels))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        initialise(self)
        initialise_classifier(self.classify)
        widths = {"both": [fine, channels], "first": [fine], "none": []}[auxiliary]
        self.auxiliary = nn.ModuleList(
            FCNHead(width, num_classes, channels=AUXILIARY_CHANNELS) for width in widths
        )

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8), and in training mode those of the auxiliary heads."""
        fine_BDhw = self.downsample(image_BCHW)
        coarse_BDhw = self.project(self.context(self.extract(fine_BDhw)))
        features_BDhw = self.head(self.fuse(fine_BDhw, coarse_BDhw))
        logits_BKhw: Tensor = self.classify(self.dropout(features_BDhw))
        if not self.training:
            return logits_BKhw
        auxiliary = tuple(
            Auxiliary(head(features), stride, AUXILIARY_WEIGHT, self.align_corners)
            for head, features, stride in zip(
                self.auxiliary, (fine_BDhw, coarse_BDhw), (STRIDE, COARSEST), strict=False
            )
        )
        return Outputs(logits_BKhw, auxiliary)


def _bottlenecks(in_channels: int, widths: tuple[int, int, int]) -> nn.Sequential:
    """Return three groups of three bottlenecks; the first two groups halve the size (table 1)."""
    return nn.Sequential(
        *(
            nn.Sequential(
                Bottleneck(fan_in, width, stride=stride), Bottleneck(width, width), Bottleneck(width, width)
            )
            for stride, (fan_in, width) in zip((2, 2, 1), pairwise((in_channels, *widths)), strict=True)
        )
    )
