"""From another library's names to ours: rename the tensors, build, load, and name what does not fit."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.build import build_model

Rule = tuple[str, str | None]
"""A pattern as for `re.sub`, and what it becomes; None leaves out every tensor whose name it finds."""


@dataclass(frozen=True)
class Translation:
    """A foreign network in our words."""

    source: str
    """What it was, for messages: "segmentation_models_pytorch FPN"."""

    architecture: str
    """Name in MODELS."""

    arguments: dict[str, Any]
    """For `build_model`: num_classes, encoder, options, and how it wants its images (mean, std, bgr)."""

    state: dict[str, Tensor]
    """The weights under our names; those of `normalize` are not expected."""


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule]) -> dict[str, Tensor]:
    """Return the tensors under new names: every rule is tried on every name, in order.

    Raises:
        RequestError: two tensors would get the same name.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        new = _renamed(name, rules)
        if new is None:
            continue
        if new in renamed:
            raise RequestError(f"Two tensors would become {new!r}; the second is {name!r}.")
        renamed[new] = tensor
    return renamed


def _renamed(name: str, rules: Sequence[Rule]) -> str | None:
    for pattern, replacement in rules:
        if replacement is None:
            if re.search(pattern, name):
                return None
        else:
            name = re.sub(pattern, replacement, name)
    return name


def tensor_of(state: Mapping[str, Tensor], name: str, source: str) -> Tensor:
    """Return the tensor that a network's options are read off.

    Raises:
        RequestError: it is not there.
    """
    if name not in state:
        raise RequestError(
            f"The weights have no {name!r}, which every {source} has. "
            f"Some of the names they do have: {', '.join(sorted(state)[:5])}. Check the layout."
        )
    return state[name]


def assemble(translation: Translation) -> SegmentationModel:
    """Build our network and load the translated weights, every one of them.

    Returns:
        The network on the CPU, in eval mode. The global random state is left as it was.

    Raises:
        RequestError: weights are missing, left over or of another shape; all of them are named.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(translation.architecture, **translation.arguments)
    expected = {
        name: tensor for name, tensor in model.state_dict().items() if not name.startswith("normalize.")
    }
    # Files from before PyTorch 0.4.1 lack the counters of batch norm; nothing is computed from them.
    counters = {name: tensor for name, tensor in expected.items() if name.endswith("num_batches_tracked")}
    state = counters | translation.state
    problems = _problems(expected, state)
    if problems:
        raise RequestError(
            f"The weights of {translation.source} do not fit our {translation.architecture} "
            f"(built with {translation.arguments}).\n" + "\n".join(problems)
        )
    model.load_state_dict(state, strict=False)
    return model.eval()


def _problems(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return one paragraph per kind of misfit, every name in it."""
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds: dict[str, Iterable[str]] = {
        "Missing": [name for name in expected if name not in state],
        "Left over": [name for name in state if name not in expected],
        "Of another shape": shapes,
    }
    return [f"{kind}: {', '.join(names)}." for kind, names in kinds.items() if names]
