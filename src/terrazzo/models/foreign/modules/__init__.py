"""MODULES: the modules of other libraries that `from_module` recognises, by library and class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[nn.Module], Translation]


def _transformers_eomt() -> "Translate":
    from terrazzo.models.foreign.modules.transformers_eomt import translate_eomt

    return translate_eomt


MODULES: dict[str, "Callable[[], Translate]"] = {
    "transformers.EomtForUniversalSegmentation": _transformers_eomt,
}
"""`library.Class` -> a function that imports and returns the translating function."""
