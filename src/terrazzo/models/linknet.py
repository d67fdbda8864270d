"""LinkNet with any timm network as its encoder.

Chaurasia, Culurciello 2017, LinkNet: Exploiting Encoder Representations for Efficient Semantic Segmentation,
https://arxiv.org/abs/1707.03718, section 3, figures 1 to 3 and table 1, and the authors' code. The input of
every encoder block is added to the output of its decoder block; the first one's is the pooled stem, here the
encoder's map at stride 2 pooled as in a ResNet (without one, as in ConvNeXt, that link is missing).
Transposed convolutions before batch norm have no bias.

`decoder="smp"` is what segmentation_models_pytorch calls Linknet: transposed convolutions of 4x4 with a bias,
the stem linked before it is pooled, and a further decoder block in place of the paper's final block.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier

Decoder = Literal["paper", "smp"]

NARROWING = 4
"""The transposed convolution works on a quarter of the channels (table 1)."""

FINAL_WIDTH = 32
"""Before the classes (figure 1)."""

FINAL_STRIDE = 4
"""Where the paper's final block starts."""


class UpConv(nn.Sequential):
    """Transposed convolution, batch norm, ReLU; `factor` times the size.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        factor: 1 for the same size.
        kernel_size: 3, or 4 for a factor of 2.
        bias: of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, factor: int, kernel_size: int, bias: bool
    ) -> None:
        conv = nn.ConvTranspose2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=factor,
            padding=1,
            output_padding=factor + 2 - kernel_size,
            bias=bias,
        )
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class LinkBlock(nn.Sequential):
    """Decoder block: Conv1x1 to a quarter of the channels, transposed convolution, Conv1x1 (figure 3).

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        factor: how much larger the output is.
        decoder: whose transposed convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, factor: int, decoder: Decoder) -> None:
        middle = in_channels // NARROWING
        kernel_size, bias = (3, False) if decoder == "paper" else (4, True)
        super().__init__(
            ConvNormAct(in_channels, middle, kernel_size=1),
            UpConv(middle, middle, factor=factor, kernel_size=kernel_size, bias=bias),
            ConvNormAct(middle, out_channels, kernel_size=1),
        )


class FinalBlock(nn.Sequential):
    """The paper's last layers: from stride 4 to full size in two steps (figure 1).

    Args:
        in_channels: width of the decoder's output.
        num_classes: K.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        classify = nn.ConvTranspose2d(FINAL_WIDTH, num_classes, kernel_size=2, stride=2)
        super().__init__(
            UpConv(in_channels, FINAL_WIDTH, factor=2, kernel_size=3, bias=False),
            ConvNormAct(FINAL_WIDTH, FINAL_WIDTH),
            classify,
        )
        initialise(self)
        initialise_classifier(classify)


class LinkNet(SegmentationModel):
    """Decoder blocks with links from the encoder; logits at stride 1.

    Args:
        encoder: resnet18 in the paper.
        num_classes: K.
        in_channels: C.
        decoder: "paper", or "smp" for weights of segmentation_models_pytorch.
    """

    def __init__(
        self, encoder: Encoder, *, num_classes: int, in_channels: int = 3, decoder: Decoder = "paper"
    ) -> None:
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, stride=1, multiple=encoder.strides[-1]
        )
        self.encoder = encoder
        self.finest = encoder.strides.index(FINAL_STRIDE) if decoder == "paper" else 0
        plan = _paper_blocks if decoder == "paper" else _smp_blocks
        widths, factors = plan(encoder.channels, encoder.strides)
        self.decoder = nn.ModuleList(
            LinkBlock(fan_in, width, factor=factor, decoder=decoder)
            for (fan_in, width), factor in zip(pairwise(widths), factors, strict=True)
        )
        initialise(self.decoder)
        self.classify: nn.Module
        if decoder == "paper":
            self.classify = FinalBlock(widths[-1], num_classes)
        else:
            self.classify = nn.Conv2d(FINAL_WIDTH, num_classes, kernel_size=1)
            initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        links = self._links(self.encoder(image_BCHW))
        features_BDhw = links.pop()
        for block in self.decoder:
            features_BDhw = block(features_BDhw)
            if links:
                features_BDhw = features_BDhw + links.pop()
        logits_BKHW: Tensor = self.classify(features_BDhw)
        return logits_BKHW

    def _links(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the inputs of the encoder's blocks and its output, finest first; these are linked."""
        if not self.finest:
            return levels
        stem_BDhw = F.max_pool2d(levels[self.finest - 1], kernel_size=3, stride=2, padding=1)
        return [stem_BDhw, *levels[self.finest :]]


def _paper_blocks(channels: Sequence[int], strides: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the widths, coarsest first, and how much each block widens; the last keeps the size."""
    finest = strides.index(FINAL_STRIDE)
    widths = [*channels[finest:][::-1], channels[max(finest - 1, 0)]]
    factors = [coarse // fine for fine, coarse in pairwise(strides[finest:])]
    return widths, [*factors[::-1], 1]


def _smp_blocks(channels: Sequence[int], strides: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the same for blocks down to stride 1, of a factor of 2 each."""
    if any(coarse != 2 * fine for fine, coarse in pairwise(strides)) or strides[0] == 1:
        raise RequestError(
            f"decoder = 'smp' doubles the size in every block; the encoder's strides are "
            f"{', '.join(map(str, strides))}. Choose an encoder whose strides double from 2 or 4, "
            "or decoder = 'paper'."
        )
    doublings = strides[0].bit_length() - 1
    widths = [*channels[::-1], *[channels[0]] * (doublings - 1), FINAL_WIDTH]
    return widths, [2] * (len(widths) - 1)
