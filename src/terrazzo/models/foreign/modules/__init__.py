"""MODULES: the modules of other libraries that `from_module` recognises, by library and class."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[nn.Module], Translation]


def _torchvision_fcn() -> "Translate":
    from terrazzo.models.foreign.modules.torchvision_fcn import translate_fcn

    return translate_fcn


MODULES: dict[str, "Callable[[], Translate]"] = {
    "torchvision.FCN": _torchvision_fcn,
}
"""`library.Class` -> a function that imports and returns the translating function."""
