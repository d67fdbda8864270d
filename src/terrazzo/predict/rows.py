"""Logits at full size, a few rows at a time: what must see every pixel's classes never holds all of them.

Shapes: K classes, h x w logits at stride t, H x W pixels, r rows of them. Volumes (d, h, w) have slices for
rows.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from terrazzo.core.prediction import Prediction, check_size

CPU_BLOCK = 1 << 18
"""Numbers in a block on a CPU: 1 MiB, so that the steps on it stay in the cache."""

GPU_BLOCK = 1 << 25
"""Numbers in a block on a GPU, where many small steps cost more than memory."""


class Axis(NamedTuple):
    """Between which two logits the pixels of one side lie."""

    low: Tensor
    """(n,) int64, index of the logit before."""

    high: Tensor
    """(n,) int64, index of the logit after; the same at the ends."""

    share: Tensor
    """(n,) float32, weight of the logit after, 0..1."""

    def on(self, device: torch.device) -> "Axis":
        """Return the same on a device."""
        return Axis(*(part.to(device) for part in self))


class FullRows:
    """The logits of one image at full size, or at the size of the image that it was scaled from.

    Where the sizes are equal this is `core.prediction.upsample`. Of a scaled image, the logits are read where
    the centres of the original's pixels lie in it: bilinearly, in one step.

    Args:
        prediction: of one image.
        size: (H, W) to read it at; None: the size of the image that was predicted.
    """

    def __init__(self, prediction: Prediction, size: Sequence[int] | None = None) -> None:
        check_size(prediction.logits, prediction.size, prediction.stride)
        self.size = tuple(size or prediction.size)
        self.logits_Khw = prediction.logits[0].float()
        self.as_they_are = prediction.stride == 1 and self.size == tuple(prediction.size)
        if self.as_they_are:
            return
        axes = [
            axis(new, old, given, prediction.stride, align_corners=prediction.align_corners)
            for new, old, given in zip(self.size, prediction.size, self.logits_Khw.shape[1:], strict=True)
        ]
        self.rows, *others = (each.on(self.logits_Khw.device) for each in axes)
        for dim, columns in enumerate(others, start=2):
            self.logits_Khw = between(self.logits_Khw, columns, dim)

    def block(self, start: int, stop: int) -> Tensor:
        """Return rows start..stop - 1 as (K, r, W) float32."""
        if self.as_they_are:
            return self.logits_Khw[:, start:stop]
        return between(self.logits_Khw, Axis(*(part[start:stop] for part in self.rows)), 1)


def axis(pixels: int, side: int, logits: int, stride: int, *, align_corners: bool) -> Axis:
    """Say where `pixels` evenly spread over a side of `side` pixels lie among its logits.

    Args:
        pixels: n, how many to place: the side of the original image.
        side: the side of the image that was predicted, pixels.
        logits: how many there are along it.
        stride: pixels of that image per logit.
        align_corners: how logits are widened, as in `core.prediction.upsample`.
    """
    centres_n = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (side / pixels)
    if align_corners:
        places_n = (centres_n - 0.5) * ((logits - 1) / max(1, logits * stride - 1))
    else:
        places_n = centres_n / stride - 0.5
    places_n = places_n.clamp(0, logits - 1)
    low_n = places_n.long()
    return Axis(low_n, (low_n + 1).clamp(max=logits - 1), (places_n - low_n).float())


def between(logits: Tensor, axis: Axis, dim: int) -> Tensor:
    """Interpolate linearly along one dimension."""
    low, high = logits.index_select(dim, axis.low), logits.index_select(dim, axis.high)
    share = axis.share.view(-1, *(1,) * (logits.ndim - 1 - dim))
    return torch.lerp(low, high, share, out=low)


def blocks(shape: Sequence[int], device: torch.device) -> Iterator[tuple[int, int]]:
    """Cut the rows of (K, H, W) into (start, stop) of a size that is quick to work on."""
    classes, rows, *rest = shape
    numbers = classes * int(torch.Size(rest).numel())
    step = max(1, (CPU_BLOCK if device.type == "cpu" else GPU_BLOCK) // max(1, numbers))
    yield from ((start, min(start + step, rows)) for start in range(0, rows, step))
