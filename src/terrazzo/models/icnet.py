"""ICNet: the image at three resolutions, the deeper the network the smaller its image.

Zhao, Qi, Shen, Shi, Jia 2018, ICNet for Real-Time Semantic Segmentation on High-Resolution Images, section 3
and figures 2 and 3, https://arxiv.org/abs/1704.08545; widths and wiring as in the prototxt of
github.com/hszhao/ICNet. The image at half the size goes through the encoder as far as the first block of its
stride-8 stage; those features, at half their size again, go through the rest of it, so that the branches for
1/2 and 1/4 share their layers and their work. Three convolutions see the full image.

Ours: halving is the mean of 2 x 2 (there, every second value), bins are those of adaptive pooling, features
are widened with align_corners=False; timm's ResNets have the stride in the 3x3 convolution, and begin
a dilated stage with the dilation of the one before. The paper then removes half of the kernels of the trained
network; as small from the start is `encoder="resnet50c"` with `encoder_options={"channels": [32, 64, 128,
256]}` and `context_channels=256`, which has as many parameters as the published compressed one.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier

STRIDE = 4
SPLIT_STRIDE = 8
"""Of the encoder, where the medium branch ends."""

BINS = (1, 2, 3, 6)
DETAIL_CHANNELS = (32, 32, 64)
"""Of the three convolutions on the full image."""

AUXILIARY = ((16, 0.16), (8, 0.4))
"""Stride and weight of the cascade label guidance; the main output has 1."""


class SplitEncoder(nn.Module):
    """A timm network in two parts: `shared` for the medium branch, and `deep` for what only the low one has.

    Args:
        encoder: whose layers are taken; one that runs its layers one after the other.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        layers = list(encoder.body.children())
        position, level = _split(encoder)
        first, others = _blocks(layers[position])
        self.shared = nn.Sequential(*layers[:position], first)
        self.deep = nn.Sequential(*others, *layers[position + 1 :])
        self.channels = (encoder.channels[level], encoder.channels[-1])
        self.strides = (encoder.strides[level], encoder.strides[-1])


def _split(encoder: Encoder) -> tuple[int, int]:
    """Return the position of the layer that gives the stride-8 level, and the level's."""
    returned = getattr(encoder.body, "return_layers", None)
    if returned is None or encoder.channels_last_output or SPLIT_STRIDE not in encoder.strides[:-1]:
        raise RequestError(
            "ICNet splits its encoder at stride 8, and this one cannot be split there. Choose one whose "
            "layers follow each other, with (B, D, h, w) features, such as resnet18, resnet50 or regnety_002."
        )
    level = encoder.strides.index(SPLIT_STRIDE)
    return list(encoder.body._modules).index(list(returned)[level]), level


def _blocks(stage: nn.Module) -> tuple[nn.Module, list[nn.Module]]:
    """Return the first block of a stage and the others; the whole stage where it is not a sequence."""
    if not isinstance(stage, nn.Sequential):
        return stage, []
    first, *others = stage
    return first, others


class CascadeFusion(nn.Module):
    """Cascade feature fusion: coarse features, dilated, plus fine ones (section 3.3).

    Args:
        coarse_channels: width of the features of the coarser branch.
        fine_channels: width of those of the finer one.
        channels: width of the output.
    """

    def __init__(self, coarse_channels: int, fine_channels: int, channels: int) -> None:
        super().__init__()
        self.coarse = ConvNormAct(coarse_channels, channels, dilation=2, activation=None)
        self.fine = ConvNormAct(fine_channels, channels, kernel_size=1, activation=None)

    def forward(self, coarse_BDhw: Tensor, fine_BDhw: Tensor) -> Tensor:
        """Return (B, channels, h, w); the coarse features are widened to the fine ones' size already."""
        return F.relu(self.coarse(coarse_BDhw) + self.fine(fine_BDhw))


class ICNet(SegmentationModel):
    """Three branches, fused from coarse to fine; logits at stride 4.

    Args:
        encoder: of the low and the medium branch; dilated in the paper (`output_stride` 8).
        num_classes: K.
        in_channels: C.
        channels: width of the fusions; 128 in the prototxt.
        context_channels: width of the low branch's output; 512, as in PSPNet, before compression.
        auxiliary: train a classifier on the input of each fusion (cascade label guidance), as the paper does.
        align_corners: how features and logits are widened; True only for weights trained so.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int = 128,
        context_channels: int = 512,
        auxiliary: bool = True,
        align_corners: bool = False,
    ) -> None:
        split = SplitEncoder(encoder)
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=STRIDE,
            multiple=4 * split.strides[-1],
            align_corners=align_corners,
        )
        self.encoder = split
        medium, deep = split.channels
        first, second, last = DETAIL_CHANNELS
        self.detail = nn.Sequential(
            ConvNormAct(in_channels, first, stride=2),
            ConvNormAct(first, second, stride=2),
            ConvNormAct(second, last, stride=2),
        )
        self.context = ConvNormAct(deep, context_channels, kernel_size=1)
        self.fuse_medium = CascadeFusion(context_channels, medium, channels)
        self.fuse_detail = CascadeFusion(channels, last, channels)
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.guides = nn.ModuleList(
            nn.Conv2d(width, num_classes, kernel_size=1)
            for width in ((context_channels, channels) if auxiliary else ())
        )
        for module in (self.detail, self.context, self.fuse_medium, self.fuse_detail):
            initialise(module)
        for layer in (self.classify, *self.guides):
            initialise_classifier(layer)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 4, W / 4)."""
        medium_BDhw = self.encoder.shared(F.avg_pool2d(image_BCHW, 2))
        low_BDhw = self.context(self._pooled_sum(self.encoder.deep(F.avg_pool2d(medium_BDhw, 2))))
        low_BDhw = self._widen(low_BDhw, medium_BDhw)
        fused_BDhw = self.fuse_medium(low_BDhw, medium_BDhw)
        detail_BDhw = self.detail(image_BCHW)
        fused_BDhw = self._widen(fused_BDhw, detail_BDhw)
        # A 1x1 convolution and a widening can change places; the classes are fewer than the channels.
        coarse_BKhw = self.classify(self.fuse_detail(fused_BDhw, detail_BDhw))
        logits_BKhw = F.interpolate(
            coarse_BKhw, scale_factor=2, mode="bilinear", align_corners=self.align_corners
        )
        return self._guided(logits_BKhw, (low_BDhw, fused_BDhw)) if self.training else logits_BKhw

    def _guided(self, logits_BKhw: Tensor, features: tuple[Tensor, Tensor]) -> Tensor | Outputs:
        """Add the classes that each fusion's coarse input says, cascade label guidance."""
        auxiliary = tuple(
            Auxiliary(guide(features_BDhw), stride, weight, align_corners=self.align_corners)
            for guide, features_BDhw, (stride, weight) in zip(self.guides, features, AUXILIARY, strict=False)
        )
        return Outputs(logits_BKhw, auxiliary=auxiliary)

    def _pooled_sum(self, features_BDhw: Tensor) -> Tensor:
        """Add the features' averages over 1, 2 x 2, 3 x 3 and 6 x 6 bins: pyramid pooling without layers."""
        sum_BDhw = features_BDhw
        for bins in BINS:
            sum_BDhw = sum_BDhw + self._widen(F.adaptive_avg_pool2d(features_BDhw, bins), features_BDhw)
        return sum_BDhw

    def _widen(self, features_BDhw: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(
            features_BDhw, size=like.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
