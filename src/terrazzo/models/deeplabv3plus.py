"""DeepLabv3+ on any timm network.

Chen, Zhu, Papandreou, Schroff, Adam 2018, Encoder-Decoder with Atrous Separable Convolution for Semantic
Image Segmentation, section 3.1 and figure 2, https://arxiv.org/abs/1802.02611: DeepLabv3 at output stride 16,
then a decoder that brings in features of stride 4. 3x3 convolutions are depthwise separable, as in the
paper's Xception variant, its best, also on ResNets; `separable = "nowhere"` is the paper's ResNet variant.

segmentation_models_pytorch (MIT) has a convolution between the ASPP and the widening (`refine`), one instead
of two after it, and no norm inside separable convolutions; its weights load.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.aspp import ASPP, atrous_rates, conv3x3
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, resize_like

LOW_LEVEL_STRIDE = 4

Separable = Literal["everywhere", "decoder", "nowhere"]


class DeepLabV3Plus(SegmentationModel):
    """ASPP on the encoder's last level, widened and joined to the level of stride 4; logits at stride 4.

    Args:
        encoder: its last level and its first of stride 4 or more are used; the last one's stride decides
            the rates.
        num_classes: K.
        in_channels: C.
        channels: width of the ASPP and of the decoder; 256 in the paper (table 2).
        low_level_channels: width that the finer level is reduced to; 48 in the paper (table 1).
        decoder_convs: 3x3 convolutions after the two are joined; 2 in the paper (table 2).
        rates: dilations of the ASPP; None for the paper's at the encoder's stride.
        separable: where 3x3 convolutions are depthwise separable: in ASPP and decoder, in the decoder only,
            or nowhere.
        depthwise_norm: batch norm and ReLU also between the parts of a separable convolution, as in the
            paper's Xception.
        dropout: share of values dropped after the ASPP, 0..1; 0.1 as in the authors' code.
        refine: one more 3x3 convolution between the ASPP and the widening.
        align_corners: how features and logits are widened; True only for weights trained so.
    """

    norms_global_average = True

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int = 256,
        low_level_channels: int = 48,
        decoder_convs: int = 2,
        rates: tuple[int, ...] | None = None,
        separable: Separable = "everywhere",
        depthwise_norm: bool = True,
        dropout: float = 0.1,
        refine: bool = False,
        align_corners: bool = False,
    ) -> None:
        low_level = _low_level(encoder.strides)
        if decoder_convs < 1:
            raise RequestError(f"decoder_convs = {decoder_convs}: give 1 or more; the paper has 2.")
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.strides[low_level],
            multiple=encoder.strides[-1],
            align_corners=align_corners,
        )
        self.low_level = low_level
        self.encoder = encoder
        self.aspp = ASPP(
            encoder.channels[-1],
            channels,
            rates=atrous_rates(rates, encoder.strides[-1]),
            separable=separable == "everywhere",
            depthwise_norm=depthwise_norm,
            dropout=dropout,
        )
        conv = partial(conv3x3, separable=separable != "nowhere", depthwise_norm=depthwise_norm)
        self.refine = conv(channels, channels) if refine else nn.Identity()
        self.reduce = ConvNormAct(encoder.channels[low_level], low_level_channels, kernel_size=1)
        fan_ins = [channels + low_level_channels] + [channels] * (decoder_convs - 1)
        self.decoder = nn.Sequential(*(conv(fan_in, channels) for fan_in in fan_ins))
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        for part in (self.aspp, self.refine, self.reduce, self.decoder):
            initialise(part)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        levels = self.encoder(image_BCHW)
        low_BDhw = self.reduce(levels[self.low_level])
        high_BDhw = resize_like(
            self.refine(self.aspp(levels[-1])), low_BDhw, mode="bilinear", align_corners=self.align_corners
        )
        logits_BKhw: Tensor = self.classify(self.decoder(torch.cat([high_BDhw, low_BDhw], dim=1)))
        return logits_BKhw


def _low_level(strides: tuple[int, ...]) -> int:
    """Return the position of the first level of stride 4 or more.

    Raises:
        RequestError: it is the last one, so that there is nothing to widen.
    """
    position = next((i for i, stride in enumerate(strides) if stride >= LOW_LEVEL_STRIDE), len(strides) - 1)
    if strides[position] >= strides[-1]:
        raise RequestError(
            f"The encoder's strides are {', '.join(map(str, strides))}: DeepLabv3+ joins a level of stride "
            f"{LOW_LEVEL_STRIDE} to a coarser one. Choose an encoder that has both, such as resnet50."
        )
    return position
