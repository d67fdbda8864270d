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


def _smp_pspnet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_atrous import translate_pspnet

    return translate_pspnet


def _torchvision_deeplabv3() -> "Translate":
    from terrazzo.models.foreign.modules.torchvision_deeplab import translate_deeplabv3

    return translate_deeplabv3


MODULES: dict[str, "Callable[[], Translate]"] = {
    "segmentation_models_pytorch.DeepLabV3": _smp_deeplabv3,
    "segmentation_models_pytorch.DeepLabV3Plus": _smp_deeplabv3plus,
    "segmentation_models_pytorch.PSPNet": _smp_pspnet,
    "torchvision.DeepLabV3": _torchvision_deeplabv3,
}
"""`library.Class` -> a function that imports and returns the translating function."""
