"""What a network costs: parameters, multiply-adds and activation memory, stage by stage, for one image.

Facts only, as dataclasses; printing is the command line's. `describe` builds on torch's meta device: shapes
without numbers, so it takes neither memory nor arithmetic.

Shapes: B images, C channels, H x W image size, K classes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from terrazzo.models.build import build_model
from terrazzo.models.catalogue import MODELS

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from terrazzo.models.base import SegmentationModel

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Stage:
    """One part of a network: a level of the encoder, a block of the decoder, the classifier."""

    name: str
    """Its attribute path in the model (`decoder.0`); `encoder[2]` is the third output of `encoder`."""

    shape: tuple[int, ...] | None
    """(C, h, w) of what leaves it; of several outputs the coarsest; None for tokens, or where it does not run
    (deep supervision runs in training only)."""

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
    parts = stage_modules(model)
    leaves = [module for module in model.modules() if not any(module.children())]
    training = model.training
    model.eval()
    with (
        _hooks(leaves, lambda _module, output: numbers.append(_values(output))),
        record_outputs(parts.values()) as outputs,
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        model(torch.zeros(1, model.in_channels, *size, device=model.normalize.mean.device))
    model.train(training)
    flops = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    padded_height = -(-size[0] // model.multiple) * model.multiple
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
            for name, part in parts.items()
            for stage in _stages(
                Stage(
                    name, None, None, _parameters(part), flops.get(f"{type(model).__name__}.{name}", 0) // 2
                ),
                feature_maps(outputs.get(part), 2 + model.sides),
                padded_height,
            )
        ),
    )


@contextmanager
def _hooks(modules: Iterable[nn.Module], record: Callable[[nn.Module, Any], Any]) -> Iterator[None]:
    """Call `record(module, output)` whenever one of the modules has run."""

    def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
        record(module, output)

    handles: list[RemovableHandle] = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _values(output: Any) -> int:
    """Return how many numbers a layer put out."""
    if isinstance(output, Tensor):
        return output.numel()
    return sum(_values(packed) for packed in output) if isinstance(output, list | tuple) else 0


@contextmanager
def record_outputs(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Module, Any]]:
    """Yield a dict that holds, once they have run, what each of the modules put out last."""
    outputs: dict[nn.Module, Any] = {}
    with _hooks(modules, outputs.__setitem__):
        yield outputs


def stage_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the parts that make the rows of a summary, by their path in the model."""
    return dict(_parts(model))


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the rows of the table: children, and the entries of those that hold lists."""
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList) or any(isinstance(c, nn.ModuleList) for c in child.children()):
            yield from ((f"{name}.{inner}", part) for inner, part in _parts(child))
        elif any(True for _ in child.parameters()):
            yield name, child


def _stages(total: Stage, maps: list[Tensor], height: int) -> list[Stage]:
    """Return the row of one part, and one for each of its outputs where there are several."""
    if not maps:
        return [total]
    shapes = [(tuple(entry.shape[1:]), height // entry.shape[2]) for entry in maps]
    shape, stride = max(shapes, key=lambda entry: entry[1])
    row = replace(total, shape=shape, stride=stride)
    if len(maps) == 1:
        return [row]
    return [row, *(Stage(f"{total.name}[{i}]", *entry, None, None) for i, entry in enumerate(shapes))]


def feature_maps(output: Any, dimensions: int) -> list[Tensor]:
    """Return the feature maps in a part's output, whatever it is packed in."""
    if isinstance(output, Tensor):
        return [output] if output.ndim == dimensions and output.is_floating_point() else []
    if isinstance(output, list | tuple):
        return [entry for packed in output for entry in feature_maps(packed, dimensions)]
    return []


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
