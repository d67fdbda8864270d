"""Probabilities drawn to the image's edges: the guided filter (He, Sun and Tang 2010; 2013, section 3).

In every window the probability of a class is modelled as a linear function of the image, q = a I + b, with
the least squared error and a penalty eps a^2 (2013, equations 5, 6 and 8); a pixel's value is the mean over
the windows that hold it. So q has an edge only where the image has one. Images of three channels guide in
colour (section 3.5), all others by the mean of their channels. The filter is linear in what it filters and
keeps constants, so that the classes still sum to 1; single values may lie a little outside of 0..1.

Shapes: K classes, C guiding channels (1 or 3), H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.postprocess.step import State

Map = NDArray[np.float32]

EPS = 1e-4
"""Variance below which a window counts as flat, where the image is 0..1: contrasts of 1 %."""

SMALLEST_EPS = 1e-6
"""What float32 can still tell from the rounding of a variance."""


@dataclass(frozen=True)
class Guided:
    """Filter the probabilities, and read the labels from them again."""

    radius: int
    """Pixels; windows are 2 radius + 1 wide."""

    eps: float = EPS
    name = "guided"
    volumes = False
    labels_anew = True

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.name}=radius:{self.radius},eps:{self.eps:g}"

    def __call__(self, state: State) -> State:
        """Do it."""
        refined_KHW = guided_filter(state.probabilities, guide(state.pixels), self.radius, self.eps)
        ids_HW = refined_KHW.argmax(axis=0).astype(state.ids.dtype)
        return replace(state, ids=ids_HW, refined=refined_KHW)


def guide(pixels: NDArray[Any]) -> Map:
    """Return the image as (C, H, W) in 0..1: three channels as they are, others as their mean.

    Floats, whose range nobody knows, are stretched from their smallest to their largest value.
    """
    channels_HWC = pixels[..., None] if pixels.ndim == 2 else pixels
    values_CHW: Map = np.moveaxis(channels_HWC, -1, 0).astype(np.float32)
    if len(values_CHW) != 3:
        values_CHW = values_CHW.mean(axis=0, keepdims=True)
    if np.issubdtype(pixels.dtype, np.integer):
        values_CHW /= np.float32(np.iinfo(pixels.dtype).max)
        return values_CHW
    values_CHW -= values_CHW.min()
    values_CHW /= max(values_CHW.max(), np.finfo(np.float32).tiny)
    return values_CHW


def guided_filter(values_KHW: Map, guide_CHW: Map, radius: int, eps: float) -> Map:
    """Filter maps one by one, guided by an image.

    Args:
        values_KHW: what is filtered, for instance probabilities.
        guide_CHW: the image, one or three channels, 0..1.
        radius: windows are 2 radius + 1 wide; at the image's edge they are cut off.
        eps: how much variance of the guide counts as none, in its units squared.
    """
    mean = _Box((guide_CHW.shape[1], guide_CHW.shape[2]), radius)
    guide_means = [mean(channel) for channel in guide_CHW]
    inverse = _inverse(guide_CHW, guide_means, mean, eps)
    filtered_KHW = np.empty_like(values_KHW)
    for values_HW, out_HW in zip(values_KHW, filtered_KHW, strict=True):
        value_mean = mean(values_HW)
        shared = [
            mean(channel * values_HW) - mu * value_mean
            for channel, mu in zip(guide_CHW, guide_means, strict=True)
        ]
        slopes = [_dot(row, shared) for row in inverse]
        offset = value_mean - _dot(slopes, guide_means)
        out_HW[...] = _dot([mean(slope) for slope in slopes], guide_CHW) + mean(offset)
    return filtered_KHW


class _Box:
    """The mean over a window, of what of it is in the image."""

    def __init__(self, size: tuple[int, int], radius: int) -> None:
        self.side = (2 * radius + 1, 2 * radius + 1)
        self.count_HW = self._sum(np.ones(size, np.float32))

    def __call__(self, values_HW: Map) -> Map:
        mean_HW: Map = self._sum(values_HW) / self.count_HW
        return mean_HW

    def _sum(self, values_HW: Map) -> Any:
        import cv2

        sums: Any = cv2.boxFilter(values_HW, -1, self.side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return sums


def _inverse(guide_CHW: Map, means: Sequence[Map], mean: _Box, eps: float) -> list[list[Map]]:
    """Return the inverse of each window's covariance plus eps on its diagonal, C x C maps (symmetric)."""
    count = len(guide_CHW)
    s = [
        [mean(guide_CHW[c] * guide_CHW[d]) - means[c] * means[d] for d in range(count)] for c in range(count)
    ]
    for c in range(count):
        s[c][c] += np.float32(eps)
    if count == 1:
        return [[np.reciprocal(s[0][0])]]
    cofactors = [
        [
            s[(c + 1) % 3][(d + 1) % 3] * s[(c + 2) % 3][(d + 2) % 3]
            - s[(c + 1) % 3][(d + 2) % 3] * s[(c + 2) % 3][(d + 1) % 3]
            for d in range(3)
        ]
        for c in range(3)
    ]
    determinant = _dot(s[0], cofactors[0])
    return [[cofactor / determinant for cofactor in row] for row in cofactors]


def _dot(first: Sequence[Map], second: "Sequence[Map] | Map") -> Map:
    total: Map = first[0] * second[0]
    for a, b in zip(first[1:], second[1:], strict=True):
        total += a * b
    return total
