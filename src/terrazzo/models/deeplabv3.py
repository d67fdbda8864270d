"""DeepLabv3 on any timm network.

Chen, Papandreou, Schroff, Adam 2017, Rethinking Atrous Convolution for Semantic Image Segmentation, section
3.3 and figure 5, https://arxiv.org/abs/1706.05587: a dilated encoder, ASPP with the image's average, the
classes. The encoder's `output_stride` is 16, as the paper trains; 8, as it evaluates, makes the maps of the
last two stages four times as large. The rates follow it. Not as in the paper: no multi-grid (section 3.2.1),
which timm's ResNets do not have.

torchvision (BSD-3-Clause) and segmentation_models_pytorch (MIT) put one more 3x3 convolution before the
classes (`refine`), and torchvision trains with an auxiliary head on the stage before the last (`auxiliary`);
weights of both libraries load.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from torch import Tensor, nn

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.aspp import ASPP, atrous_rates
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, FCNHead, initialise, initialise_classifier

AUXILIARY_WEIGHT = 0.5
"""torchvision's references/segmentation/train.py; the paper has no such head."""


class DeepLabV3(SegmentationModel):
    """ASPP on the encoder's last level; logits at that level's stride, 16 unless asked otherwise.

    Args:
        encoder: its last level is used; its stride decides the rates.
        num_classes: K.
        in_channels: C.
        channels: width of the ASPP and after it; 256 in the paper.
        rates: dilations of the ASPP; None for the paper's at the encoder's stride.
        separable: depthwise separable 3x3 convolutions in the ASPP.
        depthwise_norm: batch norm and ReLU also between the parts of a separable convolution.
        dropout: share of values dropped after the ASPP, 0..1; 0.1 as in the authors' code.
        refine: one more 3x3 convolution before the classes.
        auxiliary: a second head on the level before the last, for training.
        align_corners: how logits are widened; True only for weights trained so.
    """

    norms_global_average = True

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int = 256,
        rates: tuple[int, ...] | None = None,
        separable: bool = False,
        depthwise_norm: bool = True,
        dropout: float = 0.1,
        refine: bool = False,
        auxiliary: bool = False,
        align_corners: bool = False,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.strides[-1],
            multiple=encoder.strides[-1],
            align_corners=align_corners,
        )
        self.auxiliary_stride = encoder.strides[-2]
        self.encoder = encoder
        self.aspp = ASPP(
            encoder.channels[-1],
            channels,
            rates=atrous_rates(rates, encoder.strides[-1]),
            separable=separable,
            depthwise_norm=depthwise_norm,
            dropout=dropout,
        )
        self.refine = ConvNormAct(channels, channels) if refine else nn.Identity()
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.auxiliary = FCNHead(encoder.channels[-2], num_classes) if auxiliary else None
        initialise(self.aspp)
        initialise(self.refine)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 16, W / 16), and the auxiliary head's where there is one."""
        *_, middle_BDhw, last_BDhw = self.encoder(image_BCHW)
        logits_BKhw: Tensor = self.classify(self.refine(self.aspp(last_BDhw)))
        if self.auxiliary is None or not self.training:
            return logits_BKhw
        head = Auxiliary(
            self.auxiliary(middle_BDhw), self.auxiliary_stride, AUXILIARY_WEIGHT, self.align_corners
        )
        return Outputs(logits_BKhw, auxiliary=(head,))
