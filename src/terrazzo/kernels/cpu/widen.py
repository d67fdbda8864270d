"""Widening a row of logits over a tile of columns, and the transposed step for the gradient.

Columns come in groups that lie between the same two logits (`Grid.group`), so that a tile is a few logits,
repeated, and not T look-ups; the group's size is fixed when the loop is compiled, so that it becomes vectors.

Shapes: h x w logits, T = grid.TILE output columns.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import inlined

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_Widen = Callable[[Floats, Ints, Ints, Floats, Floats], None]


def _widen_by(group: int) -> _Widen:
    cells = TILE // group

    @inlined
    def widen(logits_w: Floats, left_T: Ints, right_T: Ints, share_T: Floats, wide_T: Floats) -> None:
        for cell in range(cells):
            x = cell * group
            value = logits_w[left_T[x]]
            rise = logits_w[right_T[x]] - value
            for i in range(group):
                wide_T[x + i] = value + share_T[x + i] * rise

    return widen


def _narrow_by(group: int) -> _Widen:
    cells = TILE // group

    @inlined
    def narrow(wide_T: Floats, left_T: Ints, right_T: Ints, share_T: Floats, gradient_w: Floats) -> None:
        for cell in range(cells):
            x = cell * group
            whole, to_right = np.float32(0), np.float32(0)
            for i in range(group):
                whole += wide_T[x + i]
                to_right += share_T[x + i] * wide_T[x + i]
            gradient_w[left_T[x]] += whole - to_right
            gradient_w[right_T[x]] += to_right

    return narrow


_widen_1, _widen_2, _widen_4, _widen_8 = _widen_by(1), _widen_by(2), _widen_by(4), _widen_by(8)
_narrow_1, _narrow_2, _narrow_4, _narrow_8 = _narrow_by(1), _narrow_by(2), _narrow_by(4), _narrow_by(8)


@inlined
def widen(group: int, logits_w: Floats, left_T: Ints, right_T: Ints, share_T: Floats, wide_T: Floats) -> None:
    """Interpolate one row of logits at the output columns of a tile."""
    if group == 8:
        _widen_8(logits_w, left_T, right_T, share_T, wide_T)
    elif group == 4:
        _widen_4(logits_w, left_T, right_T, share_T, wide_T)
    elif group == 2:
        _widen_2(logits_w, left_T, right_T, share_T, wide_T)
    else:
        _widen_1(logits_w, left_T, right_T, share_T, wide_T)


@inlined
def narrow(
    group: int, wide_T: Floats, left_T: Ints, right_T: Ints, share_T: Floats, gradient_w: Floats
) -> None:
    """Add what each output column's gradient gives to the two logits that it was made of."""
    if group == 8:
        _narrow_8(wide_T, left_T, right_T, share_T, gradient_w)
    elif group == 4:
        _narrow_4(wide_T, left_T, right_T, share_T, gradient_w)
    elif group == 2:
        _narrow_2(wide_T, left_T, right_T, share_T, gradient_w)
    else:
        _narrow_1(wide_T, left_T, right_T, share_T, gradient_w)
