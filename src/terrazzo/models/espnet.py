"""ESPNet: a spatial pyramid of dilated convolutions in every block, with the image given again.

Mehta, Rastegari, Caspi, Shapiro, Hajishirzi 2018, ESPNet: Efficient Spatial Pyramid of Dilated Convolutions
for Semantic Segmentation, sections 3 and 4, figures 1 and 4, https://arxiv.org/abs/1803.06815.

Follows the authors' code (sacmehta/ESPNet, MIT), of which there are two decoders: at stride 2 one joins the
features of the first convolution, the other joins these with the image beside them, normalised. The paper
trains the encoder first and the decoder on top; here both learn at once. With fewer than 5 classes the
decoder is 5 wide, since its block splits features over five dilations.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import ConvNormAct, NormPReLU, halve, initialise, initialise_classifier, prelu

DILATIONS = (1, 2, 4, 8, 16)
STEM_WIDTH = 16
WIDTHS = (64, 128)
"""Of the levels at stride 4 and 8; figure 4."""

NORM_EPS = 1e-3

Decoder = Literal["stem", "image", "none"]


class ESP(nn.Module):
    """Reduce, convolve at five dilations, add them up one after the other, concatenate; figure 1.

    Args:
        in_channels: width of the input.
        out_channels: width of the output, 5 or more; the first dilation gets what a division by 5 leaves.
        stride: 2 to halve the size with the reducing convolution, which then is 3 x 3.
        residual: add the input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        width = out_channels // len(DILATIONS)
        first = out_channels - width * (len(DILATIONS) - 1)
        side = 1 if stride == 1 else 3
        self.reduce = nn.Conv2d(in_channels, width, side, stride=stride, padding=side // 2, bias=False)
        self.pyramid = nn.ModuleList(
            nn.Conv2d(width, out, kernel_size=3, padding=dilation, dilation=dilation, bias=False)
            for out, dilation in zip((first, *[width] * 4), DILATIONS, strict=True)
        )
        self.after = NormPReLU(out_channels, eps=NORM_EPS)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h / stride, w / stride)."""
        reduced_BDhw = self.reduce(features_BDhw)
        first_BDhw, *others = [conv(reduced_BDhw) for conv in self.pyramid]
        # The sums take away the grid that a single wide dilation shows; the first map stays by itself.
        merged_BDhw = torch.cat([first_BDhw, *accumulate(others)], dim=1)
        out: Tensor = self.after(features_BDhw + merged_BDhw if self.residual else merged_BDhw)
        return out


class Level(nn.Module):
    """ESP blocks at one stride: one that halves the size, others after it, both joined.

    Args:
        in_channels: width of the input.
        width: of each block; the output has twice as much.
        blocks: how many follow the first.
    """

    def __init__(self, in_channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.down = ESP(in_channels, width, stride=2)
        self.blocks = nn.Sequential(*(ESP(width, width, residual=True) for _ in range(blocks)))

    def forward(self, features_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, width, h / 2, w / 2) of the last block and of the first."""
        first_BDhw = self.down(features_BDhw)
        return self.blocks(first_BDhw), first_BDhw


