"""MODULES: the modules of other libraries that `from_module` recognises, by library and class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[nn.Module], Translation]


def _smp_deeplabv3() -> "Translate":
    from terrazzo.models.foreign.modules.smp_atrous import translate_deeplabv3

    return translate_deeplabv3


def _smp_deeplabv3plus() -> "Translate":
    from terrazzo.models.foreign.modules.smp_atrous import translate_deeplabv3plus

    return translate_deeplabv3plus


def _smp_fpn() -> "Translate":
    from terrazzo.models.foreign.modules.smp_fpn import translate_fpn

    return translate_fpn


def _smp_linknet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_linknet import translate_linknet

    return translate_linknet


def _smp_pspnet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_atrous import translate_pspnet

    return translate_pspnet


def _smp_segformer() -> "Translate":
    from terrazzo.models.foreign.modules.smp_segformer import translate_segformer

    return translate_segformer


def _smp_unet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_unet import translate_unet

    return translate_unet


def _smp_unet_plus_plus() -> "Translate":
    from terrazzo.models.foreign.modules.smp_unet import translate_unet_plus_plus

    return translate_unet_plus_plus


def _smp_upernet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_upernet import translate_upernet

    return translate_upernet


def _torchvision_deeplabv3() -> "Translate":
    from terrazzo.models.foreign.modules.torchvision_deeplab import translate_deeplabv3

    return translate_deeplabv3


def _torchvision_fcn() -> "Translate":
    from terrazzo.models.foreign.modules.torchvision_fcn import translate_fcn

    return translate_fcn


def _transformers_dpt() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_dpt import translate_dpt

    return translate_dpt


def _transformers_eomt() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_eomt import translate_eomt

    return translate_eomt


def _transformers_segformer() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_segformer import translate_segformer

    return translate_segformer


def _transformers_upernet() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_upernet import translate_upernet

    return translate_upernet


MODULES: dict[str, "Callable[[], Translate]"] = {
    "segmentation_models_pytorch.DeepLabV3": _smp_deeplabv3,
    "segmentation_models_pytorch.DeepLabV3Plus": _smp_deeplabv3plus,
    "segmentation_models_pytorch.FPN": _smp_fpn,
    "segmentation_models_pytorch.Linknet": _smp_linknet,
    "segmentation_models_pytorch.PSPNet": _smp_pspnet,
    "segmentation_models_pytorch.Segformer": _smp_segformer,
    "segmentation_models_pytorch.UPerNet": _smp_upernet,
    "segmentation_models_pytorch.Unet": _smp_unet,
    "segmentation_models_pytorch.UnetPlusPlus": _smp_unet_plus_plus,
    "torchvision.DeepLabV3": _torchvision_deeplabv3,
    "torchvision.FCN": _torchvision_fcn,
    "transformers.DPTForSemanticSegmentation": _transformers_dpt,
    "transformers.EomtForUniversalSegmentation": _transformers_eomt,
    "transformers.SegformerForSemanticSegmentation": _transformers_segformer,
    "transformers.UperNetForSemanticSegmentation": _transformers_upernet,
}
"""`library.Class` -> a function that imports and returns the translating function."""
