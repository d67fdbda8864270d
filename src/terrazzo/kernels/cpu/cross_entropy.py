"""Cross-entropy and its gradient, band by band; see `softmax` for the arithmetic.

A band adds to the gradients of two rows of logits. Every second band is done first, then the others: so no
two threads write the same row, and the order of additions does not depend on how many there are.

Shapes: B images, K classes, h x w logits, H x W full size, T = grid.TILE columns, R = grid.MAX_ROWS rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.flat import flat_losses, write_hardness
from terrazzo.kernels.cpu.grid import TILE, grid_of
from terrazzo.kernels.cpu.jit import compiled, over_threads
from terrazzo.kernels.cpu.pixel_loss import Options, pixel_losses
from terrazzo.kernels.cpu.softmax import DEEP
from terrazzo.kernels.cpu.tile import (
    columns_used,
    give_back,
    new_scratch,
    read_labels,
    softmax_tile,
    weigh,
)
from terrazzo.kernels.cpu.widen import Columns, Floats, Ints

__all__ = ["Options", "loss_sums", "weight_sum"]


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
        (2,) summed loss, and the number of ids that are neither a class nor void.
    """
    batch, num_classes = logits_BKhw.shape[:2]
    if stride == 1:
        pixels = target_BHW[0].size
        totals = np.zeros((batch, -(-pixels // TILE), 2))
        flat = (
            logits_BKhw.reshape(batch, num_classes, pixels),
            target_BHW.reshape(batch, 1, pixels),
            gradient_BKhw.reshape(*gradient_BKhw.shape[:2], -1 if gradient_BKhw.size else 0),
            hardness_BHW.reshape(len(hardness_BHW), 1, -1 if hardness_BHW.size else 0),
            options,
            totals,
        )
        over_threads(flat_losses, totals.shape[0] * totals.shape[1], threads, *flat)
    else:
        grid = grid_of((target_BHW.shape[1], target_BHW.shape[2]), stride, align_corners)
        totals = np.zeros((batch, grid.bands, 2))
        given = (logits_BKhw, target_BHW, gradient_BKhw, hardness_BHW, options, totals, *grid.arguments)
        for parity in (0, 1):
            count = batch * ((grid.bands + 1 - parity) // 2)
            over_threads(_bands, count, threads, parity, *given)
    result: NDArray[np.float64] = totals.sum(axis=(0, 1))
    return result


def weight_sum(
    target_BHW: NDArray[Any],
    hardness_BHW: Floats,
    weight_K: Floats,
    keep_from: np.float32,
    ignore_index: int,
    threads: int,
) -> float:
    """Return the summed weight of the pixels that count: labelled and, where it is given, hard enough."""
    batch, rows = target_BHW.shape[:2]
    totals = np.zeros(batch * rows)
    given = (
        target_BHW.reshape(batch * rows, -1),
        hardness_BHW.reshape(batch * rows if hardness_BHW.size else 0, -1 if hardness_BHW.size else 0),
        weight_K,
        keep_from,
        ignore_index,
        totals,
    )
    over_threads(_weigh_rows, batch * rows if target_BHW.size else 0, threads, *given)
    return float(totals.sum())


@compiled
def _weigh_rows(
    first: int,
    last: int,
    target_NW: NDArray[Any],
    hardness_NW: Floats,
    weight_K: Floats,
    keep_from: np.float32,
    ignore_index: int,
    totals: NDArray[np.float64],
) -> None:
    """Sum the weights of rows of pixels."""
    for row in range(first, last):
        total = 0.0
        for x in range(target_NW.shape[1]):
            label = np.int64(target_NW[row, x])
            # "not less": a hardness of nan counts, as in `pixel_loss`.
            kept = not (hardness_NW.size and hardness_NW[row, x] < keep_from)
            if label != ignore_index and label >= 0 and label < len(weight_K) and kept:
                total += weight_K[label]
        totals[row] = total


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
    columns: Columns,
) -> None:
    """Work on every second band, first..last-1 of them counted through all images."""
    num_classes, per_image = logits_BKhw.shape[1], (len(band_starts) - parity) // 2
    s, loss_T = new_scratch(num_classes), np.empty(TILE, np.float64)
    for unit in range(first, last):
        b, band = unit // per_image, 2 * (unit % per_image) + parity
        loss_T[:] = 0.0
        for run in range(band_starts[band], band_starts[band + 1]):
            run_4, part, step = runs[run], shares[run, 0], shares[run, 1]
            y0, rows = run_4[2], run_4[3]
            for tile in range(len(columns[0])):
                x0 = tile * TILE + columns[3]
                for y in range(rows):
                    totals[b, band, 1] += read_labels(
                        target_BHW, b, y0 + y, x0, num_classes, options.ignore_index, s.label, y
                    )
                if columns_used(s.label, rows, s.used):
                    deep = softmax_tile(logits_BKhw, b, run_4, part, step, columns, tile, s, DEEP)
                    pixel_losses(rows, part, step, options, s, loss_T)
                    if gradient_BKhw.size:
                        weigh(deep, rows, s)
                        give_back(gradient_BKhw, b, run_4, columns, tile, s)
                if hardness_BHW.size:
                    write_hardness(s, rows, hardness_BHW, b, y0, x0)
        totals[b, band, 0] = loss_T.sum()
