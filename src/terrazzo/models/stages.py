"""Watching a network run: which parts make its stages, and what each of them puts out.

Shapes: B images, C channels, h x w feature size, N tokens, D width.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

_Kept = TypeVar("_Kept")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and afterwards give every module its own mode back (some may be frozen)."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def hooks(modules: Iterable[nn.Module], notice: Callable[[nn.Module, Any], Any]) -> Iterator[None]:
    """Call `notice(module, output)` whenever one of the modules has run."""

    def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
        notice(module, output)

    handles: list[RemovableHandle] = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def record(modules: Iterable[nn.Module], keep: Callable[[Any], _Kept]) -> Iterator[dict[nn.Module, _Kept]]:
    """Yield a dict that holds, for each module that has run, what `keep` makes of its last output."""
    kept: dict[nn.Module, _Kept] = {}

    def notice(module: nn.Module, output: Any) -> None:
        kept[module] = keep(_channels_first(module, output))

    with hooks(modules, notice):
        yield kept


@torch.no_grad()
def settle_norms(model: nn.Module, images_BCHW: Tensor) -> None:
    """Give batch norms the statistics of these images, and leave the network in eval mode; weights stay."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
            module.reset_running_stats()
            module.momentum = None  # the plain mean over what follows
    model(images_BCHW)
    model.eval()


def _channels_first(module: nn.Module, output: Any) -> Any:
    """Turn around what timm's layers put out as (B, h, w, D), where they say so."""
    last = str(getattr(module, "output_fmt", "")).endswith("NHWC")
    return output.movedim(-1, 1) if last and isinstance(output, Tensor) and output.ndim == 4 else output


def stage_modules(model: nn.Module, called: Collection[nn.Module]) -> dict[str, nn.Module]:
    """Return the parts that make the stages, by their path in the model.

    Args:
        model: the network.
        called: the modules that ran. A part that was not called as a whole is taken apart, and so is one
            that holds lists of modules.
    """
    return dict(_parts(model, called))


def _parts(model: nn.Module, called: Collection[nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    for name, child in model.named_children():
        holds_lists = any(isinstance(inner, nn.ModuleList) for inner in child.children())
        runs_in_parts = child not in called and any(inner in called for inner in child.modules())
        if isinstance(child, nn.ModuleList) or holds_lists or runs_in_parts:
            yield from ((f"{name}.{inner}", part) for inner, part in _parts(child, called))
        elif any(True for _ in child.parameters()):
            yield name, child


def feature_maps(output: Any, dimensions: int) -> list[Tensor]:
    """Return the feature maps in a part's output, whatever it is packed in.

    Args:
        output: of a module.
        dimensions: of a feature map, 4 for (B, C, h, w); tokens (B, N, D) have one less.
    """
    if isinstance(output, Tensor):
        is_map = output.ndim in (dimensions, 3) and output.is_floating_point()
        return [output] if is_map else []
    if isinstance(output, list | tuple):
        return [entry for packed in output for entry in feature_maps(packed, dimensions)]
    return []
