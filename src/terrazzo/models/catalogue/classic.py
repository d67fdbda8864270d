"""The classic networks: fully convolutional, encoder-decoder, context at several scales."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _fcdensenet() -> "Network":
    from terrazzo.models.fcdensenet import FCDenseNet

    return FCDenseNet


def _fcn() -> "Network":
    from terrazzo.models.fcn import FCN

    return FCN


def _fcn_vgg16() -> "Network":
    from terrazzo.models.fcn_vgg16 import FCNVGG16

    return FCNVGG16


def _fpn() -> "Network":
    from terrazzo.models.fpn import FPN

    return FPN


def _segnet() -> "Network":
    from terrazzo.models.segnet import SegNet

    return SegNet


def _unet() -> "Network":
    from terrazzo.models.unet import UNet

    return UNet


def _unet_residual() -> "Network":
    from terrazzo.models.unet_residual import UNetResidual

    return UNetResidual


def _unet_timm() -> "Network":
    from terrazzo.models.unet_timm import UNetTimm

    return UNetTimm


_FCN_PAPER = (
    "Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, "
    "https://arxiv.org/abs/1411.4038"
)

_UNET_PAPER = (
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, "
    "https://arxiv.org/abs/1505.04597"
)

CLASSIC: dict[str, Architecture] = {
    "fcdensenet": Architecture(
        title="FC-DenseNet (Tiramisu): dense blocks down and up, from scratch",
        paper=(
            "Jegou, Drozdzal, Vazquez, Romero, Bengio: The One Hundred Layers Tiramisu, "
            "https://arxiv.org/abs/1611.09326"
        ),
        year=2017,
        load=_fcdensenet,
    ),
    "fcn": Architecture(
        title="FCN: a plain head on a dilated network, with an auxiliary one in training",
        paper=_FCN_PAPER,
        year=2015,
        load=_fcn,
        encoder="resnet50",
        encoder_options={"output_stride": 8},
    ),
    "fcn-vgg16": Architecture(
        title="FCN-32s, FCN-16s and FCN-8s on VGG16, as published",
        paper=_FCN_PAPER,
        year=2015,
        load=_fcn_vgg16,
        encoder="vgg16",
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
    "segnet": Architecture(
        title="SegNet: VGG16 and its mirror image, unpooled to where the maxima were",
        paper=(
            "Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture "
            "for Image Segmentation, https://arxiv.org/abs/1511.00561"
        ),
        year=2017,
        load=_segnet,
        encoder="vgg16_bn",
    ),
    "unet": Architecture(
        title="U-Net as it is taught: two convolutions per level, padded, with batch norm",
        paper=_UNET_PAPER,
        year=2015,
        load=_unet,
    ),
    "unet-residual": Architecture(
        title="U-Net, the self-driving variant: transposed convolutions, residual blocks on request",
        paper=(
            "none; the nearest is Iglovikov, Shvets: TernausNet: U-Net with VGG11 Encoder Pre-Trained on "
            "ImageNet for Image Segmentation, https://arxiv.org/abs/1801.05746"
        ),
        year=2018,
        load=_unet_residual,
        encoder="resnext50_32x4d",
    ),
    "unet-timm": Architecture(
        title="U-Net decoder on any timm encoder",
        paper=_UNET_PAPER,
        year=2015,
        load=_unet_timm,
        encoder="resnet18",
    ),
}
