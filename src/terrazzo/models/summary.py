"""What a network costs: parameters, multiply-adds and activation memory, stage by stage, for one image.

Facts only, as dataclasses; printing is the command line's. `describe` builds on torch's meta device: shapes
without numbers, so it takes neither memory nor arithmetic.

Shapes: B images, C channels, H x W image size, K classes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

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

    shape: tuple[int, ...]
    """(C, h, w) of what leaves it; of several outputs the coarsest."""

    stride: int
    """Image pixels per value of its output."""

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

    image_size: tuple[int, int]
    """(H, W), pixels."""

    stride: int
    """Image pixels per logit."""

    parameters: int
    """Learned numbers; buffers are not counted."""

    macs: int
    """Multiply-adds of all convolutions and linear layers, for one image; 2 MACs are about 2 FLOPs each."""

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


def summarise(model: "SegmentationModel", size: tuple[int, int]) -> ModelSummary:
    """Run one image of zeros through a network and count.

    Args:
        model: on any device; its mode and weights stay as they are.
        size: (H, W) of the image, pixels.

    Raises:
        RequestError: the size is too small for the network.
    """
    layers: dict[nn.Module, _Count] = {}
    outputs: dict[nn.Module, Any] = {}
    parts = dict(_parts(model))
    training = model.training
    model.eval()
    with (
        _hooks(model.modules(), _counter(layers)),
        _hooks(parts.values(), _recorder(outputs)),
        torch.no_grad(),
    ):
        model(torch.zeros(1, model.in_channels, *size, device=model.normalize.mean.device))
    model.train(training)
    padded_height = -(-size[0] // model.multiple) * model.multiple
    return ModelSummary(
        architecture=model.architecture,
        arguments=model.arguments,
        image_size=size,
        stride=model.stride,
        parameters=_parameters(model),
        macs=sum(count.macs for count in layers.values()),
        activation_bytes=FLOAT32_BYTES * sum(count.outputs for count in layers.values()),
        stages=tuple(
            stage
            for name, part in parts.items()
            if part in outputs
            for stage in _stages(name, part, outputs[part], layers, padded_height)
        ),
    )


@dataclass
class _Count:
    """What one layer did, summed over its calls."""

    macs: int = 0
    outputs: int = 0


Hook = Callable[[nn.Module, Any, Any], None]


def _counter(layers: dict[nn.Module, _Count]) -> Hook:
    """Return a hook that counts the work of layers without children."""

    def count(module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not any(module.children()):
            entry = layers.setdefault(module, _Count())
            entry.macs += _macs(module, _inputs[0], output)
            entry.outputs += output.numel()

    return count


def _macs(module: nn.Module, given: Tensor, output: Tensor) -> int:
    """Return the multiply-adds of one call; 0 for layers that have none worth counting."""
    if isinstance(module, nn.ConvTranspose2d):
        return given.numel() * module.weight.numel() // module.in_channels
    if isinstance(module, nn.Conv2d):
        return output.numel() * module.weight.numel() // module.out_channels
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    return 0


def _recorder(outputs: dict[nn.Module, Any]) -> Hook:
    def record(module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[module] = output

    return record


@contextmanager
def _hooks(modules: Any, hook: Hook) -> Iterator[None]:
    handles: list[RemovableHandle] = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the rows of the table: children, and the entries of those that hold lists."""
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList) or any(isinstance(c, nn.ModuleList) for c in child.children()):
            yield from ((f"{name}.{inner}", part) for inner, part in _parts(child))
        elif any(True for _ in child.parameters()):
            yield name, child


def _stages(
    name: str, part: nn.Module, output: Any, layers: dict[nn.Module, _Count], height: int
) -> list[Stage]:
    """Return the row of one part, and one for each of its outputs where there are several.

    A part that gives tokens and no maps has no row; it counts in the sums all the same.
    """
    macs = sum(layers[module].macs for module in part.modules() if module in layers)
    maps = [(tuple(entry.shape[1:]), height // entry.shape[2]) for entry in _maps(output)]
    if not maps:
        return []
    shape, stride = max(maps, key=lambda entry: entry[1])
    total = Stage(name, shape, stride, _parameters(part), macs)
    if len(maps) == 1:
        return [total]
    return [total, *(Stage(f"{name}[{i}]", *entry, None, None) for i, entry in enumerate(maps))]


def _maps(output: Any) -> list[Tensor]:
    """Return the feature maps in a part's output, whatever it is packed in."""
    if isinstance(output, Tensor):
        return [output] if output.ndim == 4 else []
    return [entry for packed in output for entry in _maps(packed)]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
