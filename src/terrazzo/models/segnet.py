"""SegNet: a VGG16 and its mirror image, which unpools to where the encoder's maxima were.

Badrinarayanan, Kendall, Cipolla 2017, SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation, section 3 and figures 2 and 3, https://arxiv.org/abs/1511.00561. Each stage of the decoder puts
every value back to the place of the maximum that the encoder's stage pooled, leaves zeros elsewhere, and
makes the sparse map dense with as many Conv3x3-BN-ReLU as the encoder's stage has. The last of them narrows
to the next stage's width; the very last convolution gives the classes (so in the authors' own network,
alexgkendall/SegNet-Tutorial, Models/segnet_train.prototxt).

Ours is that the encoder is timm's VGG16 with batch norm, which ImageNet weights can start, norms included;
the places of the maxima are found by pooling its levels once more. The decoder's convolutions have no bias
where batch norm follows.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, max_unpool_2x2
from terrazzo.models.vgg import require_vgg

VGG16 = (2, 2, 3, 3, 3)
"""Convolutions per stage, finest first."""


def unpool(features_BDhw: Tensor, like_BDHW: Tensor) -> Tensor:
    """Undo a 2x2 max-pooling: values to where the maxima were, zeros elsewhere.

    Args:
        features_BDhw: to be put back.
        like_BDHW: what the encoder pooled, twice as high and wide, of the same width D.

    Returns:
        (B, D, H, W), the size of the second.
    """
    _, places_BDhw = F.max_pool2d(like_BDHW.detach(), kernel_size=2, return_indices=True)
    return max_unpool_2x2(features_BDhw, places_BDhw, like_BDHW)


class SegNet(SegmentationModel):
    """VGG and its mirror image; logits at stride 1.

    Args:
        encoder: a VGG; vgg16_bn for the paper's.
        num_classes: K.
        in_channels: C.
        depths: convolutions per stage of the decoder, finest first; VGG16's own by default. Those of vgg11
            are 1, 1, 2, 2, 2, of vgg13 2, 2, 2, 2, 2, and of vgg19 2, 2, 4, 4, 4.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        depths: tuple[int, ...] = VGG16,
    ) -> None:
        require_vgg("segnet", encoder)
        widths = encoder.channels[:-1]
        _check_depths(depths, len(widths))
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, stride=1, multiple=encoder.strides[-1]
        )
        self.encoder = encoder
        finer = [None, *widths[:-1]]
        self.decoder = nn.ModuleList(
            _stage(width, narrower, depth)
            for width, narrower, depth in reversed(list(zip(widths, finer, depths, strict=True)))
        )
        self.classify = nn.Conv2d(widths[0], num_classes, kernel_size=3, padding=1)
        initialise(self.decoder)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        *levels, features_BDhw = self.encoder(image_BCHW)
        for stage, level_BDhw in zip(self.decoder, reversed(levels), strict=True):
            features_BDhw = stage(unpool(features_BDhw, level_BDhw))
        logits_BKHW: Tensor = self.classify(features_BDhw)
        return logits_BKHW


def _stage(width: int, narrower: int | None, depth: int) -> nn.Sequential:
    """Return the convolutions of one stage; the finest stage's last one is that to the classes."""
    widths = [width] * (depth - 1) + ([] if narrower is None else [narrower])
    return nn.Sequential(*(ConvNormAct(width, out) for out in widths))


def _check_depths(depths: Sequence[int], stages: int) -> None:
    if len(depths) != stages or min(depths) < 1:
        raise RequestError(
            f"depths = {list(depths)}: give the number of convolutions of each of the {stages} stages, "
            "finest first, at least 1 each."
        )
