"""Which program works on which pixels, and how large its tile is.

A *cell* is the pixels that lie between the same four logits. A program owns a block of logits; it walks
through the cells that touch them, a tile at a time: a few rows of pixels, one column per thread. The
cells around the block are worked on by the neighbours too: so every program gathers the whole gradient of
its own logits, nothing is added up in memory by several programs, and the order of additions is fixed. Next
to per-tile partial gradients and a second kernel that adds them up this costs some arithmetic (1/8 of the
rows, 1/15 of the columns at stride 8) and no memory.

Shapes: h x w logits, H x W full size.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Axis(NamedTuple):
    """Where pixels lie between logits, in whole numbers: pixel x lies at (scale x + shift) / parts.

    As `core.prediction.upsample` has it: the whole part, cut to the image, is the logit before, the rest the
    share of the one after.
    """

    scale: int
    shift: int
    parts: int


def axis_of(count: int, stride: int, align_corners: bool) -> Axis:
    """Return how the pixels of one direction lie between its `count` logits."""
    if align_corners and count > 1 and stride > 1:
        return Axis(count - 1, 0, count * stride - 1)
    return Axis(2, 1 - stride, 2 * stride)


@dataclass(frozen=True)
class Tile:
    """The sizes of a program's work, all but `own_rows` and `own_columns` powers of two."""

    classes: int
    """Taken together."""

    rows: int
    """Of pixels, taken together; all lie between the same two rows of logits."""

    columns: int
    """Of pixels, taken together, one per thread."""

    slots: int
    """How many logits lie at a tile's columns at the most: the width of the matrix that gathers the gradient,
    16 or more for its unit."""

    own_rows: int
    """Of logits."""

    own_columns: int
    """Of logits."""

    @property
    def warps(self) -> int:
        """Of 32 threads."""
        return self.columns // 32

    @property
    def registers(self) -> int:
        """The most a thread may hold."""
        return _REGISTERS


# Chosen from what the compiler reports for compute capability 9.0; not yet measured on a device.
# A tile is one warp wide: the matrix that gathers the gradient (columns x slots) is held by every warp as a
# whole, 2 x 16 registers per thread at 32 x 16, and would be four times as large at 128 columns. Classes are
# taken 8 at a time because the gradients' matrix is 2 x 8 = 16 high, its unit's least height, and because K
# is rounded up to it (19 to 24, 21 to 24, 11 to 16); for larger K nothing changes, the loop is longer. Per
# thread classes x rows registers hold the logits while they become gradients, and about 8 x rows the pixels;
# 168 in all let 12 warps run on a multiprocessor (65,536 / (168 x 32)), with few values put aside. Twice the
# rows need a third fewer instructions per pixel. Shared memory, 1 KB, only turns the gradients' matrix round.
# At stride 1 there is nothing to gather: four warps side by side.
#        stride: rows of a tile
_ROWS = {1: 1, 2: 2, 4: 4, 8: 8}
_REGISTERS = 168
_CLASSES, _COLUMNS, _FLAT_COLUMNS = 8, 32, 128
_OWN_ROWS, _OWN_TILES = 8, 4
"""The most a program owns: rows of logits, and tiles side by side (with the cell that it shares)."""
_PROGRAMS = 2048
"""Warps that fill the largest GPU; where there would be fewer, each owns less."""


def tile_of(size: tuple[int, int], axes: tuple[Axis, Axis], batch: int, stride: int) -> Tile:
    """Return the tile for logits of (h, w).

    Args:
        size: (h, w).
        axes: of the rows and of the columns.
        batch: B.
        stride: pixels per logit.
    """
    if stride == 1:
        return Tile(_CLASSES, 1, _FLAT_COLUMNS, _FLAT_COLUMNS, 1, _FLAT_COLUMNS)
    rows = _ROWS[max(step for step in _ROWS if step <= stride)]
    slots = 16 if _COLUMNS // stride + 3 <= 16 else 32
    own_rows, tiles = _OWN_ROWS, max(_OWN_TILES, stride // 8)

    def own_columns() -> int:
        return max(tiles * _COLUMNS * axes[1].scale // axes[1].parts - 1, 1)

    def programs() -> int:
        return batch * -(-size[0] // own_rows) * -(-size[1] // own_columns())

    while programs() < _PROGRAMS and (own_rows > 2 or tiles > max(1, stride // 8)):
        if own_rows > 2 * tiles or tiles <= max(1, stride // 8):
            own_rows //= 2
        else:
            tiles //= 2
    return Tile(_CLASSES, rows, _COLUMNS, slots, own_rows, own_columns())


class Layout(NamedTuple):
    """Logits as kernels take them; at stride 1 an image is one long row."""

    logits: Tensor
    """(B, K, h, w), of any strides."""

    size: tuple[int, int]
    """(H, W)."""

    axes: tuple[Axis, Axis]
    """Of the rows and of the columns."""

    tile: Tile
    """What a program works on."""

    @property
    def grid(self) -> tuple[int, int, int]:
        """The number of programs: columns, rows, images."""
        batch, _, height, width = self.logits.shape
        return -(-width // self.tile.own_columns), -(-height // self.tile.own_rows), batch

    @property
    def programs(self) -> int:
        """Their number in all."""
        columns, rows, images = self.grid
        return columns * rows * images

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers that every kernel takes first, after its tensors."""
        _, num_classes, height, width = self.logits.shape
        return (num_classes, height, width, *self.size, *self.logits.stride(), *self.axes[0], *self.axes[1])


def on_device(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which kernels start on this tensor's device; the interpreter needs none."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def layout_of(logits_BKhw: Tensor, size: tuple[int, int], stride: int, align_corners: bool) -> Layout:
    """Return how kernels see such logits."""
    batch, num_classes, height, width = logits_BKhw.shape
    if stride == 1:
        height, width, size = 1, height * width, (1, height * width)
        logits_BKhw = logits_BKhw.reshape(batch, num_classes, 1, width)
    axes = axis_of(height, stride, align_corners), axis_of(width, stride, align_corners)
    tile = tile_of((height, width), axes, batch, stride)
    return Layout(logits_BKhw, size, axes, tile)
