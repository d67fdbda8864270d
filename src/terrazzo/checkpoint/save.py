"""Save a model: weights, card, README and manifest, in one atomic write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from torch import Tensor, nn

from terrazzo.checkpoint.card import Card
from terrazzo.checkpoint.manifest import current_environment
from terrazzo.checkpoint.readme import render_readme
from terrazzo.checkpoint.write import write_folder
from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap

WEIGHTS: Final = "model.safetensors"
CARD: Final = "model.json"
README: Final = "README.md"


def save_model(
    folder: Path | str,
    model: nn.Module,
    *,
    labels: LabelMap,
    scores: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model folder that `load_model` reads back.

    The same weights always give the same bytes of `model.safetensors`, on whatever device and in whatever
    memory format they are.

    Args:
        folder: where to; a model folder that is there is replaced atomically.
        model: the bare network (`SegmentationModel`), not wrapped for distributed training.
        labels: what its K outputs mean.
        scores: what `evaluate` measured, its protocol included.
        training: facts about the run: recipe, steps, seconds, data.

    Returns:
        The folder.

    Raises:
        RequestError: the labels are not as many as the model's classes.
        CheckpointError: the folder cannot be written.
    """
    card = make_card(model, labels, scores=scores, training=training)
    weights = safetensors.torch.save(_plain_weights(model), metadata={"format": "pt"})
    files = {WEIGHTS: weights, CARD: card.to_bytes(), README: render_readme(card).encode()}
    device = next((tensor.device for tensor in model.state_dict().values()), None)
    return write_folder(folder, files, environment=current_environment(device))


def make_card(
    model: nn.Module,
    labels: LabelMap,
    *,
    scores: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Card:
    """Describe a model; arguments as for `save_model`."""
    facts: Any = model  # nn.Module types every attribute as Tensor | Module
    if labels.num_classes != facts.num_classes:
        raise RequestError(
            f"The model has {facts.num_classes} classes, but the label map has {labels.num_classes} "
            f"({', '.join(labels.names[:5])}, ...): give the label map it was trained with."
        )
    return Card(
        architecture=facts.architecture,
        arguments=facts.arguments,
        num_classes=facts.num_classes,
        in_channels=facts.in_channels,
        stride=facts.stride,
        labels=labels.to_json(),
        mean=tuple(facts.normalize.mean.flatten().tolist()),
        std=tuple(facts.normalize.std.flatten().tolist()),
        channel_order="RGB" if facts.in_channels == 3 else "as stored",
        scores=None if scores is None else dict(scores),
        training=None if training is None else dict(training),
    )


def _plain_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return own contiguous copies on the CPU, sorted by name; `torch.compile` leaves its mark in names."""
    state = {name.replace("_orig_mod.", ""): tensor for name, tensor in model.state_dict().items()}
    return {
        name: state[name].detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name in sorted(state)
    }
