"""Cross-entropy and its gradient, band by band; see `softmax` for the arithmetic.

A band adds to the gradients of two rows of logits. Every second band is done first, then the others: so no two
threads write the same row, and the order of additions does not depend on how many there are.

Shapes: B images, K classes, h x w logits, H x W full size, T = grid.TILE columns, R = grid.MAX_ROWS rows.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.exponent import LOWEST, exp, log
from terrazzo.kernels.cpu.grid import FOUR, MAX_ROWS, TILE, grid_of
from terrazzo.kernels.cpu.jit import compiled, inlined, over_threads
from terrazzo.kernels.cpu.pixel_loss import focused, read_labels
from terrazzo.kernels.cpu.softmax import (
    add_rows,
    add_rows_deep,
    is_deep,
    lines,
    sequences,
    weigh_rows,
    weigh_rows_deep,
)
from terrazzo.kernels.cpu.widen import Floats, Ints, narrow, widen

_ZERO, _ONE = np.float32(0), np.float32(1)
_MINUS_INFINITY = np.float32(-np.inf)
# Lines of the scratch array: the true class's logit, its factor, 1 where the pixel counts, and sums per column.
TRUE, HARD, KEPT, PLAIN, PLAIN_SLOPE, COUNT, COUNT_BELOW = range(7)


class Options(NamedTuple):
    """What a call asks for, as the loops take it."""

    weight_K: Floats
    """Factor per class."""

    smoothing: np.float32
    """Share of the target that is spread over all classes."""

    gamma: np.float32
    """Focal exponent, 0 for none."""

    keep_from: np.float32
    """Pixels whose -log p is at least this count."""

    ignore_index: int
    """The id of void."""


def loss_sums(
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    gradient_BKhw: Floats,
    hardness_BHW: Floats,
    options: Options,
    stride: int,
    align_corners: bool,
    threads: int,
) -> NDArray[np.float64]:
    """Sum the loss over pixels, and add its gradient to `gradient_BKhw` unless that has no elements.

    Args:
        logits_BKhw: the logits.
        target_BHW: ids of any integer type.
        gradient_BKhw: zeros, or no elements.
        hardness_BHW: takes -log p of the true class, -1 at void; or no elements.
        options: what is asked for.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened.
        threads: how many may work.

    Returns:
        (4,) summed loss, summed weight of the pixels that count, their number, number of ids that are neither
        a class nor void.
    """
    batch, num_classes = logits_BKhw.shape[:2]
    if stride == 1:
        pixels = target_BHW[0].size
        totals = np.zeros((batch, -(-pixels // TILE), 4))
        flat = (
            logits_BKhw.reshape(batch, num_classes, pixels),
            target_BHW.reshape(batch, 1, pixels),
            gradient_BKhw.reshape(*gradient_BKhw.shape[:2], -1 if gradient_BKhw.size else 0),
            hardness_BHW.reshape(len(hardness_BHW), 1, -1 if hardness_BHW.size else 0),
            options,
            totals,
        )
        over_threads(
            lambda first, last: _flat(first, last, *flat), totals.shape[0] * totals.shape[1], threads
        )
    else:
        grid = grid_of((target_BHW.shape[1], target_BHW.shape[2]), stride, align_corners)
        totals = np.zeros((batch, grid.bands, 4))
        given = (logits_BKhw, target_BHW, gradient_BKhw, hardness_BHW, options, totals, *grid.arguments)
        for parity in (0, 1):
            count = batch * ((grid.bands + 1 - parity) // 2)
            over_threads(lambda first, last, odd=parity: _bands(first, last, odd, *given), count, threads)  # type: ignore[misc]
    result: NDArray[np.float64] = totals.sum(axis=(0, 1))
    return result


@compiled
def _bands(
    first: int,
    last: int,
    parity: int,
    logits_BKhw: Floats,
    target_BHW: NDArray[Any],
    gradient_BKhw: Floats,
    hardness_BHW: Floats,
    options: Options,
    totals: NDArray[np.float64],
    band_starts: Ints,
    runs: Ints,
    shares: Floats,
    columns: tuple[Ints, Ints, Floats, int, int],
) -> None:
    """Work on every second band, first..last-1 of them counted through all images."""
    num_classes, per_image = logits_BKhw.shape[1], (len(band_starts) - parity) // 2
    start_KT, slope_KT = np.empty((num_classes, TILE), np.float32), np.empty((num_classes, TILE), np.float32)
    first_KT, ratio_KT = np.empty((num_classes, TILE), np.float32), np.empty((num_classes, TILE), np.float32)
    whole_KT, below_KT = np.empty((num_classes, TILE), np.float32), np.empty((num_classes, TILE), np.float32)
    lines_of_four = (MAX_ROWS // 4, FOUR)
    label_RT, sum_RT = np.empty(lines_of_four, np.int32), np.empty(lines_of_four, np.float32)
    shift_RT, soft_RT = np.empty(lines_of_four, np.float32), np.empty(lines_of_four, np.float32)
    soft_below_RT = np.empty(lines_of_four, np.float32)
    work_ST, power_T, used_T = (
        np.empty((8, TILE), np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.bool_),
    )
    sums_3T = np.empty((3, TILE), np.float64)
    for unit in range(first, last):
        b, band = unit // per_image, 2 * (unit % per_image) + parity
        for x in range(TILE):
            sums_3T[0, x] = sums_3T[1, x] = sums_3T[2, x] = 0.0
        for run in range(band_starts[band], band_starts[band + 1]):
            above, below, y0, rows = runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3]
            part, step = shares[run, 0], shares[run, 1]
            for tile in range(len(columns[0])):
                x0 = tile * TILE + columns[3]
                for y in range(rows):
                    totals[b, band, 3] += read_labels(
                        target_BHW, b, y0 + y, x0, num_classes, options.ignore_index, label_RT, y
                    )
                if _columns_used(label_RT, rows, used_T):
                    widen(logits_BKhw, b, above, columns, tile, start_KT)
                    widen(logits_BKhw, b, below, columns, tile, slope_KT)
                    lines(start_KT, slope_KT, part, step, work_ST)
                    deep = is_deep(work_ST, used_T)
                    _clear(sum_RT, shift_RT, whole_KT, below_KT)
                    if deep:
                        add_rows_deep(start_KT, slope_KT, rows, sum_RT, shift_RT)
                    else:
                        sequences(start_KT, slope_KT, first_KT, ratio_KT)
                        add_rows(first_KT, ratio_KT, rows, power_T, sum_RT)
                    _pixels(
                        rows,
                        part,
                        step,
                        label_RT,
                        start_KT,
                        slope_KT,
                        sum_RT,
                        shift_RT,
                        options,
                        soft_RT,
                        soft_below_RT,
                        whole_KT,
                        below_KT,
                        work_ST,
                        sums_3T,
                    )
                    if gradient_BKhw.size:
                        if deep:
                            weigh_rows_deep(
                                start_KT, slope_KT, rows, shift_RT, soft_RT, soft_below_RT, whole_KT, below_KT
                            )
                        else:
                            weigh_rows(
                                first_KT, ratio_KT, rows, power_T, soft_RT, soft_below_RT, whole_KT, below_KT
                            )
                        for k in range(num_classes):
                            for x in range(TILE):
                                whole_KT[k, x] -= below_KT[k, x]
                        narrow(whole_KT, columns, tile, b, above, gradient_BKhw)
                        narrow(below_KT, columns, tile, b, below, gradient_BKhw)
                if hardness_BHW.size:
                    _write_hardness(label_RT, sum_RT, rows, hardness_BHW, b, y0, x0)
        for x in range(TILE):
            for i in range(3):
                totals[b, band, i] += sums_3T[i, x]


@compiled
def _flat(
    first: int,
    last: int,
    logits_BKN: Floats,
    target_B1N: NDArray[Any],
    gradient_BKN: Floats,
    hardness_B1N: Floats,
    options: Options,
    totals: NDArray[np.float64],
) -> None:
    """Work on the tiles first..last-1 of T pixels, where the logits are at full size already."""
    num_classes, pixels, tiles = logits_BKN.shape[1], logits_BKN.shape[2], totals.shape[1]
    power_KT, slope_KT = np.empty((num_classes, TILE), np.float32), np.zeros((num_classes, TILE), np.float32)
    start_KT = np.empty((num_classes, TILE), np.float32)
    whole_KT, below_KT = np.empty((num_classes, TILE), np.float32), np.empty((num_classes, TILE), np.float32)
    label_RT, sum_RT = np.empty((1, FOUR), np.int32), np.empty((1, FOUR), np.float32)
    shift_RT, soft_RT = np.empty((1, FOUR), np.float32), np.empty((1, FOUR), np.float32)
    soft_below_RT, work_ST = np.empty((1, FOUR), np.float32), np.empty((8, TILE), np.float32)
    sums_3T = np.empty((3, TILE), np.float64)
    for unit in range(first, last):
        b, tile = unit // tiles, unit % tiles
        x0 = tile * TILE
        count = min(TILE, pixels - x0)
        totals[b, tile, 3] = read_labels(target_B1N, b, 0, x0, num_classes, options.ignore_index, label_RT, 0)
        _clear(sum_RT, shift_RT, whole_KT, below_KT)
        _softmax_flat(logits_BKN, b, x0, count, start_KT, power_KT, sum_RT, work_ST)
        for x in range(TILE):
            sums_3T[0, x] = sums_3T[1, x] = sums_3T[2, x] = 0.0
        _pixels(
            1,
            _ZERO,
            _ZERO,
            label_RT,
            start_KT,
            slope_KT,
            sum_RT,
            shift_RT,
            options,
            soft_RT,
            soft_below_RT,
            whole_KT,
            below_KT,
            work_ST,
            sums_3T,
        )
        if gradient_BKN.size:
            for k in range(num_classes):
                for x in range(count):
                    gradient_BKN[b, k, x0 + x] = whole_KT[k, x] + power_KT[k, x] * soft_RT[0, x]
        if hardness_B1N.size:
            _write_hardness(label_RT, sum_RT, 1, hardness_B1N, b, 0, x0)
        for x in range(TILE):
            for i in range(3):
                totals[b, tile, i] += sums_3T[i, x]


@inlined
def _softmax_flat(
    logits_BKN: Floats,
    b: int,
    x0: int,
    count: int,
    start_KT: Floats,
    power_KT: Floats,
    sum_RT: Floats,
    work_ST: Floats,
) -> None:
    """Write the logits about their largest, their exponentials and the sum of these; pad with equal logits."""
    for x in range(TILE):
        work_ST[0, x] = _MINUS_INFINITY if x < count else _ZERO
    for k in range(len(start_KT)):
        for x in range(count):
            value = logits_BKN[b, k, x0 + x]
            start_KT[k, x] = value
            work_ST[0, x] = value if value > work_ST[0, x] else work_ST[0, x]
        for x in range(count, TILE):
            start_KT[k, x] = _ZERO
    for k in range(len(start_KT)):
        for x in range(TILE):
            value = start_KT[k, x] - work_ST[0, x]
            start_KT[k, x] = value
            power = exp(LOWEST if value < LOWEST else value)
            power_KT[k, x] = power
            sum_RT[0, x] += power


@inlined
def _columns_used(label_RT: Any, rows: int, used_T: Any) -> bool:
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
def _clear(sum_RT: Floats, shift_RT: Floats, whole_KT: Floats, below_KT: Floats) -> None:
    for g in range(len(sum_RT)):
        for x in range(FOUR):
            sum_RT[g, x] = shift_RT[g, x] = _ZERO
    for k in range(len(whole_KT)):
        for x in range(TILE):
            whole_KT[k, x] = below_KT[k, x] = _ZERO


@inlined
def _write_hardness(
    label_RT: Any, loss_RT: Floats, rows: int, hardness_BHW: Floats, b: int, y0: int, x0: int
) -> None:
    """Write -log p of the true class, -1 at void."""
    begin, end = max(0, -x0), min(TILE, hardness_BHW.shape[2] - x0)
    for y in range(rows):
        g, o = y >> 2, (y & 3) * TILE
        for x in range(begin, end):
            hardness_BHW[b, y0 + y, x0 + x] = loss_RT[g, o + x] if label_RT[g, o + x] >= 0 else -_ONE


@inlined
def _pixels(
    rows: int,
    part: np.float32,
    step: np.float32,
    label_RT: Any,
    start_KT: Floats,
    slope_KT: Floats,
    sum_RT: Floats,
    shift_RT: Floats,
    options: Options,
    soft_RT: Floats,
    soft_below_RT: Floats,
    whole_KT: Floats,
    below_KT: Floats,
    work_ST: Floats,
    sums_3T: NDArray[np.float64],
) -> None:
    """Add up the loss; write what the softmax is multiplied by; start the gradient with the true class's part.

    Leaves -log p of the true class in `sum_RT`.
    """
    smoothing, gamma, keep_from = options.smoothing, options.gamma, options.keep_from
    weight_K = options.weight_K
    spread = smoothing / np.float32(len(start_KT))
    all_weights = _ZERO
    for k in range(len(start_KT)):
        all_weights += weight_K[k]
    if smoothing > _ZERO:
        _weigh_classes(start_KT, slope_KT, weight_K, work_ST)
    for row in range(rows):
        y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
        share = part + y * step
        for x in range(TILE):
            label = label_RT[g, o + x]
            k = label if label >= 0 else 0
            work_ST[TRUE, x] = start_KT[k, x] + y * slope_KT[k, x]
            work_ST[HARD, x] = weight_K[k] if label >= 0 else _ZERO
        for x in range(TILE):
            total = sum_RT[g, o + x]
            loss = log(total) + shift_RT[g, o + x] - work_ST[TRUE, x]
            kept = _ONE if label_RT[g, o + x] >= 0 and not loss < keep_from else _ZERO
            soft_RT[g, o + x] = kept / total
            sum_RT[g, o + x] = loss
            work_ST[HARD, x] *= kept
            work_ST[KEPT, x] = kept
            sums_3T[1, x] += work_ST[HARD, x]
            sums_3T[2, x] += kept
        if smoothing > _ZERO:
            for x in range(TILE):
                kept = work_ST[KEPT, x] * spread
                hard = work_ST[HARD, x] * (_ONE - smoothing)
                loss = sum_RT[g, o + x]
                plain = all_weights * (loss + work_ST[TRUE, x]) - (
                    work_ST[PLAIN, x] + y * work_ST[PLAIN_SLOPE, x]
                )
                sums_3T[0, x] += kept * plain + hard * loss
                work_ST[COUNT, x] += kept
                work_ST[COUNT_BELOW, x] += share * kept
                work_ST[HARD, x] = hard
                soft_RT[g, o + x] *= hard + kept * all_weights
        elif gamma > _ZERO:
            for x in range(TILE):
                power, slope = focused(gamma, sum_RT[g, o + x])
                sums_3T[0, x] += work_ST[HARD, x] * power * sum_RT[g, o + x]
                work_ST[HARD, x] *= slope
                soft_RT[g, o + x] *= work_ST[HARD, x]
        else:
            for x in range(TILE):
                sums_3T[0, x] += work_ST[HARD, x] * sum_RT[g, o + x]
                soft_RT[g, o + x] *= work_ST[HARD, x]
        for x in range(TILE):
            soft_below_RT[g, o + x] = share * soft_RT[g, o + x]
        for x in range(TILE):
            label = label_RT[g, o + x]
            k = label if label >= 0 else 0  # hard is 0 at void
            whole_KT[k, x] -= work_ST[HARD, x]
            below_KT[k, x] -= share * work_ST[HARD, x]
    if smoothing > _ZERO:
        for k in range(len(start_KT)):
            for x in range(TILE):
                whole_KT[k, x] -= weight_K[k] * work_ST[COUNT, x]
                below_KT[k, x] -= weight_K[k] * work_ST[COUNT_BELOW, x]


@inlined
def _weigh_classes(start_KT: Floats, slope_KT: Floats, weight_K: Floats, work_ST: Floats) -> None:
    """Write the weighted sum of all classes' lines, and clear the counts: label smoothing needs them."""
    for x in range(TILE):
        work_ST[PLAIN, x] = work_ST[PLAIN_SLOPE, x] = work_ST[COUNT, x] = work_ST[COUNT_BELOW, x] = _ZERO
    for k in range(len(start_KT)):
        for x in range(TILE):
            work_ST[PLAIN, x] += weight_K[k] * start_KT[k, x]
            work_ST[PLAIN_SLOPE, x] += weight_K[k] * slope_KT[k, x]
