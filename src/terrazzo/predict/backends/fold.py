"""Batch norms into the convolutions before them: in evaluation a norm is a factor and a summand per channel.

Which norm follows which convolution is not read off names. The network runs once on a small image and every
operation is watched: a norm is folded only if its input is what a convolution returned, if nothing else reads
that, and if both run exactly once. Whoever folds then compares the outputs (`predict.backends.fast`).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

_CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
_NORM = "batch_norm"
_PLAIN_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_QUESTIONS = frozenset({"__get__", "size", "dim"})
"""Functions that ask about a tensor and do not read its values."""

Value = tuple[int, int]
"""A tensor's identity and version: the same tensor overwritten in place is another value."""


def fold(network: nn.Module, image_BCHW: Tensor) -> int:
    """Fold every batch norm that can be folded; the convolutions are new ones, with new weights.

    Args:
        network: in evaluation mode; modules in it are replaced, its parameters stay as they are.
        image_BCHW: something to run it on.

    Returns:
        How many were folded.
    """
    pairs = list(foldable(network, image_BCHW))
    new: dict[nn.Module, nn.Module] = {}
    for conv, norm in pairs:
        new[conv], new[norm] = fuse_conv_bn_eval(conv, norm), _without_norm(norm)
    replace(network, new)
    return len(pairs)


def foldable(network: nn.Module, image_BCHW: Tensor) -> Iterator[tuple[_ConvNd, _BatchNorm]]:
    """Yield each convolution with the batch norm that alone reads its output.

    Args:
        network: in evaluation mode.
        image_BCHW: something to run it on.
    """
    with torch.inference_mode(False), torch.no_grad(), _Watch() as watch:
        network(image_BCHW)
    convs = _owners(network, _ConvNd, "weight")
    norms = _owners(network, _BatchNorm, "running_mean")
    made = {call.output: call.parameter for call in watch.once(_CONVOLUTIONS)}
    for call in watch.once({_NORM}):
        conv, norm = convs.get(made.get(call.image, 0)), norms.get(call.parameter)
        if (
            isinstance(conv, _ConvNd)
            and isinstance(norm, _BatchNorm)
            and watch.readers[call.image] == [_NORM]
        ):
            yield conv, norm


def replace(network: nn.Module, new: dict[nn.Module, nn.Module]) -> None:
    """Put new modules in the place of old ones, wherever these hang."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in new:
                setattr(parent, name, new[child])


def _owners(network: nn.Module, kind: type[nn.Module], name: str) -> dict[int, nn.Module]:
    """Return modules by the identity of a tensor of theirs, those that stand alone and do nothing unseen.

    A tensor of two modules has no owner; a hook on a module may want the output that folding changes; and of
    norms with something more to do only timm's, which end in an activation, are known.
    """
    owners: dict[int, list[nn.Module]] = {}
    for module in network.modules():
        tensor = getattr(module, name, None)
        if isinstance(module, kind) and isinstance(tensor, Tensor):
            owners.setdefault(id(tensor), []).append(module)
    return {
        key: modules[0]
        for key, modules in owners.items()
        if len(modules) == 1
        and not modules[0]._forward_hooks
        and not modules[0]._forward_pre_hooks
        and (not isinstance(modules[0], _BatchNorm) or _is_known(modules[0]))
    }


def _is_known(norm: _BatchNorm) -> bool:
    return type(norm) in _PLAIN_NORMS or hasattr(norm, "act")


def _without_norm(norm: _BatchNorm) -> nn.Module:
    """Return what a norm does beside norming: timm's `BatchNormAct2d` ends in an activation."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()


class _Call:
    """One call of a convolution or a norm."""

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name = name
        self.image = _value(args[0])
        self.parameter = id(args[1])
        self.output: Value = (0, 0)


class _Watch(TorchFunctionMode):
    """Notes the calls of convolutions and norms, and which functions read which value."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[Value, list[str]] = {}
        self._calls: list[_Call] = []
        self._kept: list[Any] = []  # what is alive keeps its identity to itself

    def once(self, names: frozenset[str] | set[str]) -> list[_Call]:
        """Return the calls of such functions whose parameter took part in no other call."""
        counts = Counter(call.parameter for call in self._calls)
        return [call for call in self._calls if call.name in names and counts[call.parameter] == 1]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function of torch as it would run without."""
        name = getattr(func, "__name__", "")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name not in _QUESTIONS:
            for tensor in tensors:
                self.readers.setdefault(_value(tensor), []).append(name)
        call = _Call(name, args) if name in _CONVOLUTIONS | {_NORM} and len(args) > 1 else None
        output = func(*args, **(kwargs or {}))
        self._kept += [*tensors, output]
        if call is not None:
            call.output = _value(output)
            self._calls.append(call)
        return output


def _value(tensor: Tensor) -> Value:
    return id(tensor), 0 if tensor.is_inference() else tensor._version
