"""A state dict on disk, in the layout of an original repository -> our network with its weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign.layouts import LAYOUTS
from terrazzo.models.foreign.translation import Translation, assemble

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net")
_PREFIXES = ("module.", "model.")


def from_file(
    path: str | Path,
    *,
    layout: str,
    num_classes: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    bgr: bool | None = None,
    void_outputs: tuple[int, ...] | None = None,
) -> SegmentationModel:
    """Return our network with the weights of a file, which are never unpickled freely.

    Args:
        path: a .safetensors file, or a .pth that `torch.load(weights_only=True)` accepts: a state dict, or a
            dict that holds one.
        layout: whose names the tensors have, one of LAYOUTS; the architecture is read off their shapes.
        num_classes: K, void not counted. Outputs beyond it mean void and are left out; None for all outputs.
        mean: per channel of the image, pixel units; None for what the repository's own code subtracts.
        std: likewise, what it divides by.
        bgr: the weights want blue first; None for what the repository's code does.
        void_outputs: the outputs that mean void, if they are not the last ones.

    Returns:
        On the CPU, in eval mode.

    Raises:
        RequestError: an unknown layout, an unreadable file, or weights that do not fit; every key is named.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    translation = LAYOUTS[layout].load()(read_state(Path(path)))
    outputs = int(translation.arguments["num_classes"])
    void = _void_outputs(outputs, num_classes, void_outputs)
    changes: dict[str, Any] = {"mean": mean, "std": std, "bgr": bgr, "void_outputs": void or None}
    given = {key: value for key, value in changes.items() if value is not None}
    arguments = translation.arguments | given | {"num_classes": outputs - len(void)}
    return assemble(_named(replace(translation, arguments=arguments), path))


def _named(translation: Translation, path: str | Path) -> Translation:
    return replace(translation, source=f"{translation.source} in {path}")


def _void_outputs(
    outputs: int, num_classes: int | None, void_outputs: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Return which outputs are void: those given, or the last ones beyond the classes."""
    classes = num_classes if num_classes is not None else outputs - len(void_outputs or ())
    void = tuple(range(classes, outputs)) if void_outputs is None else void_outputs
    if outputs - len(void) != classes:
        raise RequestError(
            f"The weights have {outputs} outputs, and {classes} classes were asked for"
            + (f" beside the void outputs {list(void)}" if void_outputs is not None else "")
            + ". Give the number of classes that the weights were trained for, without void."
        )
    return void


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, freed of wrappers and of prefixes that all names share.

    Raises:
        RequestError: no such file, or it holds no state dict, or more than tensors.
    """
    if not path.is_file():
        raise RequestError(f"{path}: no such file. Give the path of a .pth or .safetensors file.")
    try:
        content: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # bytes that are no weights raise anything: struct.error, IndexError, ...
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        raise RequestError(
            f"{path} is not a file of weights that can be read safely ({reason}). "
            "Expected a .safetensors file or a .pth that holds tensors only; save the state dict alone "
            "with torch.save(model.state_dict(), FILE) where it was trained."
        ) from error
    return _without_prefixes(_unwrapped(content, path))


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(name): tensor for name, tensor in content.items()}
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
    raise RequestError(
        f"{path} holds no state dict: expected names with tensors, perhaps under 'state_dict'."
    )


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state
