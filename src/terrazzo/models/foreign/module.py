"""A live module of another library -> our network with its weights."""

from dataclasses import replace
from typing import Any

from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign.modules import MODULES
from terrazzo.models.foreign.translation import assemble


def from_module(
    module: nn.Module, *, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
) -> SegmentationModel:
    """Return our network with the architecture, the encoder and the weights of a foreign module.

    Args:
        module: of torchvision, segmentation_models_pytorch or transformers; see MODULES for which. It stays
            as it is.
        mean: per channel, in pixel units (0..255 for uint8 images), that its images were normalised with;
            None for those of the library's own image processor: ImageNet's but for DPT.
        std: likewise.

    Returns:
        On the CPU, in eval mode. It takes raw images, where the other one takes normalised ones.

    Raises:
        RequestError: a module that is not covered, or weights that do not fit; every key is named.
    """
    translate = MODULES[_name(module)]()
    translation = translate(module)
    statistics: dict[str, Any] = {"mean": mean, "std": std}
    given = {key: value for key, value in statistics.items() if value is not None}
    return assemble(replace(translation, arguments=translation.arguments | given))


def _name(module: nn.Module) -> str:
    """Return the module's name in MODULES, by its class or the classes it inherits from."""
    for kind in type(module).__mro__:
        name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        if name in MODULES:
            return name
    given = f"{type(module).__module__}.{type(module).__qualname__}"
    refuse_unknown(given)
    return given


def refuse_unknown(name: str) -> None:
    """Raise RequestError where a `library.Class` is not in MODULES."""
    if name not in MODULES:
        raise RequestError(
            f"No translation for a {name}; there is one for: {', '.join(sorted(MODULES))}. "
            "Weights in the layout of an original repository are read by from_file."
        )
