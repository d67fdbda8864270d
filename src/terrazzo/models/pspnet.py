"""PSPNet on any timm network.

Zhao, Shi, Qi, Wang, Jia 2017, Pyramid Scene Parsing Network, sections 3.2 and 3.3 and figures 3 and 4,
https://arxiv.org/abs/1612.01105: a dilated encoder, pyramid pooling, one 3x3 convolution, the classes; deep
supervision from the stage before the last. What the paper leaves open is as in the authors' repository
https://github.com/hszhao/semseg: widths, dropout. Ours is the widening with align_corners=False, and an
encoder with timm's plain stem, and dilation; the authors' own is `encoder="resnet101s"` with
`encoder_options={"dilate_first": True}`.

`kernel_sizes`, `norm`, `norm_single` and `align_corners` serve weights of segmentation_models_pytorch (MIT).

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import (
    ConvAct,
    ConvNormAct,
    FCNHead,
    PyramidPooling,
    initialise,
    initialise_classifier,
)

AUXILIARY_WEIGHT = 0.4
"""Section 3.3."""


class PSPNet(SegmentationModel):
    """Pyramid pooling on the encoder's last level; logits at that level's stride, 8 unless asked otherwise.

    Args:
        encoder: its last level is pooled, the one before has the auxiliary head.
        num_classes: K.
        in_channels: C.
        channels: width after the pyramid; 512 as in the authors' code.
        bins: pooled sizes; figure 3.
        kernel_sizes: of the convolution after the pyramid, and of the classes.
        dropout: share of feature maps dropped before the classes, 0..1; 0.1 as in the authors' code.
        auxiliary: a second head on the level before the last, for training.
        norm: batch norm on the pyramid and after it; without it convolutions have a bias.
        norm_single: batch norm on the 1 x 1 scale too, as in the authors' code; training then needs two
            images per batch.
        align_corners: how scales and logits are widened; True only for weights trained so.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        channels: int = 512,
        bins: tuple[int, ...] = (1, 2, 3, 6),
        kernel_sizes: tuple[int, int] = (3, 1),
        dropout: float = 0.1,
        auxiliary: bool = True,
        norm: bool = True,
        norm_single: bool = True,
        align_corners: bool = False,
    ) -> None:
        width = encoder.channels[-1]
        _check(bins, width, kernel_sizes)
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.strides[-1],
            multiple=encoder.strides[-1],
            align_corners=align_corners,
        )
        self.norms_global_average = norm and norm_single and 1 in bins
        self.auxiliary_stride = encoder.strides[-2]
        self.encoder = encoder
        self.pyramid = PyramidPooling(
            width,
            width // len(bins),
            bins=bins,
            align_corners=align_corners,
            norm_single=norm_single,
            norm=norm,
        )
        conv = ConvNormAct if norm else ConvAct
        self.fuse = conv(width + width // len(bins) * len(bins), channels, kernel_size=kernel_sizes[0])
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(channels, num_classes, kernel_sizes[1], padding=kernel_sizes[1] // 2)
        self.auxiliary = FCNHead(encoder.channels[-2], num_classes, dropout=dropout) if auxiliary else None
        initialise(self.pyramid)
        initialise(self.fuse)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8), and the auxiliary head's where there is one."""
        *_, middle_BDhw, last_BDhw = self.encoder(image_BCHW)
        logits_BKhw: Tensor = self.classify(self.dropout(self.fuse(self.pyramid(last_BDhw))))
        if self.auxiliary is None or not self.training:
            return logits_BKhw
        head = Auxiliary(
            self.auxiliary(middle_BDhw), self.auxiliary_stride, AUXILIARY_WEIGHT, self.align_corners
        )
        return Outputs(logits_BKhw, auxiliary=(head,))


def _check(bins: tuple[int, ...], width: int, kernel_sizes: tuple[int, int]) -> None:
    if not bins or min(bins) < 1 or len(bins) > width:
        raise RequestError(
            f"bins = {list(bins)}: give the pooled sizes, at least one, each from 1 on, and no more of them "
            f"than the encoder's {width} channels."
        )
    if any(size < 1 or size % 2 == 0 for size in kernel_sizes):
        raise RequestError(f"kernel_sizes = {list(kernel_sizes)}: give odd sizes, such as 3 and 1.")
