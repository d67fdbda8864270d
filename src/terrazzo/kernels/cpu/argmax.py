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
from terrazzo.kernels.cpu.grid import MAX_ROWS, TILE, grid_of
from terrazzo.kernels.cpu.jit import compiled, inlined, over_threads
from terrazzo.kernels.cpu.widen import Floats, widen

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
        over_threads(lambda first, last: _argmax_flat(first, last, *flat), count, threads)
        return
    grid = grid_of((height, width), stride, align_corners)
    given = (logits_BKhw, labels_BHW, chance_BHW, *grid.arguments)
    over_threads(lambda first, last: _argmax_bands(first, last, *given), batch * grid.bands, threads)


@compiled
def _argmax_bands(
    first: int,
    last: int,
    logits_BKhw: Any,
    labels_BHW: Any,
    chance_BHW: Any,
    band_starts: NDArray[np.int64],
    runs: NDArray[np.int64],
    shares: Floats,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    share: Floats,
    origin: int,
    group: int,
) -> None:
    """Label the bands first..last-1, counted through all images; `chance_BHW` may have no elements."""
    num_classes, bands = logits_BKhw.shape[1], len(band_starts) - 1
    start_KT = np.empty((num_classes, TILE), np.float32)
    slope_KT = np.empty((num_classes, TILE), np.float32)
    floor_T = np.empty(TILE, np.float32)
    best_RT = np.empty(MAX_ROWS * TILE, np.float32)
    winner_RT = np.empty(MAX_ROWS * TILE, np.int32)
    classes = np.empty(num_classes, np.int32)
    for unit in range(first, last):
        image, band = unit // bands, unit % bands
        for run in range(band_starts[band], band_starts[band + 1]):
            above, below, y0, rows = runs[run]
            for x0 in range(0, len(left), TILE):
                tile = slice(x0, x0 + TILE)
                lefts, rights, shares_T = left[tile], right[tile], share[tile]
                for k in range(num_classes):
                    widen(group, logits_BKhw[image, k, above], lefts, rights, shares_T, start_KT[k])
                    widen(group, logits_BKhw[image, k, below], lefts, rights, shares_T, slope_KT[k])
                _ends(start_KT, slope_KT, shares[run, 0], shares[run, 1], rows)
                count = _candidates(start_KT, slope_KT, floor_T, classes)
                _slopes(start_KT, slope_KT, rows)
                best_RT[:] = _MINUS_INFINITY
                winner_RT[:] = 0
                for i in range(count):
                    k = classes[i]
                    for y in range(0, rows, 4):
                        four = slice(y * TILE, (y + 4) * TILE)
                        _challenge(k, np.float32(y), start_KT[k], slope_KT[k], best_RT[four], winner_RT[four])
                begin, end = max(0, -(x0 + origin)), min(TILE, labels_BHW.shape[2] - x0 - origin)
                for y in range(rows):
                    row = labels_BHW[image, y0 + y]
                    for x in range(begin, end):
                        row[x0 + origin + x] = winner_RT[y * TILE + x]
                if chance_BHW.size:
                    for y in range(rows):
                        _probability(y, start_KT, slope_KT, best_RT[y * TILE : (y + 1) * TILE], floor_T)
                        row = chance_BHW[image, y0 + y]
                        for x in range(begin, end):
                            row[x0 + origin + x] = floor_T[x]


@compiled
def _argmax_flat(first: int, last: int, logits_BKN: Any, labels_BN: Any, chance_BN: Any) -> None:
    """Label the blocks first..last-1 of _FLAT pixels, where the logits are at full size already."""
    _, num_classes, pixels = logits_BKN.shape
    blocks = -(-pixels // _FLAT)
    best = np.empty(_FLAT, np.float32)
    winner = np.empty(_FLAT, np.int32)
    for unit in range(first, last):
        image, start = unit // blocks, (unit % blocks) * _FLAT
        count = min(_FLAT, pixels - start)
        best[:count] = logits_BKN[image, 0, start : start + count]
        winner[:count] = 0
        for k in range(1, num_classes):
            logits = logits_BKN[image, k, start : start + count]
            for x in range(count):
                better = logits[x] > best[x]
                best[x] = logits[x] if better else best[x]
                winner[x] = np.int32(k) if better else winner[x]
        for x in range(count):
            labels_BN[image, start + x] = winner[x]
        if chance_BN.size:
            total = np.zeros(_FLAT, np.float32)
            for k in range(num_classes):
                logits = logits_BKN[image, k, start : start + count]
                for x in range(count):
                    total[x] += exp(max(logits[x] - best[x], LOWEST))
            for x in range(count):
                chance_BN[image, start + x] = _ONE / total[x]


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
    floor_T[:] = _MINUS_INFINITY
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
def _challenge(
    k: np.int32, y: np.float32, start_T: Floats, slope_T: Floats, best_4T: Floats, winner_4T: Any
) -> None:
    """Let class k compete with the best so far in the four rows from y on."""
    for x in range(TILE):
        slope = slope_T[x]
        v0 = start_T[x] + y * slope
        v1 = v0 + slope
        v2 = v1 + slope
        v3 = v2 + slope
        # Written out and all read before any is written: so the compiler sees four rows of vectors.
        b0, b1, b2, b3 = best_4T[x], best_4T[TILE + x], best_4T[2 * TILE + x], best_4T[3 * TILE + x]
        w0, w1, w2, w3 = winner_4T[x], winner_4T[TILE + x], winner_4T[2 * TILE + x], winner_4T[3 * TILE + x]
        best_4T[x] = v0 if v0 > b0 else b0
        best_4T[TILE + x] = v1 if v1 > b1 else b1
        best_4T[2 * TILE + x] = v2 if v2 > b2 else b2
        best_4T[3 * TILE + x] = v3 if v3 > b3 else b3
        winner_4T[x] = k if v0 > b0 else w0
        winner_4T[TILE + x] = k if v1 > b1 else w1
        winner_4T[2 * TILE + x] = k if v2 > b2 else w2
        winner_4T[3 * TILE + x] = k if v3 > b3 else w3


@inlined
def _probability(y: int, start_KT: Floats, slope_KT: Floats, best_T: Floats, result_T: Floats) -> None:
    """Write the softmax of the winning value of one row."""
    result_T[:] = _ZERO
    for k in range(len(start_KT)):
        for x in range(TILE):
            value = start_KT[k, x] + np.float32(y) * slope_KT[k, x]
            result_T[x] += exp(max(value - best_T[x], LOWEST))
    for x in range(TILE):
        result_T[x] = _ONE / result_T[x]
