"""The class with the largest upsampled logit, band by band.

Within a run of rows every class is a straight line between its value at the first and at the last row. A
class that is nowhere in the tile above the best class's lower end cannot win there; on real logits this
leaves a handful of classes.

Shapes: B images, K classes, h x w logits, H x W full size, T = grid.TILE columns, R = grid.MAX_ROWS rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.exponent import LOWEST, exp
from terrazzo.kernels.cpu.grid import FOUR, MAX_ROWS, TILE, grid_of
from terrazzo.kernels.cpu.jit import compiled, inlined, over_threads
from terrazzo.kernels.cpu.widen import Columns, Floats, Ints, widen

_ZERO, _ONE = np.float32(0), np.float32(1)
_MINUS_INFINITY = np.float32(-np.inf)
_FLAT = 1024
"""Pixels worked on together where logits are at full size: one memory page per class."""


def label(
    logits_BKhw: Floats, labels_BHW: Any, chance_BHW: Floats, stride: int, align_corners: bool, threads: int
) -> None:
    """Write the winning class of every pixel, and its probability unless `chance_BHW` has no elements."""
    batch, num_classes = logits_BKhw.shape[:2]
    height, width = labels_BHW.shape[1:]
    if labels_BHW.size == 0:
        return
    if stride == 1:
        pixels = height * width
        logits_BKN = logits_BKhw.reshape(batch, num_classes, pixels)
        flat = (
            logits_BKN,
            labels_BHW.reshape(batch, -1),
            chance_BHW.reshape(len(chance_BHW), pixels if chance_BHW.size else 0),
        )
        count = batch * -(-pixels // _FLAT)
        over_threads(_argmax_flat, count, threads, *flat)
        return
    grid = grid_of((height, width), stride, align_corners)
    given = (logits_BKhw, labels_BHW, chance_BHW, *grid.arguments)
    over_threads(_argmax_bands, batch * grid.bands, threads, *given)


def label_last(logits_BNK: Floats, labels_BN: Any, threads: int) -> None:
    """Write the winning class of every pixel, where a pixel's logits lie side by side, at full size."""
    count = len(logits_BNK) * -(-logits_BNK.shape[1] // _FLAT)
    over_threads(_argmax_last, count, threads, logits_BNK, labels_BN)


@compiled
def _argmax_bands(
    first: int,
    last: int,
    logits_BKhw: Any,
    labels_BHW: Any,
    chance_BHW: Any,
    band_starts: Ints,
    runs: Ints,
    shares: Floats,
    columns: Columns,
) -> None:
    """Label the bands first..last-1, counted through all images; `chance_BHW` may have no elements."""
    num_classes, bands = logits_BKhw.shape[1], len(band_starts) - 1
    start_KT, slope_KT = np.empty((num_classes, TILE), np.float32), np.empty((num_classes, TILE), np.float32)
    best_RT = np.empty((MAX_ROWS // 4, FOUR), np.float32)
    winner_RT = np.empty((MAX_ROWS // 4, FOUR), np.int32)
    floor_T = np.empty(TILE, np.float32)
    classes = np.empty(num_classes, np.int32)
    for unit in range(first, last):
        image, band = unit // bands, unit % bands
        for run in range(band_starts[band], band_starts[band + 1]):
            above, below, y0, rows = runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3]
            for tile in range(len(columns[0])):
                widen(logits_BKhw, image, above, columns, tile, start_KT)
                widen(logits_BKhw, image, below, columns, tile, slope_KT)
                _ends(start_KT, slope_KT, shares[run, 0], shares[run, 1], rows)
                count = _candidates(start_KT, slope_KT, floor_T, classes)
                _slopes(start_KT, slope_KT, rows)
                _compete(classes, count, rows, start_KT, slope_KT, best_RT, winner_RT)
                x0 = tile * TILE + columns[3]
                begin, end = max(0, -x0), min(TILE, labels_BHW.shape[2] - x0)
                for y in range(rows):
                    for x in range(begin, end):
                        labels_BHW[image, y0 + y, np.uint64(x0 + x)] = winner_RT[y >> 2, (y & 3) * TILE + x]
                if chance_BHW.size:
                    for y in range(rows):
                        _probability(y, start_KT, slope_KT, best_RT, floor_T)
                        for x in range(begin, end):
                            chance_BHW[image, y0 + y, np.uint64(x0 + x)] = floor_T[x]


@compiled
def _argmax_flat(first: int, last: int, logits_BKN: Any, labels_BN: Any, chance_BN: Any) -> None:
    """Label the blocks first..last-1 of _FLAT pixels, where the logits are at full size already."""
    num_classes, pixels = logits_BKN.shape[1], logits_BKN.shape[2]
    blocks = -(-pixels // _FLAT)
    best, winner = np.empty(_FLAT, np.float32), np.empty(_FLAT, np.int32)
    for unit in range(first, last):
        b, start = unit // blocks, (unit % blocks) * _FLAT
        count = min(_FLAT, pixels - start)
        for x in range(count):
            best[x] = logits_BKN[b, 0, np.uint64(start + x)]
            winner[x] = 0
        for k in range(1, num_classes):
            for x in range(count):
                value = logits_BKN[b, k, np.uint64(start + x)]
                winner[x] = np.int32(k) if value > best[x] else winner[x]
                best[x] = value if value > best[x] else best[x]
        for x in range(count):
            labels_BN[b, np.uint64(start + x)] = winner[x]
        if chance_BN.size:
            _chance_flat(logits_BKN, b, start, count, best, chance_BN)


@compiled
def _argmax_last(first: int, last: int, logits_BNK: Any, labels_BN: Any) -> None:
    """Label the blocks first..last-1 of _FLAT pixels, where a pixel's logits lie side by side."""
    pixels, num_classes = logits_BNK.shape[1], logits_BNK.shape[2]
    blocks = -(-pixels // _FLAT)
    for unit in range(first, last):
        b, start = unit // blocks, (unit % blocks) * _FLAT
        for x in range(start, min(start + _FLAT, pixels)):
            best, winner = logits_BNK[b, np.uint64(x), 0], 0
            for k in range(1, num_classes):
                value = logits_BNK[b, np.uint64(x), k]
                winner = k if value > best else winner
                best = value if value > best else best
            labels_BN[b, np.uint64(x)] = winner


@inlined
def _chance_flat(logits_BKN: Any, b: int, start: int, count: int, best: Floats, chance_BN: Any) -> None:
    """Write the softmax of the winning value of a block."""
    total = np.zeros(_FLAT, np.float32)
    for k in range(logits_BKN.shape[1]):
        for x in range(count):
            value = logits_BKN[b, k, np.uint64(start + x)] - best[x]
            total[x] += exp(LOWEST if value < LOWEST else value)
    for x in range(count):
        chance_BN[b, np.uint64(start + x)] = _ONE / total[x]


@inlined
def _ends(above_KT: Floats, below_KT: Floats, part: np.float32, step: np.float32, rows: int) -> None:
    """Turn the rows of logits around a run into its first and its last row, in place."""
    last = part + step * np.float32(rows - 1)
    for k in range(len(above_KT)):
        for x in range(TILE):
            above, below = above_KT[k, x], below_KT[k, x]
            above_KT[k, x] = (_ONE - part) * above + part * below
            below_KT[k, x] = (_ONE - last) * above + last * below


@inlined
def _slopes(start_KT: Floats, end_KT: Floats, rows: int) -> None:
    """Turn the last row of a run into the step from row to row, in place."""
    scale = _ONE / np.float32(max(rows - 1, 1))
    for k in range(len(start_KT)):
        for x in range(TILE):
            end_KT[k, x] = (end_KT[k, x] - start_KT[k, x]) * scale


@inlined
def _candidates(start_KT: Floats, end_KT: Floats, floor_T: Floats, classes: NDArray[np.int32]) -> int:
    """List the classes that may win somewhere in the tile, in rising order; return how many."""
    for x in range(TILE):
        floor_T[x] = _MINUS_INFINITY
    for k in range(len(start_KT)):
        for x in range(TILE):
            low = start_KT[k, x] if start_KT[k, x] < end_KT[k, x] else end_KT[k, x]
            floor_T[x] = low if low > floor_T[x] else floor_T[x]
    count = 0
    for k in range(len(start_KT)):
        reaches = np.int32(0)
        for x in range(TILE):
            high = start_KT[k, x] if start_KT[k, x] > end_KT[k, x] else end_KT[k, x]
            reaches |= np.int32(1) if high >= floor_T[x] else np.int32(0)
        if reaches:
            classes[count] = k
            count += 1
    return count


@inlined
def _compete(
    classes: NDArray[np.int32],
    count: int,
    rows: int,
    start_KT: Floats,
    slope_KT: Floats,
    best_RT: Floats,
    winner_RT: Any,
) -> None:
    """Let the listed classes compete in every pixel, four rows at a time."""
    for g in range((rows + 3) // 4):
        for x in range(FOUR):
            best_RT[g, x] = _MINUS_INFINITY
            winner_RT[g, x] = 0
        y = np.float32(4 * g)
        for i in range(count):
            k = classes[i]
            for x in range(TILE):
                slope = slope_KT[k, x]
                v0 = start_KT[k, x] + y * slope
                v1 = v0 + slope
                v2 = v1 + slope
                v3 = v2 + slope
                # All are read before any is written: so the compiler sees four rows of vectors.
                b0, b1 = best_RT[g, x], best_RT[g, TILE + x]
                b2, b3 = best_RT[g, 2 * TILE + x], best_RT[g, 3 * TILE + x]
                w0, w1 = winner_RT[g, x], winner_RT[g, TILE + x]
                w2, w3 = winner_RT[g, 2 * TILE + x], winner_RT[g, 3 * TILE + x]
                best_RT[g, x] = v0 if v0 > b0 else b0
                best_RT[g, TILE + x] = v1 if v1 > b1 else b1
                best_RT[g, 2 * TILE + x] = v2 if v2 > b2 else b2
                best_RT[g, 3 * TILE + x] = v3 if v3 > b3 else b3
                winner_RT[g, x] = k if v0 > b0 else w0
                winner_RT[g, TILE + x] = k if v1 > b1 else w1
                winner_RT[g, 2 * TILE + x] = k if v2 > b2 else w2
                winner_RT[g, 3 * TILE + x] = k if v3 > b3 else w3


@inlined
def _probability(row: int, start_KT: Floats, slope_KT: Floats, best_RT: Floats, result_T: Floats) -> None:
    """Write the softmax of the winning value of one row."""
    y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
    for x in range(TILE):
        result_T[x] = _ZERO
    for k in range(len(start_KT)):
        for x in range(TILE):
            value = start_KT[k, x] + y * slope_KT[k, x] - best_RT[g, o + x]
            result_T[x] += exp(LOWEST if value < LOWEST else value)
    for x in range(TILE):
        result_T[x] = _ONE / result_T[x]
