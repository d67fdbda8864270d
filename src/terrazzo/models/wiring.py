"""Which part of a network feeds which: read off the autograd graph of one forward pass.

Shapes: C channels, h x w feature size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from terrazzo.models.stages import evaluating, feature_maps, record, stage_modules

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

IMAGE = "image"
LOGITS = "logits"


@dataclass(frozen=True)
class Node:
    """One feature map on its way through the network."""

    name: str
    """Attribute path of the part that made it, `[i]` where it made several; or image, logits."""

    shape: tuple[int, ...]
    """(C, h, w); (D, N) of N tokens."""

    stride: float
    """Image pixels per place along one side; of tokens, as if they covered the image evenly."""

    feeds_on: tuple[str, ...]
    """Names of the maps that it was made of."""


def trace_wiring(model: "SegmentationModel", size: tuple[int, int]) -> list[Node]:
    """Return the feature maps between image and logits in the order in which they are made.

    Parts whose output reaches no logit in eval mode (deep supervision) are left out.

    Args:
        model: on any device (the meta device does, and costs nothing); stays as it is.
        size: (H, W), pixels.
    """
    with evaluating(model), record(model.modules(), lambda output: feature_maps(output, 4)) as outputs:
        image_1CHW = torch.zeros(
            1, model.in_channels, *size, device=model.normalize.mean.device, requires_grad=True
        )
        logits_1Khw = model(image_1CHW).logits
    names = {part: name for name, part in stage_modules(model, outputs).items()}
    maps: dict[str, Tensor] = {IMAGE: image_1CHW}
    for part, found in outputs.items():
        if part not in names:
            continue
        for number, entry in enumerate(found):
            maps[names[part] if len(found) == 1 else f"{names[part]}[{number}]"] = entry
    maps[LOGITS] = logits_1Khw
    return list(_reached(_nodes(maps, size[0] * size[1]), LOGITS))


def _nodes(maps: dict[str, Tensor], pixels: int) -> list[Node]:
    makers: dict[Any, str] = {}
    for name, entry in maps.items():
        makers.setdefault(_maker(entry), name)
    nodes = []
    for name, entry in maps.items():
        shape = tuple(entry.shape[1:]) if entry.ndim == 4 else (entry.shape[2], entry.shape[1])
        stride = sqrt(pixels / prod(shape[1:]))
        nodes.append(Node(name, shape, stride, tuple(sorted(_sources(entry, makers) - {name}))))
    return nodes


def _maker(entry: Tensor) -> Any:
    """Return what stands for a tensor in the graph; a leaf stands for itself."""
    return entry.grad_fn if entry.grad_fn is not None else id(entry)


def _sources(entry: Tensor, makers: dict[Any, str]) -> set[str]:
    """Return the nearest maps up the graph."""
    start = entry.grad_fn
    queue = [step for step, _ in start.next_functions] if start is not None else []
    seen: set[Any] = set()
    found: set[str] = set()
    while queue:
        step = queue.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        leaf = getattr(step, "variable", None)
        name = makers.get(step) or (makers.get(id(leaf)) if leaf is not None else None)
        if name is not None:
            found.add(name)
        else:
            queue.extend(following for following, _ in step.next_functions)
    return found


def _reached(nodes: list[Node], end: str) -> Iterator[Node]:
    """Yield the maps that the end depends on, in the order given."""
    by_name = {node.name: node for node in nodes}
    wanted, queue = {end}, [end]
    while queue:
        for name in by_name[queue.pop()].feeds_on:
            if name not in wanted:
                wanted.add(name)
                queue.append(name)
    return (node for node in nodes if node.name in wanted)
