"""Who answers a call: compiled loops on the CPU, Triton on CUDA, plain PyTorch for all else.

This is the only place that decides. Plain PyTorch takes volumes, float64, and whatever neither numba nor
Triton is there for.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from terrazzo.kernels.cpu import compiled_room
from terrazzo.kernels.gpu import triton_room

Kernel = Literal["cross_entropy", "argmax", "region"]

MAX_ELEMENTS = 2**31
"""Offsets inside an image are 32-bit on the GPU."""


class Room(NamedTuple):
    """Who answers, and the module to ask; plain PyTorch needs none."""

    kind: Literal["loops", "triton", "plain"]
    module: Any = None


PLAIN = Room("plain")


def room_of(kernel: Kernel, logits_BKhw: Tensor, stride: int) -> Room:
    """Return who answers for such logits."""
    if logits_BKhw.ndim != 4 or logits_BKhw.dtype == torch.float64 or not logits_BKhw.numel():
        return PLAIN
    if logits_BKhw.device.type == "cpu":
        loops = compiled_room(kernel)
        return PLAIN if loops is None else Room("loops", loops)
    # The Triton kernels use NVIDIA's float32 products and limits of registers.
    nvidia = logits_BKhw.device.type == "cuda" and torch.version.hip is None
    if nvidia and logits_BKhw[0].numel() * stride**2 < MAX_ELEMENTS:
        triton = triton_room(kernel)
        return PLAIN if triton is None else Room("triton", triton)
    return PLAIN
