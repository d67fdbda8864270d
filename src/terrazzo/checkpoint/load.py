"""Load a model folder: check it, rebuild the network from its card, fill in the weights; no unpickling."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from terrazzo.checkpoint.card import Card
from terrazzo.checkpoint.save import CARD, WEIGHTS
from terrazzo.checkpoint.verify import read_files
from terrazzo.core.errors import CheckpointError, RequestError

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel


def load_model(folder: Path | str, *, device: torch.device | str = "cpu") -> tuple["SegmentationModel", Card]:
    """Rebuild the model of a folder, in evaluation mode.

    Args:
        folder: a model folder, for instance `runs/demo/best`.
        device: where the weights go.

    Returns:
        The model and its card.

    Raises:
        CheckpointError: the folder is missing, foreign, cut short, damaged or of a newer Terrazzo; the
            message names the file. README.md is for people and is not checked.
    """
    folder = Path(folder)
    _point_to_best(folder)
    contents, _ = read_files(folder, (CARD, WEIGHTS))
    card = Card.from_bytes(contents[CARD], source=str(folder / CARD))
    weights = _read_weights(contents[WEIGHTS], folder / WEIGHTS)
    model = _rebuild(card, folder)
    _fill(model, weights, folder)
    return model.to(device).eval(), card


def read_card(folder: Path | str) -> Card:
    """Read only the card of a model folder; raises as `load_model`."""
    folder = Path(folder)
    _point_to_best(folder)
    contents, _ = read_files(folder, (CARD,))
    return Card.from_bytes(contents[CARD], source=str(folder / CARD))


def _point_to_best(folder: Path) -> None:
    """Catch the likeliest slip: the folder of a run instead of one of its models."""
    if (folder / CARD).exists():
        return
    models = [name for name in ("best", "last") if (folder / name / CARD).is_file()]
    if models:
        raise CheckpointError(
            f"{folder} is the folder of a run, not of a model (it has no {CARD}). "
            f"Did you mean {folder / models[0]}?"
        )


def _read_weights(content: bytes, source: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{source} is not a safetensors file: {error}.") from error


def _rebuild(card: Card, folder: Path) -> "SegmentationModel":
    from terrazzo.models import build_model

    arguments: dict[str, Any] = {**card.arguments, "pretrained": False}
    arguments |= {"num_classes": card.num_classes, "in_channels": card.in_channels}
    try:
        return build_model(card.architecture, **arguments)
    except (RequestError, TypeError) as error:
        raise CheckpointError(
            f"The model in {folder} cannot be rebuilt: {error} "
            f"It was written by Terrazzo {card.terrazzo_version}."
        ) from error


def _fill(model: "SegmentationModel", weights: dict[str, Tensor], folder: Path) -> None:
    """Load strictly, and say in one sentence what does not fit."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
    if wrong:
        first = wrong[0]
        raise CheckpointError(
            f"The weights in {folder} do not fit the architecture of its card: {len(wrong)} tensors differ, "
            f"first {first!r} ({_shape(given.get(first))} in the file, {_shape(expected.get(first))} "
            "expected)."
        )
    model.load_state_dict(weights, strict=True)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape)) or "a number"
