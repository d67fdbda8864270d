"""MODULES: the modules of other libraries that `from_module` recognises, by library and class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[nn.Module], Translation]


def _transformers_dpt() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_dpt import translate_dpt

    return translate_dpt


MODULES: dict[str, "Callable[[], Translate]"] = {
    "transformers.DPTForSemanticSegmentation": _transformers_dpt,
}
"""`library.Class` -> a function that imports and returns the translating function."""
