"""Per-class sums of softmax probabilities at full size and their gradient; see `softmax` for the arithmetic.

With P the probabilities, Y the one-hot truth and n the power, the sums are those of P Y, P^n and Y. For a
loss whose derivatives by the first two are i_k and p_k, the gradient with respect to logit k of a pixel is

    i_k P_k Y_k + n p_k P_k^n - P_k d        with d = i_t P_t + n sum of p_j P_j^n, t the true class.

Shapes: B images, K classes, h x w logits, H x W full size, T = grid.TILE columns, R = grid.MAX_ROWS rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.exponent import LOWEST, exp
from terrazzo.kernels.cpu.grid import FOUR, MAX_ROWS, TILE, grid_of
from terrazzo.kernels.cpu.jit import compiled, inlined, over_threads
from terrazzo.kernels.cpu.softmax import add_rows, add_rows_deep
from terrazzo.kernels.cpu.tile import (
    Scratch,
    columns_used,
    give_back,
    new_scratch,
    read_labels,
    softmax_tile,
    weigh,
)
from terrazzo.kernels.cpu.widen import Columns, Floats, Ints

_ZERO, _ONE, _TWO, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_DEEPEST = np.float32(-40)  # squares of exponentials, and of their sums' inverses, must be normal floats too
_TRUE = 0  # line of `Scratch.work`: the true class's probability


def region_sums(
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    power: int,
    ignore_index: int,
    stride: int,
    align_corners: bool,
    threads: int,
) -> tuple[NDArray[np.float64], int]:
    """Return (B, 3, K) sums of P Y, of P^power and of Y, and how many ids are neither a class nor void."""
    batch, num_classes = logits_BKhw.shape[:2]
    grid = grid_of((target_BHW.shape[1], target_BHW.shape[2]), stride, align_corners)
    sums = np.zeros((batch, grid.bands, 3, num_classes))
    wrong = np.zeros((batch, grid.bands), np.int64)
    given = (logits_BKhw, target_BHW, power, ignore_index, sums, wrong, *grid.arguments)
    over_threads(_sum_bands, batch * grid.bands, threads, *given)
    return sums.sum(axis=1), int(wrong.sum())


def region_gradient(
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    upstream_B2K: Floats,
    gradient_BKhw: Floats,
    power: int,
    ignore_index: int,
    stride: int,
    align_corners: bool,
    threads: int,
) -> None:
    """Add the gradient to `gradient_BKhw`, given the derivatives by the sums of P Y and of P^power."""
    grid = grid_of((target_BHW.shape[1], target_BHW.shape[2]), stride, align_corners)
    given = (logits_BKhw, target_BHW, upstream_B2K, gradient_BKhw, power, ignore_index, *grid.arguments)
    for parity in (0, 1):  # as in `cross_entropy`: no two threads write the same row
        count = len(logits_BKhw) * ((grid.bands + 1 - parity) // 2)
        over_threads(_gradient_bands, count, threads, parity, *given)


@compiled
def _sum_bands(
    first: int,
    last: int,
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    power: int,
    ignore_index: int,
    sums: NDArray[np.float64],
    wrong: Ints,
    band_starts: Ints,
    runs: Ints,
    shares: Floats,
    columns: Columns,
) -> None:
    """Work on the bands first..last-1, counted through all images."""
    num_classes, bands = logits_BKhw.shape[1], len(band_starts) - 1
    s = new_scratch(num_classes)
    for unit in range(first, last):
        b, band = unit // bands, unit % bands
        for run in range(band_starts[band], band_starts[band + 1]):
            run_4, part, step = runs[run], shares[run, 0], shares[run, 1]
            rows = run_4[3]
            for tile in range(len(columns[0])):
                x0 = tile * TILE + columns[3]
                for y in range(rows):
                    wrong[b, band] += read_labels(
                        target_BHW, b, run_4[2] + y, x0, num_classes, ignore_index, s.label, y
                    )
                if columns_used(s.label, rows, s.used):
                    deep = softmax_tile(logits_BKhw, b, run_4, part, step, columns, tile, s, _DEEPEST)
                    for y in range(rows):
                        _true_class(y, s)
                        _add_true(y, s, sums[b, band])
                    _weights(rows, power, s)
                    _raise(deep, power, s)
                    weigh(deep, rows, s)
                    for k in range(num_classes):
                        sums[b, band, 1, k] += s.whole[k].sum()


@compiled
def _gradient_bands(
    first: int,
    last: int,
    parity: int,
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    upstream_B2K: Floats,
    gradient_BKhw: Floats,
    power: int,
    ignore_index: int,
    band_starts: Ints,
    runs: Ints,
    shares: Floats,
    columns: Columns,
) -> None:
    """Work on every second band, first..last-1 of them counted through all images."""
    num_classes, per_image = logits_BKhw.shape[1], (len(band_starts) - parity) // 2
    s, dot_RT = new_scratch(num_classes), np.empty((MAX_ROWS // 4, FOUR), np.float32)
    for unit in range(first, last):
        b, band = unit // per_image, 2 * (unit % per_image) + parity
        for run in range(band_starts[band], band_starts[band + 1]):
            run_4, part, step = runs[run], shares[run, 0], shares[run, 1]
            rows = run_4[3]
            for tile in range(len(columns[0])):
                x0 = tile * TILE + columns[3]
                for y in range(rows):
                    read_labels(target_BHW, b, run_4[2] + y, x0, num_classes, ignore_index, s.label, y)
                if columns_used(s.label, rows, s.used):
                    deep = softmax_tile(logits_BKhw, b, run_4, part, step, columns, tile, s, _DEEPEST)
                    _dots(deep, rows, power, upstream_B2K[b, 1], s, dot_RT)
                    for y in range(rows):
                        share = part + np.float32(y) * step
                        _true_class(y, s)
                        _start_gradient(y, share, power, upstream_B2K[b, 0], dot_RT, s)
                    weigh(deep, rows, s)
                    _weights(rows, power, s)
                    _share_below(rows, part, step, np.float32(power), s)
                    _raise(deep, power, s)
                    _scale(deep, upstream_B2K[b, 1], s)
                    weigh(deep, rows, s)
                    s.scale[:] = _ONE
                    give_back(gradient_BKhw, b, run_4, columns, tile, s)


@inlined
def _true_class(row: int, s: Scratch) -> None:
    """Write 1 / sum of exponentials, 0 at void, and the true class's probability."""
    y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
    for x in range(TILE):
        label = s.label[g, o + x]
        k = label if label >= 0 else 0
        value = s.start[k, x] + y * s.slope[k, x] - s.shift[g, o + x]
        value = LOWEST if value < LOWEST else value
        s.factor[g, o + x] = _ONE / s.total[g, o + x] if label >= 0 else _ZERO
        s.work[_TRUE, x] = exp(value) * s.factor[g, o + x]


