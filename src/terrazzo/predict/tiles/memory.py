"""How much memory a prediction will take, before it is made, and how much there is.

The network runs once on torch's meta device: shapes without numbers, so this takes neither memory nor
arithmetic, and every tensor's bytes are counted from its making to its end. What is at hand is the least of
what the machine, its control group (a container's limit) and, on a GPU, the device say.
"""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from terrazzo.models.stages import evaluating

WORKSPACE = 1.15
"""What a convolution library takes beside the tensors, and what the allocator cannot fill again, measured."""

SHARE = 0.5
"""The part of the memory at hand that a prediction may plan with: others use the machine, too."""


@dataclass(frozen=True)
class Need:
    """What one pass of a network over one image takes, beside the weights, bytes."""

    tensors: int
    """The most that is alive at one moment: image, activations, logits."""

    labels: int
    """Logits kept and labels at full size, after the network."""

    @property
    def peak(self) -> int:
        """The most at any moment."""
        return max(round(self.tensors * WORKSPACE), self.labels)


def needed(model: nn.Module, size: tuple[int, int], *, in_channels: int, itemsize: int = 1) -> Need:
    """Estimate the peak memory of predicting one image of (H, W).

    Args:
        model: the network, on any device; only its shapes are used.
        size: (H, W), pixels.
        in_channels: C.
        itemsize: bytes per value of the image: 1 for uint8, else 4, as the network gets float32.

    Returns:
        Bytes beside the weights and beside the process as it stands.
    """
    dtype = torch.uint8 if itemsize == 1 else torch.float32
    parts = dict(model.named_parameters()) | dict(model.named_buffers())
    ghosts = {name: tensor.detach().to("meta") for name, tensor in parts.items()}
    counter = LiveBytes(there=ghosts.values())
    with evaluating(model), torch.no_grad(), _FlashAttention(), counter:
        image_BCHW = torch.empty((1, in_channels, *size), dtype=dtype, device="meta")
        prediction = functional_call(model, ghosts, (image_BCHW,))
    logits = prediction.logits
    pixels = size[0] * size[1]
    return Need(counter.peak, logits.numel() * 4 + pixels * (1 if logits.shape[1] <= 255 else 2))


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are alive, operation by operation; `peak` is the most there were.

    Args:
        there: tensors that were there before: they and views of them are not counted.
    """

    def __init__(self, there: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self._known: dict[int, Any] = {}
        for tensor in there:
            storage = tensor.untyped_storage()
            self._known[storage._cdata] = storage

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, and count what is new in its result."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone(_: Any) -> None:
            self.now -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, gone)


class _FlashAttention(TorchFunctionMode):
    """Stands for attention by its result alone: real devices compute it in blocks, meta does not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer for attention; leave all else as it is."""
        kwargs = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        query, _, value = (args + tuple(kwargs[n] for n in ("query", "key", "value")[len(args) :]))[:3]
        return query.new_empty((*query.shape[:-1], value.shape[-1]))


def available(device: torch.device | str = "cpu") -> int:
    """Return the bytes that are free for this process: of the GPU, or of the machine and its container."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    import psutil

    return min([int(psutil.virtual_memory().available), *_group_limits(Path("/"))])


def _group_limits(root: Path) -> list[int]:
    """Return what is left of the limits of this process's control groups, from its own up to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers in ("", "memory"):
            names = ("memory.max", "memory.current") if not controllers else _VERSION_1
            base = root / "sys/fs/cgroup" / controllers
            group = base / inside.lstrip("/")
            for folder in [group, *group.parents]:
                if folder.is_relative_to(base):
                    left += _left(folder, *names)
    return left


_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def _left(folder: Path, limit: str, used: str) -> list[int]:
    """Return what is left in one group; nothing where there is no limit, or no such file."""
    try:
        most, now = (int((folder / name).read_text()) for name in (limit, used))
    except (OSError, ValueError):  # "max" is no number
        return []
    return [max(0, most - now)] if most < 2**60 else []


def in_words(count: int) -> str:
    """Write a number of bytes for people, in binary units: 31 GiB, 2.1 GiB, 340 MiB."""
    amount, unit = (count / 2**30, "GiB") if count >= 2**30 else (count / 2**20, "MiB")
    return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
