"""Widening a row of logits over a tile of columns, and the transposed step for the gradient.

Columns come in groups that lie between the same two logits (`Grid.group`), so that a tile is a few logits,
repeated, and not T look-ups; the group's size is fixed when the loop is compiled, so that it becomes vectors.

Arrays are passed whole, with indices: a slice would cost a count of references, and these loops are short.

Shapes: B images, K classes, h x w logits, T = grid.TILE output columns.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import inlined

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

Columns = tuple[Ints, Ints, Floats, int, int]
"""`grid.Grid.left`, `right`, `share`, `origin` and `group`."""

_Step = Callable[..., None]


def _widen_by(group: int) -> _Step:
    cells = TILE // group

    @inlined
    def widen(
        logits_BKhw: Floats,
        b: int,
        k: int,
        r: int,
        left: Ints,
        right: Ints,
        share: Floats,
        tile: int,
        wide_KT: Floats,
    ) -> None:
        for cell in range(cells):
            x = cell * group
            value = logits_BKhw[b, k, r, left[tile, x]]
            rise = logits_BKhw[b, k, r, right[tile, x]] - value
            for i in range(group):
                wide_KT[k, x + i] = value + share[tile, x + i] * rise

    return widen


def _narrow_by(group: int) -> _Step:
    cells = TILE // group

    @inlined
    def narrow(
        wide_KT: Floats,
        left: Ints,
        right: Ints,
        share: Floats,
        tile: int,
        b: int,
        k: int,
        r: int,
        gradient_BKhw: Floats,
    ) -> None:
        for cell in range(cells):
            x = cell * group
            whole, to_right = np.float32(0), np.float32(0)
            for i in range(group):
                whole += wide_KT[k, x + i]
                to_right += share[tile, x + i] * wide_KT[k, x + i]
            gradient_BKhw[b, k, r, left[tile, x]] += whole - to_right
            gradient_BKhw[b, k, r, right[tile, x]] += to_right

    return narrow


_widen_1, _widen_2, _widen_4, _widen_8 = _widen_by(1), _widen_by(2), _widen_by(4), _widen_by(8)
_narrow_1, _narrow_2, _narrow_4, _narrow_8 = _narrow_by(1), _narrow_by(2), _narrow_by(4), _narrow_by(8)


@inlined
def widen(
    logits_BKhw: Floats,
    b: int,
    r: int,
    columns: Columns,
    tile: int,
    wide_KT: Floats,
) -> None:
    """Interpolate row r of every class's logits at the output columns of a tile."""
    left, right, share, _, group = columns
    for k in range(len(wide_KT)):
        if group == 8:
            _widen_8(logits_BKhw, b, k, r, left, right, share, tile, wide_KT)
        elif group == 4:
            _widen_4(logits_BKhw, b, k, r, left, right, share, tile, wide_KT)
        elif group == 2:
            _widen_2(logits_BKhw, b, k, r, left, right, share, tile, wide_KT)
        else:
            _widen_1(logits_BKhw, b, k, r, left, right, share, tile, wide_KT)


@inlined
def narrow(
    wide_KT: Floats,
    columns: Columns,
    tile: int,
    b: int,
    r: int,
    gradient_BKhw: Floats,
) -> None:
    """Add what each output column's gradient gives to the two logits of row r that it was made of."""
    left, right, share, _, group = columns
    for k in range(len(wide_KT)):
        if group == 8:
            _narrow_8(wide_KT, left, right, share, tile, b, k, r, gradient_BKhw)
        elif group == 4:
            _narrow_4(wide_KT, left, right, share, tile, b, k, r, gradient_BKhw)
        elif group == 2:
            _narrow_2(wide_KT, left, right, share, tile, b, k, r, gradient_BKhw)
        else:
            _narrow_1(wide_KT, left, right, share, tile, b, k, r, gradient_BKhw)
