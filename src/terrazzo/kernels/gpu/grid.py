"""Which program works on which pixels, and how large its tile is.

A *cell* is the pixels that lie between the same four logits. A program owns a block of logits; it walks
through the cells that touch them, a few rows of pixels at a time, with one column of pixels per thread. The
cells around the block are worked on by the neighbours too: so every program gathers the whole gradient of
its own logits, nothing is added up in memory by several programs, and the order of additions is fixed. Next
to per-tile partial gradients and a second kernel that adds them up this costs some arithmetic (1/8 of the
rows, 1/15 of the columns at stride 8) and no memory.

Shapes: h x w logits, H x W full size.
"""

from dataclasses import dataclass
from typing import NamedTuple

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
    """Of pixels, one per thread."""

    slots: int
    """At least own_columns: the width of the matrix that gathers the gradient, 16 or more for its unit."""

    own_rows: int
    """Of logits."""

    own_columns: int
    """Of logits."""

    @property
    def warps(self) -> int:
        """Of 32 threads."""
        return max(self.columns // 32, 1)


# Per thread a tile keeps classes x rows float32 registers of logits, twice while they become gradients, and
# about 12 x rows for its pixels (maximum, sum, label, factors): (8, 4) is near 112 of the 255 there are, so
# that four programs of 128 threads fit on a multiprocessor's 65,536. Classes are taken 8 at a time because
# the gradient's matrix is 2 x 8 = 16 high, its unit's least height, and because K is rounded up to it (19 to
# 24, 21 to 24, 11 to 16). Beyond 64 classes nothing changes: the loop is longer. Columns: enough that the
# column of cells shared with the neighbour is a small part; 32 x stride at the most. Shared memory holds the
# 16 x columns gradients on their way to the matrix unit (8 KB at 128) and the columns x slots shares (8 KB).
#        stride: rows, columns
_SHAPES = {1: (1, 128), 2: (2, 64), 4: (4, 64), 8: (4, 128), 16: (4, 128), 32: (4, 256)}
_CLASSES = 8
_FEW_CLASSES = 4
_PROGRAMS = 512
"""Enough to fill the largest GPU; with fewer the rows a program owns are made fewer."""


def tile_of(
    num_classes: int, size: tuple[int, int], axes: tuple[Axis, Axis], batch: int, stride: int
) -> Tile:
    """Return the tile for K classes and logits of (h, w).

    Args:
        num_classes: K.
        size: (h, w).
        axes: of the rows and of the columns.
        batch: B.
        stride: pixels per logit.
    """
    rows, columns = _SHAPES[min(step for step in _SHAPES if step >= min(stride, 32))]
    while columns < 3 * stride:
        columns *= 2
    classes = _FEW_CLASSES if stride == 1 and num_classes <= _FEW_CLASSES else _CLASSES
    if stride == 1:
        return Tile(classes, rows, columns, columns, 1, columns)
    horizontal = axes[1]
    per_cell = -(-horizontal.parts // horizontal.scale)
    own_columns = max((columns - 1) // per_cell - 1, 1)
    slots = 16
    while slots < own_columns:
        slots *= 2
    own_rows = 8
    while own_rows > 2 and batch * -(-size[0] // own_rows) * -(-size[1] // own_columns) < _PROGRAMS:
        own_rows //= 2
    return Tile(classes, rows, columns, slots, own_rows, own_columns)


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


def layout_of(logits_BKhw: Tensor, size: tuple[int, int], stride: int, align_corners: bool) -> Layout:
    """Return how kernels see such logits."""
    batch, num_classes, height, width = logits_BKhw.shape
    if stride == 1:
        height, width, size = 1, height * width, (1, height * width)
        logits_BKhw = logits_BKhw.reshape(batch, num_classes, 1, width)
    axes = axis_of(height, stride, align_corners), axis_of(width, stride, align_corners)
    tile = tile_of(num_classes, (height, width), axes, batch, stride)
    return Layout(logits_BKhw, size, axes, tile)
