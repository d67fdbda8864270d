"""What a network costs: parameters, multiply-adds and activation memory, stage by stage, for one image.

Facts only, as dataclasses; printing is the command line's. `describe` builds on torch's meta device: shapes
without numbers, so it takes neither memory nor arithmetic.

Shapes: B images, C channels, H x W image size, K classes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from terrazzo.models.build import build_model
from terrazzo.models.catalogue import MODELS
from terrazzo.models.stages import evaluating, feature_maps, hooks, record, stage_modules

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Stage:
    """One part of a network: a level of the encoder, a block of the decoder, the classifier."""

    name: str
    """Its attribute path in the model (`decoder.0`); `encoder[2]` is the third output of `encoder`."""

    shape: tuple[int, ...] | None
    """(C, h, w) of what leaves it, of several outputs the coarsest; (D, N) of N tokens; None where it does
    not run (deep supervision runs in training only)."""

    stride: int | None
    """Image pixels per value of its output; None where there is no map."""

    parameters: int | None
    """Learned numbers in it; None in the rows of single outputs (`encoder[2]`)."""

    macs: int | None
    """Multiply-adds in it for one image; None as above."""


@dataclass(frozen=True)
class ModelSummary:
    """One network at one image size, batch of one."""

    architecture: str
    arguments: dict[str, Any]
    """What `build_model` was given."""

    image_size: tuple[int, ...]
    """(H, W), pixels."""

    stride: int
    """Image pixels per logit."""

    parameters: int
    """Learned numbers; buffers are not counted."""

    macs: int
    """Multiply-adds of convolutions, linear layers and attention, for one image: half of the FLOPs."""

    activation_bytes: int
    """Output of every layer together in float32, for one image: about what training keeps for backward."""

    stages: tuple[Stage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return asdict(self)


@dataclass(frozen=True)
class ArchitectureSummary:
    """One line of the list of models; numbers for the default encoder."""

    name: str
    title: str
    paper: str
    year: int
    encoder: str | None
    parameters: int
    macs: int
    """Multiply-adds for one image."""

    stride: int

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict."""
        return asdict(self)


def list_models(
    *, num_classes: int = 19, in_channels: int = 3, size: tuple[int, int] = (512, 512)
) -> list[ArchitectureSummary]:
    """Return every architecture with its paper and, at its default encoder, its cost."""
    summaries = []
    for name, entry in sorted(MODELS.items()):
        cost = describe(name, size=size, num_classes=num_classes, in_channels=in_channels)
        summaries.append(
            ArchitectureSummary(
                name,
                entry.title,
                entry.paper,
                entry.year,
                entry.encoder,
                cost.parameters,
                cost.macs,
                cost.stride,
            )
        )
    return summaries


def describe(
    name: str,
    *,
    size: tuple[int, int] = (512, 512),
    num_classes: int = 19,
    in_channels: int = 3,
    encoder: str | None = None,
    **options: Any,
) -> ModelSummary:
    """Build an architecture without numbers and summarise it; arguments as for `build_model`."""
    with torch.device("meta"):
        model = build_model(
            name, num_classes=num_classes, in_channels=in_channels, encoder=encoder, **options
        )
    return summarise(model, size)


def summarise(model: "SegmentationModel", size: tuple[int, ...]) -> ModelSummary:
    """Run one image of zeros through a network and count.

    Args:
        model: on any device; its mode and weights stay as they are.
        size: (H, W) of the image, pixels; (D, H, W) of a volume.

    Raises:
        RequestError: the size is too small for the network.
    """
    numbers: list[int] = []
    leaves = [module for module in model.modules() if not any(module.children())]
    with (
        evaluating(model),
        hooks(leaves, lambda _module, output: numbers.append(_values(output))),
        record(model.modules(), lambda output: _shapes(output, 2 + model.sides)) as shapes,
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        model(torch.zeros(1, model.in_channels, *size, device=model.normalize.mean.device))
    flops = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    padded_height = -(-size[0] // model.multiple) * model.multiple
    totals = {
        part: Stage(name, None, None, _parameters(part), _macs(f"{type(model).__name__}.{name}", flops))
        for name, part in stage_modules(model, shapes).items()
    }
    return ModelSummary(
        architecture=model.architecture,
        arguments=model.arguments,
        image_size=size,
        stride=model.stride,
        parameters=_parameters(model),
        macs=counter.get_total_flops() // 2,
        activation_bytes=FLOAT32_BYTES * sum(numbers),
        stages=tuple(
            stage
            for part, total in totals.items()
            for stage in _stages(total, shapes.get(part, []), padded_height)
        ),
    )


def _values(output: Any) -> int:
    """Return how many numbers a layer put out."""
    if isinstance(output, Tensor):
        return output.numel()
    return sum(_values(packed) for packed in output) if isinstance(output, list | tuple) else 0


def _shapes(output: Any, dimensions: int) -> list[tuple[int, ...]]:
    """Return (C, h, w) of each feature map in a part's output, (D, N) of tokens."""
    maps = feature_maps(output, dimensions)
    return [tuple(m.shape[1:]) if m.ndim == dimensions else (m.shape[2], m.shape[1]) for m in maps]


def _macs(name: str, flops: Mapping[str, int]) -> int:
    """Return the multiply-adds of a part; one that is never called as a whole is the sum of what is."""
    if name in flops:
        return flops[name] // 2
    inside = [key for key in flops if key.startswith(f"{name}.")]
    outermost = [key for key in inside if not any(key.startswith(f"{other}.") for other in inside)]
    return sum(flops[key] for key in outermost) // 2


def _stages(total: Stage, shapes: list[tuple[int, ...]], height: int) -> list[Stage]:
    """Return the row of one part, and one for each of its outputs where there are several."""
    if not shapes:
        return [total]
    rows = [(shape, height // shape[1] if len(shape) > 2 else None) for shape in shapes]
    shape, stride = sorted(rows, key=lambda row: row[1] or 0)[-1]
    row = replace(total, shape=shape, stride=stride)
    if len(rows) == 1:
        return [row]
    return [row, *(Stage(f"{total.name}[{i}]", *entry, None, None) for i, entry in enumerate(rows))]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
