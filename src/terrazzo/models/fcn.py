"""FCN as it is used today: a plain head on a dilated network.

Long, Shelhamer, Darrell 2015, Fully Convolutional Networks for Semantic Segmentation,
https://arxiv.org/abs/1411.4038: classes from the last map by convolutions alone (section 3.1). The form is
torchvision's: a residual network whose last two stages are dilated instead of strided, and on it
Conv3x3-BN-ReLU, dropout, Conv1x1. The network as published, on VGG16 with skips, is `fcn-vgg16`.

A second head on the last stage but one is trained along, with the weight 0.5 of torchvision's reference
training; 0.4 is the weight in PSPNet, where such a head comes from (Zhao et al. 2017, section 3.3). The 2015
paper has no such head.

Weights of torchvision's FCN (code BSD-3-Clause) can be taken over: `terrazzo.models.foreign.from_module`.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from torch import Tensor

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import FCNHead

AUXILIARY_WEIGHT = 0.5
"""As in torchvision's reference training."""


class FCN(SegmentationModel):
    """A head on the encoder's last level; logits at the encoder's last stride, 8 unless asked otherwise.

    Args:
        encoder: gives the levels; the last two are used.
        num_classes: K.
        in_channels: C.
        channels: width of the head; None for a quarter of the encoder's, as in torchvision.
        dropout: share of values dropped before the classes, 0..1.
        auxiliary: train a second head on the last level but one along.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int | None = None,
        dropout: float = 0.1,
        auxiliary: bool = True,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.strides[-1],
            multiple=encoder.strides[-1],
        )
        self.encoder = encoder
        self.head = FCNHead(encoder.channels[-1], num_classes, channels=channels, dropout=dropout)
        self.auxiliary_head = (
            FCNHead(encoder.channels[-2], num_classes, dropout=dropout) if auxiliary else None
        )

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / stride, W / stride), in training with the second head's beside it."""
        *_, before_BDhw, features_BDhw = self.encoder(image_BCHW)
        logits_BKhw: Tensor = self.head(features_BDhw)
        if self.auxiliary_head is None or not self.training:
            return logits_BKhw
        second = Auxiliary(self.auxiliary_head(before_BDhw), self.encoder.strides[-2], AUXILIARY_WEIGHT)
        return Outputs(logits_BKhw, auxiliary=(second,))
