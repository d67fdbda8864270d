"""ENet: an early stride, dilated and asymmetric bottlenecks, and a small decoder that unpools.

Paszke, Chaurasia, Kim, Culurciello 2016, ENet: A Deep Neural Network Architecture for Real-Time Semantic
Segmentation, sections 3 and 4, table 1 and figure 2, https://arxiv.org/abs/1606.02147.

As the best-known PyTorch implementation has it (davidtvs/PyTorch-ENet, MIT) where that differs from the
paper or from the authors' own code: the first block pools 3 x 3 windows, not 2 x 2; down- and upsampling
blocks are a quarter as wide inside as their input, not as their output; the last full convolution is 3 x 3.
Its weights of 2018 and later also need what is an option here: `window`, `decoder_activation` and
`activate_expansion`. The authors train the encoder first and the decoder on top; here both learn at once.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.enet_blocks import (
    ASYMMETRIC,
    FIRST_FILTERS,
    Bottleneck,
    Down,
    Initial,
    Style,
    Up,
    doubling,
)
from terrazzo.models.layers import initialise, initialise_classifier, prelu, relu

WIDTHS = (64, 128)
"""After the first and after the second downsampling; table 1."""

FIRST_STAGE = (1, 1, 1, 1)
MIDDLE_STAGE = (1, 2, ASYMMETRIC, 4, 1, 8, ASYMMETRIC, 16)
"""Stages 2 and 3 of table 1, but for the downsampling."""


class ENet(SegmentationModel):
    """Encoder to stride 8, decoder with two unpoolings and a full convolution; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C, up to 51: the first block passes all of them on, within the 64 maps of stage 1.
        dropout: share of feature maps dropped in stage 1, and after it; section 4.
        decoder_activation: "relu" as in the authors' own code, or "prelu", as everywhere in the encoder.
        window: side of the windows that downsampling pools, pixels: 2 as in the paper, or 3, overlapping.
        activate_expansion: an activation also after the last convolution of every branch.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        dropout: tuple[float, float] = (0.01, 0.1),
        decoder_activation: Literal["relu", "prelu"] = "relu",
        window: Literal[2, 3] = 2,
        activate_expansion: bool = False,
    ) -> None:
        first, (second, third) = FIRST_FILTERS + in_channels, WIDTHS
        if first > second:
            raise RequestError(
                f"in_channels = {in_channels}: ENet takes up to {second - FIRST_FILTERS} channels. "
                "Reduce the channels before, or choose an architecture with an encoder of timm."
            )
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=1, multiple=8)
        early = Style(prelu, activate_expansion, dropout[0])
        late = replace(early, dropout=dropout[1])
        decoding = replace(late, activation=relu if decoder_activation == "relu" else prelu)
        self.initial = Initial(in_channels)
        self.down_1 = Down(first, second, window=window, style=early)
        self.stage_1 = _stage(second, FIRST_STAGE, early)
        self.down_2 = Down(second, third, window=window, style=late)
        self.stage_2 = _stage(third, MIDDLE_STAGE, late)
        self.stage_3 = _stage(third, MIDDLE_STAGE, late)
        self.up_4 = Up(third, second, window=window, style=decoding)
        self.stage_4 = _stage(second, (1, 1), decoding)
        self.up_5 = Up(second, first, window=window, style=decoding)
        self.stage_5 = _stage(first, (1,), decoding)
        self.classify = doubling(first, num_classes)
        initialise(self)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        features_BDhw, first_indices = self.down_1(self.initial(image_BCHW))
        features_BDhw, second_indices = self.down_2(self.stage_1(features_BDhw))
        features_BDhw = self.stage_3(self.stage_2(features_BDhw))
        features_BDhw = self.stage_4(self.up_4(features_BDhw, second_indices))
        features_BDhw = self.stage_5(self.up_5(features_BDhw, first_indices))
        logits_BKHW: Tensor = self.classify(features_BDhw)
        return logits_BKHW


def _stage(channels: int, dilations: tuple[int, ...], style: Style) -> nn.Sequential:
    return nn.Sequential(*(Bottleneck(channels, dilation, style=style) for dilation in dilations))
