"""Softmax over a tile of columns and a run of rows, with one exponential per run and not one per row.

Within a run every logit is a straight line in y, v_k(y) = a_k + y d_k, so exp(v_k(y)) is a geometric
sequence: exp(a_k) exp(d_k)^y. Before that, the largest logit of the row above (of the row below) is taken
from that row's logits, column by column, so that no exponential exceeds 1 between them. Where some class lies
more than `DEEP` under the largest, the sequence could underflow on one side and still count on the other:
such a tile takes the exponential of every pixel, about its own largest logit.

Shapes: K classes, T = grid.TILE columns, R = grid.MAX_ROWS rows; arrays of T columns are kept flat.
"""

from typing import Any

import numpy as np

from terrazzo.kernels.cpu.exponent import LOWEST, exp
from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import inlined
from terrazzo.kernels.cpu.widen import Floats

_ZERO = np.float32(0)
_MINUS_INFINITY = np.float32(-np.inf)
DEEP = np.float32(-80)
"""No class may lie further below the largest in a tile that takes geometric sequences."""


@inlined
def lines(above_KT: Floats, below_KT: Floats, part: np.float32, step: np.float32, low_3T: Floats) -> None:
    """Turn the logits around a run into a_k and d_k, in place; write how far the lowest class lies down.

    `low_3T` takes it in its first line; the others are for the largest logits above and below.
    """
    for x in range(TILE):
        low_3T[0, x] = _ZERO
        low_3T[1, x] = _MINUS_INFINITY
        low_3T[2, x] = _MINUS_INFINITY
    for k in range(len(above_KT)):
        for x in range(TILE):
            above, below = above_KT[k, x], below_KT[k, x]
            low_3T[1, x] = above if above > low_3T[1, x] else low_3T[1, x]
            low_3T[2, x] = below if below > low_3T[2, x] else low_3T[2, x]
    for k in range(len(above_KT)):
        for x in range(TILE):
            above, below = above_KT[k, x] - low_3T[1, x], below_KT[k, x] - low_3T[2, x]
            low = above if above < below else below
            low_3T[0, x] = low if low < low_3T[0, x] else low_3T[0, x]
            above_KT[k, x] = above + part * (below - above)
            below_KT[k, x] = step * (below - above)


@inlined
def is_deep(low_3T: Floats, used_T: Any, deepest: np.float32) -> bool:
    """Tell whether a column that counts needs the exponential of every pixel."""
    deep = False
    for x in range(TILE):
        deep |= used_T[x] and low_3T[0, x] < deepest
    return deep


@inlined
def sequences(
    start_KT: Floats, slope_KT: Floats, first_KT: Floats, ratio_KT: Floats, deepest: np.float32
) -> None:
    """Write exp(a_k) and exp(d_k). The bounds matter only in columns that do not count (see `is_deep`)."""
    for k in range(len(start_KT)):
        for x in range(TILE):
            start, slope = start_KT[k, x], slope_KT[k, x]
            start = deepest if start < deepest else start
            slope = deepest if slope < deepest else slope
            slope = -deepest if slope > -deepest else slope
            first_KT[k, x] = exp(start)
            ratio_KT[k, x] = exp(slope)


@inlined
def add_rows(first_KT: Floats, ratio_KT: Floats, rows: int, power_T: Floats, sum_RT: Floats) -> None:
    """Add the exponentials of all classes up, for every row."""
    whole = rows // 4
    for k in range(len(first_KT)):
        for x in range(TILE):
            power_T[x] = first_KT[k, x]
        for g in range(whole):
            for x in range(TILE):
                ratio = ratio_KT[k, x]
                e0 = power_T[x]
                e1 = e0 * ratio
                e2 = e1 * ratio
                e3 = e2 * ratio
                s0, s1 = sum_RT[g, x], sum_RT[g, TILE + x]
                s2, s3 = sum_RT[g, 2 * TILE + x], sum_RT[g, 3 * TILE + x]
                sum_RT[g, x] = s0 + e0
                sum_RT[g, TILE + x] = s1 + e1
                sum_RT[g, 2 * TILE + x] = s2 + e2
                sum_RT[g, 3 * TILE + x] = s3 + e3
                power_T[x] = e3 * ratio
        for i in range(rows & 3):
            for x in range(TILE):
                power = power_T[x]
                sum_RT[whole, i * TILE + x] += power
                power_T[x] = power * ratio_KT[k, x]


