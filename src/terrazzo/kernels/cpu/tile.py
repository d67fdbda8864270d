"""One tile of a run of rows: the arrays it is worked on in, its softmax, and its gradient's way back.

Shapes: B images, K classes, h x w logits, T = grid.TILE columns, R = grid.MAX_ROWS rows, four to a line.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.grid import FOUR, MAX_ROWS, TILE
from terrazzo.kernels.cpu.jit import inlined
from terrazzo.kernels.cpu.softmax import (
    add_rows,
    add_rows_deep,
    is_deep,
    lines,
    sequences,
    weigh_rows,
    weigh_rows_deep,
)
from terrazzo.kernels.cpu.widen import Columns, Floats, narrow, widen

_ZERO, _ONE = np.float32(0), np.float32(1)


class Scratch(NamedTuple):
    """The arrays of one thread, used again for every tile."""

    start: Floats
    """(K, T) logits of the run's first row, about a line that is at least the largest."""

    slope: Floats
    """(K, T) what they grow by from row to row."""

    first: Floats
    """(K, T) exponentials of `start`."""

    ratio: Floats
    """(K, T) exponentials of `slope`."""

    whole: Floats
    """(K, T) gradient, summed over the rows."""

    below: Floats
    """(K, T) the part of it that belongs to the logits below."""

    label: NDArray[np.int32]
    """(R, T) labels, -1 where a pixel does not count."""

    total: Floats
    """(R, T) sum of exponentials; later a pixel's loss."""

    shift: Floats
    """(R, T) what was taken from the logits before the exponential, beyond the line of `start`."""

    factor: Floats
    """(R, T) what exponentials are multiplied by on their way into `whole`."""

    factor_below: Floats
    """(R, T) what exponentials are multiplied by on their way into `below`."""

    work: Floats
    """(8, T) values of one row of pixels."""

    power: Floats
    """(T,) one class's exponentials in one row."""

    scale: Floats
    """(K,) factor on a class's exponentials where the tile is deep; elsewhere it goes into `first`."""

    used: NDArray[np.bool_]
    """(T,) columns in which a pixel counts."""


@inlined
def new_scratch(num_classes: int) -> Scratch:
    """Return the arrays of one thread."""
    lines = (MAX_ROWS // 4, FOUR)
    return Scratch(
        np.empty((num_classes, TILE), np.float32),
        np.empty((num_classes, TILE), np.float32),
        np.empty((num_classes, TILE), np.float32),
        np.empty((num_classes, TILE), np.float32),
        np.empty((num_classes, TILE), np.float32),
        np.empty((num_classes, TILE), np.float32),
        np.empty(lines, np.int32),
        np.empty(lines, np.float32),
        np.empty(lines, np.float32),
        np.empty(lines, np.float32),
        np.empty(lines, np.float32),
        np.empty((8, TILE), np.float32),
        np.empty(TILE, np.float32),
        np.ones(num_classes, np.float32),
        np.empty(TILE, np.bool_),
    )


@inlined
def read_labels(
    target_BHW: Any, b: int, y: int, x0: int, num_classes: int, ignore_index: int, label_RT: Any, row: int
) -> int:
    """Write the labels of the tile that begins at column x0, -1 where void or outside the image.

    Returns:
        How many ids are neither a class nor void; they count as void here.
    """
    wrong: Any = 0
    g, o = row >> 2, (row & 3) * TILE
    begin, end = max(0, -x0), min(TILE, target_BHW.shape[2] - x0)
    for x in range(TILE):
        label_RT[g, o + x] = -1
    for x in range(begin, end):
        label = np.int64(target_BHW[b, y, np.uint64(x0 + x)])
        void = label == ignore_index
        bad = (not void) and (label < 0 or label >= num_classes)
        label_RT[g, o + x] = np.int32(-1 if void or bad else label)
        wrong += bad
    return wrong  # type: ignore[no-any-return]


@inlined
def columns_used(label_RT: Any, rows: int, used_T: Any) -> bool:
    """Mark the columns in which a pixel counts; return whether there is one."""
    for x in range(TILE):
        used_T[x] = False
    for y in range(rows):
        for x in range(TILE):
            used_T[x] |= label_RT[y >> 2, (y & 3) * TILE + x] >= 0
    any_used = False
    for x in range(TILE):
        any_used |= used_T[x]
    return any_used


@inlined
def clear(rows: int, s: Scratch) -> None:
    """Set the sums over classes, of some rows, and over rows to zero."""
    for g in range((rows + 3) >> 2):
        for x in range(FOUR):
            s.total[g, x] = s.shift[g, x] = _ZERO
    for k in range(len(s.whole)):
        for x in range(TILE):
            s.whole[k, x] = s.below[k, x] = _ZERO


@inlined
def softmax_tile(
    logits_BKhw: Floats,
    b: int,
    run_4: Any,
    part: np.float32,
    step: np.float32,
    columns: Columns,
    tile: int,
    s: Scratch,
    deepest: np.float32,
) -> bool:
    """Widen the logits and sum their exponentials up; clear the gradient.

    Returns:
        Whether some class lies more than `deepest` below the largest: the exponentials are then about
        `s.shift`, and not in `s.first` and `s.ratio`.
    """
    widen(logits_BKhw, b, run_4[0], columns, tile, s.start)
    widen(logits_BKhw, b, run_4[1], columns, tile, s.slope)
    _blank_unused(s)
    lines(s.start, s.slope, part, step, s.work)
    clear(run_4[3], s)
    deep = is_deep(s.work, s.used, deepest)
    if deep:
        add_rows_deep(s.start, s.slope, s.scale, run_4[3], s.total, s.shift)
    else:
        sequences(s.start, s.slope, s.first, s.ratio, deepest)
        add_rows(s.first, s.ratio, run_4[3], s.power, s.total)
    return deep


@inlined
def _blank_unused(s: Scratch) -> None:
    """Set the logits of columns that do not count to 0: what is no number there must not reach a sum."""
    unused = False
    for x in range(TILE):
        unused |= not s.used[x]
    if unused:
        for k in range(len(s.start)):
            for x in range(TILE):
                if not s.used[x]:
                    s.start[k, x] = s.slope[k, x] = _ZERO


@inlined
def weigh(deep: bool, rows: int, s: Scratch) -> None:
    """Add the exponentials times their factors to the gradient."""
    if deep:
        weigh_rows_deep(s.start, s.slope, s.scale, rows, s.shift, s.factor, s.factor_below, s.whole, s.below)
    else:
        weigh_rows(s.first, s.ratio, rows, s.power, s.factor, s.factor_below, s.whole, s.below)


@inlined
def give_back(gradient_BKhw: Floats, b: int, run_4: Any, columns: Columns, tile: int, s: Scratch) -> None:
    """Add the tile's gradient to the two rows of logits that it was made of."""
    for k in range(len(s.whole)):
        for x in range(TILE):
            s.whole[k, x] -= s.below[k, x]
    narrow(s.whole, columns, tile, b, run_4[0], gradient_BKhw)
    narrow(s.below, columns, tile, b, run_4[1], gradient_BKhw)
