"""FCN as published: VGG16 with its fully connected layers as convolutions; FCN-32s, FCN-16s and FCN-8s.

Long, Shelhamer, Darrell 2015, Fully Convolutional Networks for Semantic Segmentation, sections 3 and 4 and
figure 3, https://arxiv.org/abs/1411.4038. fc6 is a 7x7 convolution of 4096 channels, fc7 a 1x1, each with
ReLU and dropout; 1x1 convolutions score the classes, on fc7 and, in FCN-16s and FCN-8s, on pool4 and pool3;
scores are widened by 2 and summed. The transposed convolutions in between start as bilinear widening and
learn; the last widening is fixed bilinear in the paper, so the logits end before it.

Ours is that every convolution pads to keep the size (fc6 by 3), where the paper pads the image by 100 pixels,
does not pad fc6 and crops; that the two skips are trained at once with the rest, from scores near zero (the
paper fine-tunes FCN-32s, 16s and 8s in turn, from scores at zero); and that pretrained=True fills the 13
convolutions only: timm's pyramid ends before fc6 and fc7, whose ImageNet weights the paper keeps.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import initialise, initialise_classifier
from terrazzo.models.vgg import require_vgg

Variant = Literal["32s", "16s", "8s"]

SKIPS: dict[Variant, tuple[int, ...]] = {"32s": (), "16s": (3,), "8s": (3, 2)}
"""The levels whose pooling is scored: level 3 (stride 8) gives pool4 (stride 16), level 2 gives pool3."""


class DoubleScores(nn.ConvTranspose2d):
    """Widens class scores by 2: bilinear at first, then learned; keeps values inside, fades at the border.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, num_classes, kernel_size=4, stride=2, padding=1, bias=False)
        taps = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            self.weight.zero_()
            for own in range(num_classes):
                self.weight[own, own] = torch.outer(taps, taps)


class FCNVGG16(SegmentationModel):
    """VGG, fully convolutional, with the finer poolings' scores added; logits at stride 32, 16 or 8.

    Args:
        encoder: a VGG; vgg16 in the paper.
        num_classes: K.
        in_channels: C.
        variant: "32s" has no skip, "16s" adds pool4, "8s" adds pool4 and pool3; the name is the stride.
        fc_channels: width of fc6 and fc7; 4096 in VGG.
        dropout: share of values dropped after fc6 and after fc7, 0..1; 0.5 in VGG.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        variant: Variant = "8s",
        fc_channels: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        require_vgg("fcn-vgg16", encoder)
        coarsest = encoder.strides[-1]
        skips = SKIPS[variant]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=coarsest // 2 ** len(skips),
            multiple=coarsest,
        )
        self.encoder = encoder
        self.skips = skips
        self.fully = nn.Sequential(
            nn.Conv2d(encoder.channels[-1], fc_channels, kernel_size=7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(fc_channels, fc_channels, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.classify = nn.Conv2d(fc_channels, num_classes, kernel_size=1)
        self.classify_skips = nn.ModuleList(
            nn.Conv2d(encoder.channels[level], num_classes, kernel_size=1) for level in self.skips
        )
        self.widen = nn.ModuleList(DoubleScores(num_classes) for _ in self.skips)
        initialise(self.fully)
        for classify in (self.classify, *self.classify_skips):
            initialise_classifier(classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / stride, W / stride)."""
        levels = self.encoder(image_BCHW)
        logits_BKhw: Tensor = self.classify(self.fully(levels[-1]))
        for level, classify, widen in zip(self.skips, self.classify_skips, self.widen, strict=True):
            pooled_BDhw = F.max_pool2d(levels[level], kernel_size=2)
            logits_BKhw = widen(logits_BKhw) + classify(pooled_BDhw)
        return logits_BKhw