@inlined
def weigh_rows(
    first_KT: Floats,
    ratio_KT: Floats,
    rows: int,
    power_T: Floats,
    factor_RT: Floats,
    factor_below_RT: Floats,
    whole_KT: Floats,
    below_KT: Floats,
) -> None:
    """Add the exponentials times two factors per pixel, summed over the rows, to two sums per class."""
    whole = rows // 4
    for k in range(len(first_KT)):
        for x in range(TILE):
            power_T[x] = first_KT[k, x]
        for g in range(whole):
            for x in range(TILE):
                ratio = ratio_KT[k, x]
                e0 = power_T[x]
                e1 = e0 * ratio
                e2 = e1 * ratio
                e3 = e2 * ratio
                whole_KT[k, x] += (e0 * factor_RT[g, x] + e1 * factor_RT[g, TILE + x]) + (
                    e2 * factor_RT[g, 2 * TILE + x] + e3 * factor_RT[g, 3 * TILE + x]
                )
                below_KT[k, x] += (e0 * factor_below_RT[g, x] + e1 * factor_below_RT[g, TILE + x]) + (
                    e2 * factor_below_RT[g, 2 * TILE + x] + e3 * factor_below_RT[g, 3 * TILE + x]
                )
                power_T[x] = e3 * ratio
        for i in range(rows & 3):
            for x in range(TILE):
                power = power_T[x]
                whole_KT[k, x] += power * factor_RT[whole, i * TILE + x]
                below_KT[k, x] += power * factor_below_RT[whole, i * TILE + x]
                power_T[x] = power * ratio_KT[k, x]


@inlined
def add_rows_deep(
    start_KT: Floats, slope_KT: Floats, scale_K: Floats, rows: int, sum_RT: Floats, shift_RT: Floats
) -> None:
    """Write the largest logit of every pixel; add the exponentials about it up, times a factor per class."""
    for row in range(rows):
        y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
        for x in range(TILE):
            shift_RT[g, o + x] = _MINUS_INFINITY
        for k in range(len(start_KT)):
            for x in range(TILE):
                value = start_KT[k, x] + y * slope_KT[k, x]
                shift_RT[g, o + x] = value if value > shift_RT[g, o + x] else shift_RT[g, o + x]
        for k in range(len(start_KT)):
            for x in range(TILE):
                value = start_KT[k, x] + y * slope_KT[k, x] - shift_RT[g, o + x]
                value = LOWEST if value < LOWEST else value
                sum_RT[g, o + x] += scale_K[k] * exp(value)


@inlined
def weigh_rows_deep(
    start_KT: Floats,
    slope_KT: Floats,
    scale_K: Floats,
    rows: int,
    shift_RT: Floats,
    factor_RT: Floats,
    factor_below_RT: Floats,
    whole_KT: Floats,
    below_KT: Floats,
) -> None:
    """Do what `weigh_rows` does, about the largest logit of every pixel, times a factor per class."""
    for k in range(len(start_KT)):
        for row in range(rows):
            y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
            for x in range(TILE):
                value = start_KT[k, x] + y * slope_KT[k, x] - shift_RT[g, o + x]
                value = LOWEST if value < LOWEST else value
                power = scale_K[k] * exp(value)
                whole_KT[k, x] += power * factor_RT[g, o + x]
                below_KT[k, x] += power * factor_below_RT[g, o + x]