class ESPEncoder(nn.Module):
    """ESPNet-C without its classes: strides 2, 4 and 8; figure 4c.

    Args:
        in_channels: C.
        p: blocks at stride 4.
        q: blocks at stride 8.
    """

    def __init__(self, in_channels: int, p: int, q: int) -> None:
        super().__init__()
        second, third = WIDTHS
        self.widths = (STEM_WIDTH, STEM_WIDTH + in_channels, 2 * second + in_channels, 2 * third)
        self.stem = ConvNormAct(in_channels, STEM_WIDTH, stride=2, activation=prelu, eps=NORM_EPS)
        self.join_1 = NormPReLU(self.widths[1], eps=NORM_EPS)
        self.level_2 = Level(self.widths[1], second, p)
        self.join_2 = NormPReLU(self.widths[2], eps=NORM_EPS)
        self.level_3 = Level(self.widths[2], third, q)
        self.join_3 = NormPReLU(self.widths[3], eps=NORM_EPS)

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return features of the `widths`, at strides 2 (first convolution), 2 (with the image), 4 and 8."""
        half_BCHW = halve(image_BCHW)
        stem_BDhw = self.stem(image_BCHW)
        joined_1 = self.join_1(torch.cat([stem_BDhw, half_BCHW], dim=1))
        joined_2 = self.join_2(torch.cat([*self.level_2(joined_1), halve(half_BCHW)], dim=1))
        last_BDhw, first_BDhw = self.level_3(joined_2)
        joined_3 = self.join_3(torch.cat([first_BDhw, last_BDhw], dim=1))
        return stem_BDhw, joined_1, joined_2, joined_3


class ESPDecoder(nn.Module):
    """Reduce, upsample, merge: class scores meet features of strides 4 and 2 on the way up; figure 4d.

    Args:
        coarse_channels: width of the features at stride 8.
        middle_channels: width of those at stride 4.
        fine_channels: width of those at stride 2.
        num_classes: K, the width of everything here, but at least 5.
    """

    def __init__(
        self, coarse_channels: int, middle_channels: int, fine_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        width = max(num_classes, len(DILATIONS))
        self.reduce_3 = nn.Conv2d(coarse_channels, width, kernel_size=1, bias=False)
        self.norm_3 = nn.BatchNorm2d(width, eps=NORM_EPS)
        self.up_3 = _doubling(width, width)
        self.reduce_2 = nn.Conv2d(middle_channels, width, kernel_size=1, bias=False)
        self.merge_2 = nn.Sequential(NormPReLU(2 * width, eps=NORM_EPS), ESP(2 * width, width))
        self.up_2 = nn.Sequential(_doubling(width, width), NormPReLU(width, eps=NORM_EPS))
        self.merge_1 = ConvNormAct(fine_channels + width, width, activation=prelu, eps=NORM_EPS)
        self.classify = _doubling(width, num_classes)

    def forward(self, coarse_BDhw: Tensor, middle_BDhw: Tensor, fine_BDhw: Tensor) -> Tensor:
        """Return (B, K, H, W) of features at strides 8, 4 and 2."""
        scores_BDhw = self.up_3(self.norm_3(self.reduce_3(coarse_BDhw)))
        scores_BDhw = self.merge_2(torch.cat([self.reduce_2(middle_BDhw), scores_BDhw], dim=1))
        scores_BDhw = self.merge_1(torch.cat([self.up_2(scores_BDhw), fine_BDhw], dim=1))
        logits_BKHW: Tensor = self.classify(scores_BDhw)
        return logits_BKHW


def _doubling(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2, bias=False)


class ESPNet(SegmentationModel):
    """ESP blocks to stride 8 and a decoder as wide as there are classes; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C.
        p: blocks at stride 4, 1 or more; 2 in the paper.
        q: blocks at stride 8, 1 or more; 8 in the paper's best, 3 and 5 in its smaller ones.
        decoder: what it joins at stride 2: "stem", the first convolution's features, or "image", these with
            the image beside them, normalised. "none" is ESPNet-C: no decoder, logits at stride 8.
    """

    def __init__(
        self, *, num_classes: int, in_channels: int = 3, p: int = 2, q: int = 8, decoder: Decoder = "stem"
    ) -> None:
        if min(p, q) < 1:
            raise RequestError(f"p = {p}, q = {q}: ESPNet has 1 block or more at either stride.")
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=8 if decoder == "none" else 1,
            multiple=8,
        )
        self.encoder = ESPEncoder(in_channels, p, q)
        stem, joined, middle, coarse = self.encoder.widths
        self.joins_image = decoder == "image"
        self.decoder: ESPDecoder | None = None
        if decoder == "none":
            self.classify = nn.Conv2d(coarse, num_classes, kernel_size=1, bias=False)
        else:
            self.decoder = ESPDecoder(coarse, middle, joined if self.joins_image else stem, num_classes)
        initialise(self)
        initialise_classifier(self.classify if self.decoder is None else self.decoder.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W), or (B, K, H / 8, W / 8) without a decoder."""
        stem_BDhw, joined_BDhw, middle_BDhw, coarse_BDhw = self.encoder(image_BCHW)
        if self.decoder is None:
            coarse_BKhw: Tensor = self.classify(coarse_BDhw)
            return coarse_BKhw
        fine_BDhw = joined_BDhw if self.joins_image else stem_BDhw
        logits_BKHW: Tensor = self.decoder(coarse_BDhw, middle_BDhw, fine_BDhw)
        return logits_BKHW
