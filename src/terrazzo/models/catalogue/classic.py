"""The classic networks: fully convolutional, encoder-decoder, context at several scales."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    from terrazzo.models.catalogue.entry import Network


def _deeplabv3() -> "Network":
    from terrazzo.models.deeplabv3 import DeepLabV3

    return DeepLabV3


def _deeplabv3plus() -> "Network":
    from terrazzo.models.deeplabv3plus import DeepLabV3Plus

    return DeepLabV3Plus


def _enet() -> "Network":
    from terrazzo.models.enet import ENet

    return ENet


def _erfnet() -> "Network":
    from terrazzo.models.erfnet import ERFNet

    return ERFNet


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


def _linknet() -> "Network":
    from terrazzo.models.linknet import LinkNet

    return LinkNet


def _pspnet() -> "Network":
    from terrazzo.models.pspnet import PSPNet

    return PSPNet


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


def _unetplusplus() -> "Network":
    from terrazzo.models.unetplusplus import UNetPlusPlus

    return UNetPlusPlus


def _upernet() -> "Network":
    from terrazzo.models.upernet import UPerNet

    return UPerNet


def _vnet() -> "Network":
    from terrazzo.models.vnet import VNet

    return VNet


_FCN_PAPER = (
    "Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, "
    "https://arxiv.org/abs/1411.4038"
)

_UNET_PAPER = (
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, "
    "https://arxiv.org/abs/1505.04597"
)

CLASSIC: dict[str, Architecture] = {
    "deeplabv3": Architecture(
        title="DeepLabv3: dilated encoder, convolutions of several dilations side by side (ASPP)",
        paper=(
            "Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, "
            "https://arxiv.org/abs/1706.05587"
        ),
        year=2017,
        load=_deeplabv3,
        encoder="resnet50",
        encoder_options={"output_stride": 16},
    ),
    "deeplabv3plus": Architecture(
        title="DeepLabv3+: DeepLabv3 with a small decoder that brings in finer features",
        paper=(
            "Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for "
            "Semantic Image Segmentation, https://arxiv.org/abs/1802.02611"
        ),
        year=2018,
        load=_deeplabv3plus,
        encoder="resnet50",
        encoder_options={"output_stride": 16},
    ),
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
    "linknet": Architecture(
        title="LinkNet: narrow decoder blocks, the encoder's features added to them",
        paper=(
            "Chaurasia, Culurciello: LinkNet: Exploiting Encoder Representations for Efficient Semantic "
            "Segmentation, https://arxiv.org/abs/1707.03718"
        ),
        year=2017,
        load=_linknet,
        encoder="resnet18",
    ),
    "pspnet": Architecture(
        title="PSPNet: dilated encoder, context pooled at four scales",
        paper=("Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network, https://arxiv.org/abs/1612.01105"),
        year=2017,
        load=_pspnet,
        encoder="resnet50",
        encoder_options={"output_stride": 8},
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
    "unetplusplus": Architecture(
        title="U-Net++: nested, dense skips and deep supervision on any timm encoder",
        paper=(
            "Zhou, Siddiquee, Tajbakhsh, Liang: UNet++: A Nested U-Net Architecture for Medical Image "
            "Segmentation, https://arxiv.org/abs/1807.10165"
        ),
        year=2018,
        load=_unetplusplus,
        encoder="resnet18",
    ),
    # ConvNeXt-T rather than the paper's ResNet-50: new backbones are published with this decoder (this one in
    # the ConvNeXt paper, table 4), and it takes any image size, unlike those with windows of attention.
    "upernet": Architecture(
        title="UPerNet: pyramid pooling, a feature pyramid, and the fusion of its levels",
        paper=(
            "Xiao, Liu, Zhou, Jiang, Sun: Unified Perceptual Parsing for Scene Understanding, "
            "https://arxiv.org/abs/1807.10221"
        ),
        year=2018,
        load=_upernet,
        encoder="convnext_tiny",
    ),
    "vnet": Architecture(
        title="V-Net: residual stages of large convolutions, for volumes or images",
        paper=(
            "Milletari, Navab, Ahmadi: V-Net: Fully Convolutional Neural Networks for Volumetric Medical "
            "Image Segmentation, https://arxiv.org/abs/1606.04797"
        ),
        year=2016,
        load=_vnet,
    ),
}