@inlined
def _add_true(row: int, s: Scratch, sums_3K: NDArray[np.float64]) -> None:
    """Add a row's true classes to the sums of P Y and of Y."""
    g, o = row >> 2, (row & 3) * TILE
    for x in range(TILE):
        k = s.label[g, o + x]
        if k >= 0:
            sums_3K[0, k] += s.work[_TRUE, x]
            sums_3K[2, k] += 1


@inlined
def _weights(rows: int, power: int, s: Scratch) -> None:
    """Write what turns exponentials to a power into probabilities to that power; nothing goes below."""
    for row in range(rows):
        g, o = row >> 2, (row & 3) * TILE
        for x in range(TILE):
            inverse = _ONE / s.total[g, o + x] if s.label[g, o + x] >= 0 else _ZERO
            s.factor[g, o + x] = inverse * inverse if power == 2 else inverse
            s.factor_below[g, o + x] = _ZERO


@inlined
def _share_below(rows: int, part: np.float32, step: np.float32, scale: np.float32, s: Scratch) -> None:
    """Multiply the factors, and write what goes below."""
    for row in range(rows):
        g, o = row >> 2, (row & 3) * TILE
        for x in range(TILE):
            s.factor[g, o + x] *= scale
            s.factor_below[g, o + x] = (part + np.float32(row) * step) * s.factor[g, o + x]


@inlined
def _raise(deep: bool, power: int, s: Scratch) -> None:
    """Turn the exponentials into their squares where the power is 2."""
    if power == 2:
        for k in range(len(s.start)):
            for x in range(TILE):
                if deep:
                    s.start[k, x] *= _TWO
                    s.slope[k, x] *= _TWO
                else:
                    s.first[k, x] *= s.first[k, x]
                    s.ratio[k, x] *= s.ratio[k, x]
        for g in range(len(s.shift)):
            for x in range(FOUR):
                s.shift[g, x] *= _TWO


@inlined
def _scale(deep: bool, scale_K: Floats, s: Scratch) -> None:
    """Multiply every class's exponentials by its factor."""
    for k in range(len(scale_K)):
        if deep:
            s.scale[k] = scale_K[k]
        else:
            for x in range(TILE):
                s.first[k, x] *= scale_K[k]


@inlined
def _dots(deep: bool, rows: int, power: int, predicted_K: Floats, s: Scratch, dot_RT: Floats) -> None:
    """Write the sum over classes of p_k times exponential to the power; leaves the gradient cleared."""
    for g in range(len(dot_RT)):
        for x in range(FOUR):
            dot_RT[g, x] = _ZERO
    if deep:
        for k in range(len(predicted_K)):
            s.scale[k] = predicted_K[k]
        _raise(deep, power, s)
        add_rows_deep(s.start, s.slope, s.scale, rows, dot_RT, s.shift)
        for k in range(len(predicted_K)):
            s.scale[k] = _ONE
        if power == 2:
            _halve(s)
        return
    for k in range(len(predicted_K)):
        for x in range(TILE):
            first, ratio = s.first[k, x], s.ratio[k, x]
            s.whole[k, x] = predicted_K[k] * (first * first if power == 2 else first)
            s.below[k, x] = ratio * ratio if power == 2 else ratio
    add_rows(s.whole, s.below, rows, s.power, dot_RT)
    for k in range(len(predicted_K)):
        for x in range(TILE):
            s.whole[k, x] = s.below[k, x] = _ZERO


@inlined
def _halve(s: Scratch) -> None:
    """Undo `_raise` in a deep tile."""
    for k in range(len(s.start)):
        for x in range(TILE):
            s.start[k, x] *= _HALF
            s.slope[k, x] *= _HALF
    for g in range(len(s.shift)):
        for x in range(FOUR):
            s.shift[g, x] *= _HALF


@inlined
def _start_gradient(
    row: int, share: np.float32, power: int, overlap_K: Floats, dot_RT: Floats, s: Scratch
) -> None:
    """Give the true class i_t P_t, and write the factor -d / sum of exponentials of all classes."""
    g, o = row >> 2, (row & 3) * TILE
    for x in range(TILE):
        label = s.label[g, o + x]
        k = label if label >= 0 else 0
        inverse = s.factor[g, o + x]
        hard = overlap_K[k] * s.work[_TRUE, x]  # 0 at void
        raised = _TWO * inverse * inverse if power == 2 else inverse
        s.factor[g, o + x] = -inverse * (hard + dot_RT[g, o + x] * raised)
        s.factor_below[g, o + x] = share * s.factor[g, o + x]
        s.whole[k, x] += hard
        s.below[k, x] += share * hard
