"""BiSeNet V2: a detail branch, a light semantic branch, and an aggregation in which each guides the other.

Yu, Gao, Wang, Yu, Shen, Sang 2021, BiSeNet V2: Bilateral Network with Guided Aggregation for Real-time
Semantic Segmentation, section 4 and table 1, https://arxiv.org/abs/2004.02147. Where the paper leaves details
open we follow CoinCheung/BiSeNet, whose weights (MIT) fit: ReLU after the depthwise convolutions of the
gather-and-expansion layers, norm and ReLU after the last convolution of the context embedding and of the
aggregation, 1024 channels before the classes, booster heads that widen by 2 before they classify. The booster
training strategy adds a head to each stage of the semantic branch, all with weight 1.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.bisenetv2_parts import (
    ContextEmbedding,
    DetailBranch,
    GuidedAggregation,
    SemanticBranch,
)
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier

STRIDE, COARSEST = 8, 32
BOOSTER_WEIGHT = 1.0
BOOSTER_CHANNELS = 128
BOOSTER_STRIDES = (4, 8, 16, 32)


class BoosterHead(nn.Module):
    """Conv3x3, widen by 2, Conv3x3, and the classes; for training only.

    Args:
        in_channels: width of the input.
        num_classes: K.
        stride: of the input; its square is the width before the classes.
    """

    def __init__(self, in_channels: int, num_classes: int, *, stride: int) -> None:
        super().__init__()
        self.first = ConvNormAct(in_channels, BOOSTER_CHANNELS)
        self.dropout = nn.Dropout(0.1)
        self.second = ConvNormAct(BOOSTER_CHANNELS, stride**2)
        self.classify = nn.Conv2d(stride**2, num_classes, kernel_size=1)
        initialise(self)
        initialise_classifier(self.classify)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, K, 2 * h, 2 * w)."""
        features_BDhw = F.interpolate(self.dropout(self.first(features_BDhw)), scale_factor=2.0)
        logits_BKhw: Tensor = self.classify(self.second(features_BDhw))
        return logits_BKhw


class BiSeNetV2(SegmentationModel):
    """Detail branch, semantic branch, guided aggregation, classifier; logits at stride 8.

    Args:
        num_classes: K.
        in_channels: C.
        detail_channels: widths of the three stages of the detail branch (table 1); the last is also that of
            the aggregation and of the semantic branch's end.
        semantic_channels: widths of the stem and of stages 3 and 4 of the semantic branch (table 1).
        expansion: of the gather-and-expansion layers (table 1).
        head_channels: width before the classes; 1024 as the published weights have.
        auxiliary: train with booster heads.
        dropout: share of values dropped before the classes, 0..1.
    """

    norms_global_average = True

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        detail_channels: tuple[int, int, int] = (64, 64, 128),
        semantic_channels: tuple[int, int, int] = (16, 32, 64),
        expansion: int = 6,
        head_channels: int = 1024,
        auxiliary: bool = True,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=STRIDE, multiple=COARSEST)
        channels = detail_channels[-1]
        widths = (*semantic_channels, channels)
        self.detail = DetailBranch(in_channels, detail_channels)
        self.semantic = SemanticBranch(in_channels, widths, expansion=expansion)
        self.embed = ContextEmbedding(channels)
        self.aggregate = GuidedAggregation(channels)
        self.head = ConvNormAct(channels, head_channels)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Conv2d(head_channels, num_classes, kernel_size=1)
        initialise(self)
        initialise_classifier(self.classify)
        stages = zip(widths, BOOSTER_STRIDES, strict=True) if auxiliary else ()
        self.boosters = nn.ModuleList(
            BoosterHead(width, num_classes, stride=stride) for width, stride in stages
        )

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8), and in training mode those of the booster heads."""
        detail_BDhw = self.detail(image_BCHW)
        stages = self.semantic(image_BCHW)
        features_BDhw = self.aggregate(detail_BDhw, self.embed(stages[-1]))
        logits_BKhw: Tensor = self.classify(self.dropout(self.head(features_BDhw)))
        if not self.training:
            return logits_BKhw
        auxiliary = tuple(
            Auxiliary(booster(stage), stride // 2, BOOSTER_WEIGHT)
            for booster, stage, stride in zip(self.boosters, stages, BOOSTER_STRIDES, strict=False)
        )
        return Outputs(logits_BKhw, auxiliary)
