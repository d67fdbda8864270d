"""The classic networks: fully convolutional, encoder-decoder, context at several scales."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _enet() -> "Network":
    from terrazzo.models.enet import ENet

    return ENet


def _erfnet() -> "Network":
    from terrazzo.models.erfnet import ERFNet

    return ERFNet


def _fpn() -> "Network":
    from terrazzo.models.fpn import FPN

    return FPN


def _unet() -> "Network":
    from terrazzo.models.unet import UNet

    return UNet


def _unet_timm() -> "Network":
    from terrazzo.models.unet_timm import UNetTimm

    return UNetTimm


_UNET_PAPER = (
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, "
    "https://arxiv.org/abs/1505.04597"
)

CLASSIC: dict[str, Architecture] = {
    "enet": Architecture(
        title="ENet: dilated and asymmetric bottlenecks, a small decoder that unpools",
        paper=(
            "Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time "
            "Semantic Segmentation, https://arxiv.org/abs/1606.02147"
        ),
        year=2016,
        load=_enet,
    ),
    "erfnet": Architecture(
        title="ERFNet: residual blocks of 3 x 1 and 1 x 3 convolutions",
        paper=(
            "Romera, Alvarez, Bergasa, Arroyo: ERFNet: Efficient Residual Factorized ConvNet for Real-Time "
            "Semantic Segmentation, https://doi.org/10.1109/TITS.2017.2750080"
        ),
        year=2018,
        load=_erfnet,
    ),
    "fpn": Architecture(
        title="Semantic FPN: a feature pyramid, one branch per level, summed",
        paper=(
            "Kirillov, Girshick, He, Dollar: Panoptic Feature Pyramid Networks, section 4.1, "
            "https://arxiv.org/abs/1901.02446"
        ),
        year=2019,
        load=_fpn,
        encoder="resnet50",
    ),
    "unet": Architecture(
        title="U-Net as it is taught: two convolutions per level, padded, with batch norm",
        paper=_UNET_PAPER,
        year=2015,
        load=_unet,
    ),
    "unet-timm": Architecture(
        title="U-Net decoder on any timm encoder",
        paper=_UNET_PAPER,
        year=2015,
        load=_unet_timm,
        encoder="resnet18",
    ),
}
