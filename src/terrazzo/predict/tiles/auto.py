"""Whole image or tiles: decided from the memory that is at hand, and said in one sentence beforehand."""

from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import TerrazzoError
from terrazzo.core.prediction import logits_size
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.inference import Inference, Method
from terrazzo.predict.tiles.memory import SHARE, Need, available, in_words, needed
from terrazzo.predict.tiles.tiled import USUAL_GRID, Tiled, grid_step, usual_overlap

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction

LARGEST = 2048
"""The largest tile chosen, pixels: beyond it the share of pixels predicted twice hardly falls."""


WINDOWED_BYTES = 640 << 20
"""What a raster takes beside one tile's pass: sums of a panel, their copy, and GDAL's cache."""


@dataclass(frozen=True)
class Plan:
    """How one image will be predicted, and what it takes."""

    size: tuple[int, int]
    """(H, W), pixels."""

    whole_bytes: int
    """What the whole image at once would take."""

    budget_bytes: int
    """What a prediction may take here."""

    tile: int | None = None
    """Side of a tile, pixels; None where the image goes whole."""

    overlap: int = 0
    """Pixels that neighbours share at least."""

    tiled_bytes: int = 0
    """What the image takes in tiles, its blended logits and labels included."""

    @property
    def peak_bytes(self) -> int:
        """What it will take."""
        return self.whole_bytes if self.tile is None else self.tiled_bytes

    @property
    def sentence(self) -> str:
        """What it takes whole, and what it takes in tiles, for people."""
        pixels = f"{self.size[1]} x {self.size[0]} pixels"
        if self.tile is None:
            return f"{pixels} take about {in_words(self.whole_bytes)} whole."
        return (
            f"{pixels} would take about {in_words(self.whole_bytes)} whole; {self.tile} x {self.tile} tiles "
            f"with {self.overlap} overlap take {in_words(self.tiled_bytes)}."
        )

    def apply(self, inference: Inference) -> Inference:
        """Return the inference that does it."""
        return inference if self.tile is None else Tiled(inference, self.tile, self.overlap)


def plan(
    inference: Inference,
    size: tuple[int, int],
    *,
    itemsize: int = 1,
    budget: int | None = None,
    windowed: bool = False,
) -> Plan:
    """Decide how to predict an image of (H, W): whole where that fits, else in the largest tiles that fit.

    Args:
        inference: what predicts; its network's memory is what is estimated.
        size: (H, W), pixels.
        itemsize: bytes per value of the image: 1 for uint8.
        budget: bytes it may take; by default half of what is at hand.
        windowed: the image is a raster that is read and written in windows: it is never held as a whole, and
            goes whole only where it is no larger than the largest tile.

    Raises:
        TerrazzoError: not even the smallest tiles fit.
    """
    backend = inference.backend
    budget = _budget(backend) if budget is None else budget
    whole = _need(backend, size, itemsize)
    if whole.peak <= budget and not (windowed and max(size) > LARGEST):
        return Plan(size, whole.peak, budget)
    step = lcm(grid_step(backend), USUAL_GRID)
    smallest, largest = 2, max(2, min(LARGEST, -(-max(size) // step) * step) // step)
    kept = WINDOWED_BYTES if windowed else _kept(backend, size)

    def takes(tile: int) -> int:
        return _need(backend, (min(tile, size[0]), min(tile, size[1])), itemsize).peak + kept

    if takes(smallest * step) > budget:
        raise TerrazzoError(
            f"{size[1]} x {size[0]} pixels take {in_words(takes(smallest * step))} "
            f"even in tiles of {smallest * step}; {in_words(budget)} may be used of what is free here. "
            "Free some memory, or cut the image; a GeoTIFF can be predicted as a raster, strip by strip."
        )
    while smallest < largest:  # the largest multiple of the step that fits
        middle = (smallest + largest + 1) // 2
        if takes(middle * step) <= budget:
            smallest = middle
        else:
            largest = middle - 1
    tile = smallest * step
    overlap = usual_overlap(tile, grid_step(backend))
    return Plan(size, whole.peak, budget, tile, overlap, takes(tile))


def plan_whole(inference: Inference, size: tuple[int, int], *, itemsize: int = 1) -> Plan:
    """Return what an image of (H, W) takes in one piece, whether it fits or not."""
    return Plan(size, _need(inference.backend, size, itemsize).peak, _budget(inference.backend))


def plan_tiles(
    inference: Inference, size: tuple[int, int], tile: int, overlap: int, *, itemsize: int = 1
) -> Plan:
    """Return what an image of (H, W) takes in tiles of a given size, whether they fit or not."""
    backend = inference.backend
    one = _need(backend, (min(tile, size[0]), min(tile, size[1])), itemsize).peak
    whole = plan_whole(inference, size, itemsize=itemsize)
    return Plan(size, whole.whole_bytes, whole.budget_bytes, tile, overlap, one + _kept(backend, size))


class AutoTiled:
    """Images go whole where they fit into memory, else in tiles that do.

    Args:
        inference: what predicts one tile, or one image.
        budget: bytes a prediction may take; by default half of what is at hand now.
    """

    def __init__(self, inference: Inference, budget: int | None = None) -> None:
        self.inference = inference
        self.budget = _budget(inference.backend) if budget is None else budget
        self.plans: dict[tuple[int, int, int], Plan] = {}

    @property
    def backend(self) -> Backend:
        """What computes, at the bottom."""
        return self.inference.backend

    @property
    def method(self) -> Method:
        """What it does, in words: the tiles there were so far."""
        words = sorted(
            {found.apply(self.inference).method.tiles for found in self.plans.values() if found.tile}
        )
        method = self.inference.method
        return replace(method, tiles="; ".join([method.tiles, *words]) if words else method.tiles)

    def plan(self, size: tuple[int, int], *, itemsize: int = 1) -> Plan:
        """Return how an image of (H, W) will be predicted; arguments and errors as of `plan`."""
        key = (*size, itemsize)
        if key not in self.plans:
            self.plans[key] = plan(self.inference, size, itemsize=itemsize, budget=self.budget)
        return self.plans[key]

    def __call__(self, image_HWC: NDArray[Any]) -> "Prediction":
        """Predict one image; see `Inference`."""
        small = (
            image_HWC.ndim not in (2, 3) or image_HWC.size == 0 or max(image_HWC.shape[:2]) <= 2 * USUAL_GRID
        )
        if small or self.backend.sides != 2:
            return self.inference(image_HWC)
        size, itemsize = image_HWC.shape[:2], 1 if image_HWC.dtype == np.uint8 else 4
        return self.plan(size, itemsize=itemsize).apply(self.inference)(image_HWC)


def _budget(backend: Backend) -> int:
    model = getattr(backend, "model", None)
    device = next(model.parameters()).device if model is not None else "cpu"
    return round(SHARE * available(device))


def _need(backend: Backend, size: tuple[int, int], itemsize: int) -> Need:
    model = getattr(backend, "network", None) or getattr(backend, "model", None)
    if model is None:
        raise TerrazzoError("How much memory this runtime takes is not known; choose the tile yourself.")
    # a side below the smallest the network takes is refused by the network, in its own words
    rows, columns = (max(side, 2 * USUAL_GRID) for side in size)
    return needed(model, (rows, columns), in_channels=backend.in_channels, itemsize=itemsize)


def _kept(backend: Backend, size: tuple[int, int]) -> int:
    """Return what an image in tiles takes beside one tile's pass: its blended logits, and its labels."""
    h, w = logits_size(size, backend.stride)
    return 4 * backend.num_classes * h * w + size[0] * size[1]
