"""MODULES: the modules of other libraries that `from_module` recognises, by library and class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[nn.Module], Translation]


def _smp_segformer() -> "Translate":
    from terrazzo.models.foreign.modules.smp_segformer import translate_segformer

    return translate_segformer


def _smp_upernet() -> "Translate":
    from terrazzo.models.foreign.modules.smp_upernet import translate_upernet

    return translate_upernet


def _transformers_segformer() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_segformer import translate_segformer

    return translate_segformer


def _transformers_upernet() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_upernet import translate_upernet

    return translate_upernet


MODULES: dict[str, "Callable[[], Translate]"] = {
    "segmentation_models_pytorch.Segformer": _smp_segformer,
    "segmentation_models_pytorch.UPerNet": _smp_upernet,
    "transformers.SegformerForSemanticSegmentation": _transformers_segformer,
    "transformers.UperNetForSemanticSegmentation": _transformers_upernet,
}
"""`library.Class` -> a function that imports and returns the translating function."""
