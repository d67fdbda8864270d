"""Images of any size in tiles that overlap: their logits are blended at output stride, then read as one.

What holds. Of a convolutional network a logit depends on the pixels of its receptive field; tiles start at
whole steps of the network's coarsest grid, so a logit whose field lies inside its tile is that of the whole
image. Towards a tile's border, where the network sees padding instead, the tile counts less and less (see
`tiling`). A network that pools or normalises over the whole image (PSPNet, the image pooling of DeepLab,
group norm), attends to all of it, or adds an embedding of the position, answers for the tile as for an image
of that size: similar, not equal; take tiles as large as its training crops, or larger. Where logits are
widened with align_corners, the blended logits are widened over the whole image, as its own would be.

Shapes: K classes, H x W image, h x w logits, t x t logits of a tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import lcm
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.inference import Inference, Method
from terrazzo.predict.tiles.tiling import check_tile, tile_shares, tile_steps

LOWEST = -1e30
"""Logits below this (the logarithm of a probability of 0) are raised to it: their mean is then a number."""

USUAL_GRID = 32
"""The coarsest stride of most networks, for backends that do not say."""


@dataclass(frozen=True)
class Grid:
    """Where the tiles of one image are."""

    size: tuple[int, int]
    """(H, W) of the image, pixels."""

    tile: int
    """Side of a tile, pixels; the last of a row or column may be a little shorter."""

    rows: tuple[int, ...]
    """First image row of each row of tiles."""

    columns: tuple[int, ...]
    """First image column of each column of tiles."""

    @classmethod
    def of(cls, size: tuple[int, int], tile: int, overlap: int, step: int) -> "Grid":
        """Lay tiles over an image; arguments as of `tile_steps`."""
        rows, columns = (tile_steps(side, tile, overlap, step) for side in size)
        return cls(size, tile, rows, columns)

    def window(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the image rows and columns of a tile."""
        y, x = self.rows[row], self.columns[column]
        return slice(y, min(y + self.tile, self.size[0])), slice(x, min(x + self.tile, self.size[1]))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Visit (row, column) of every tile, row by row: the order in which they are added up."""
        return ((row, column) for row in range(len(self.rows)) for column in range(len(self.columns)))

    def shares(self, stride: int) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Return what the tiles count for, along rows and along columns, see `tile_shares`."""
        row_shares = tile_shares(self.rows, self.size[0], self.tile, stride)
        return row_shares, tile_shares(self.columns, self.size[1], self.tile, stride)


class Tiled:
    """Tiles of an image through another inference, blended by a Gaussian; small images go whole.

    Args:
        inference: what predicts one tile: the network, or flips and members around it.
        tile: side of a tile, pixels; a multiple of the network's coarsest stride.
        overlap: pixels that neighbours share at least; by default a quarter of the tile.

    Raises:
        RequestError: an impossible tile or overlap, or a model for volumes.
    """

    def __init__(self, inference: Inference, tile: int, overlap: int | None = None) -> None:
        if inference.backend.sides != 2:
            raise RequestError("Tiles are cut from images; this model takes volumes. Leave tiles out.")
        self.inference = inference
        self.step = grid_step(inference.backend)
        self.tile = tile
        self.overlap = usual_overlap(tile, self.step) if overlap is None else overlap
        check_tile(self.tile, self.overlap, self.step)
        if tile < 2 * max(self.step, USUAL_GRID):
            raise RequestError(
                f"Tiles of {tile} pixels are too small for this network; "
                f"expected {2 * max(self.step, USUAL_GRID)} or more, 512 is usual."
            )

    @property
    def backend(self) -> Backend:
        """What computes, at the bottom."""
        return self.inference.backend

    @property
    def method(self) -> Method:
        """What it does, in words."""
        return replace(self.inference.method, tiles=in_words(self.tile, self.overlap))

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image; see `Inference`. An image that is no larger than a tile goes whole."""
        if image_HWC.ndim not in (2, 3) or max(image_HWC.shape[:2]) <= self.tile:
            return self.inference(image_HWC)
        height, width = image_HWC.shape[:2]
        grid = Grid.of((height, width), self.tile, self.overlap, self.step)
        first = self.inference(image_HWC[grid.window(0, 0)])
        blend = Blend.like(first, grid)
        blend.add(first, 0, 0)
        for row, column in grid:
            if (row, column) != (0, 0):
                blend.add(self.inference(image_HWC[grid.window(row, column)]), row, column)
        return replace(first, logits=blend.sum_Khw[None], size=grid.size)


class Blend:
    """Sums the logits of tiles, each times its share: (K, h, w) at output stride, never (K, H, W).

    Args:
        sum_Khw: zeros to sum into.
        grid: where the tiles are.
        stride: image pixels per logit.
        origin: (row, column) of the first logit of `sum_Khw` in the image's logits.
    """

    def __init__(self, sum_Khw: Tensor, grid: Grid, stride: int, *, origin: tuple[int, int] = (0, 0)) -> None:
        self.sum_Khw = sum_Khw
        self.grid = grid
        self.stride = stride
        self.origin = origin
        shares = grid.shares(stride)
        self._rows, self._columns = (
            [torch.from_numpy(share).to(sum_Khw.device) for share in side] for side in shares
        )

    @classmethod
    def like(cls, prediction: Prediction, grid: Grid) -> "Blend":
        """Begin with zeros for the whole image, where the logits of this first tile are."""
        _, num_classes, *_ = prediction.logits.shape
        h, w = logits_size(grid.size, prediction.stride)
        return cls(prediction.logits.new_zeros((num_classes, h, w)), grid, prediction.stride)

    def add(self, prediction: Prediction, row: int, column: int) -> None:
        """Add the tile at (row, column) of the grid; what lies outside of the sums is left out."""
        if prediction.stride != self.stride:
            raise ValueError(f"Tiles at strides {self.stride} and {prediction.stride} cannot be blended.")
        logits_Ktt = prediction.logits[0].float().clamp(min=LOWEST)
        weight_tt = self._rows[row][:, None] * self._columns[column]
        # A product and a sum, each rounded by itself: so a window of an image gives the image's bits.
        logits_Ktt = logits_Ktt * weight_tt
        y, x = (
            start // self.stride - first
            for start, first in zip(
                (self.grid.rows[row], self.grid.columns[column]), self.origin, strict=True
            )
        )
        h, w = self.sum_Khw.shape[1:]
        inside_Ktt = logits_Ktt[:, max(0, -y) : max(0, h - y), max(0, -x) : max(0, w - x)]
        y, x = max(0, y), max(0, x)
        self.sum_Khw[:, y : y + inside_Ktt.shape[1], x : x + inside_Ktt.shape[2]] += inside_Ktt


def grid_step(backend: Backend) -> int:
    """Return the step by which an image can be shifted without changing a network's logits, pixels.

    It is the coarsest stride inside the network (`SegmentationModel.multiple`), not that of its logits.
    """
    model = getattr(backend, "model", backend)
    return lcm(backend.stride, int(getattr(model, "multiple", USUAL_GRID)))


def usual_overlap(tile: int, step: int) -> int:
    """Return a quarter of the tile, in whole steps, but at least one."""
    return min(max(round(tile / 4 / step), 1) * step, tile - step)


def in_words(tile: int, overlap: int) -> str:
    """Say how an image is cut, for the protocol of a score."""
    return f"tiles {tile} x {tile}, overlap {overlap}, Gaussian"
