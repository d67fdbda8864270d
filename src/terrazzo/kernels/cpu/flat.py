"""Cross-entropy and its gradient where the logits are at full size already: one pass over memory.

A tile of pixels is read twice (largest logit, then exponentials; the second time from the cache).

Shapes: B images, K classes, N pixels of an image, T = grid.TILE pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.exponent import LOWEST, exp
from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import compiled, inlined
from terrazzo.kernels.cpu.pixel_loss import COUNT, HARD, PLAIN, PLAIN_SLOPE, TRUE, Options, row_losses
from terrazzo.kernels.cpu.tile import Scratch, new_scratch, read_labels
from terrazzo.kernels.cpu.widen import Floats

_ZERO, _ONE = np.float32(0), np.float32(1)
_MINUS_INFINITY = np.float32(-np.inf)


@compiled
def flat_losses(
    first: int,
    last: int,
    logits_BKN: Floats,
    target_B1N: NDArray[Any],
    gradient_BKN: Floats,
    hardness_B1N: Floats,
    options: Options,
    totals: NDArray[np.float64],
) -> None:
    """Work on the tiles first..last-1 of T pixels; gradient and hardness may have no elements."""
    num_classes, pixels, tiles = logits_BKN.shape[1], logits_BKN.shape[2], totals.shape[1]
    s, loss_T = new_scratch(num_classes), np.empty(TILE, np.float64)
    for unit in range(first, last):
        b, tile = unit // tiles, unit % tiles
        x0 = tile * TILE
        count = min(TILE, pixels - x0)
        totals[b, tile, 1] = read_labels(target_B1N, b, 0, x0, num_classes, options.ignore_index, s.label, 0)
        if count == TILE:  # then the loops' length is known when they are compiled: they become vectors
            _softmax(logits_BKN, b, x0, TILE, s)
        else:
            _softmax(logits_BKN, b, x0, count, s)
        _true_logits(logits_BKN, b, x0, s)
        s.work[COUNT] = _ZERO
        if options.smoothing > _ZERO:
            _weigh_classes(options.weights, s)
        loss_T[:] = 0.0
        row_losses(_ZERO, 0, 0, _ZERO, options, s, loss_T)
        if gradient_BKN.size:
            if count == TILE:
                _gradient(b, x0, TILE, options, gradient_BKN, s)
            else:
                _gradient(b, x0, count, options, gradient_BKN, s)
        if hardness_B1N.size:
            write_hardness(s, 1, hardness_B1N, b, 0, x0)
        totals[b, tile, 0] = loss_T.sum()


@inlined
def _softmax(logits_BKN: Floats, b: int, x0: int, count: int, s: Scratch) -> None:
    """Write the largest logit, the exponentials about it and their sum."""
    for x in range(TILE):
        s.power[x] = _MINUS_INFINITY
        s.total[0, x] = _ZERO
    for k in range(len(s.first)):
        for x in range(count):
            value = logits_BKN[b, k, np.uint64(x0 + x)]
            s.start[k, x] = value
            s.power[x] = value if value > s.power[x] else s.power[x]
    _blank_void(s)
    for k in range(len(s.first)):
        for x in range(TILE):
            value = s.start[k, x] - s.power[x]
            power = exp(LOWEST if value < LOWEST else value)
            s.first[k, x] = power
            s.total[0, x] += power
    for x in range(TILE):
        s.shift[0, x] = s.power[x]


@inlined
def _blank_void(s: Scratch) -> None:
    """Set the logits of pixels that do not count to 0: what is no number there must not reach a sum."""
    void = False
    for x in range(TILE):
        void |= s.label[0, x] < 0
    if void:
        for x in range(TILE):
            s.power[x] = s.power[x] if s.label[0, x] >= 0 else _ZERO
        for k in range(len(s.start)):
            for x in range(TILE):
                s.start[k, x] = s.start[k, x] if s.label[0, x] >= 0 else _ZERO


@inlined
def _true_logits(logits_BKN: Floats, b: int, x0: int, s: Scratch) -> None:
    for x in range(TILE):
        label = s.label[0, x]
        s.work[TRUE, x] = logits_BKN[b, label, x0 + x] if label >= 0 else _ZERO


@inlined
def _weigh_classes(weight_K: Floats, s: Scratch) -> None:
    """Write the weighted sum of all classes' logits, about the largest; see `pixel_loss`."""
    for x in range(TILE):
        s.work[PLAIN, x] = s.work[PLAIN_SLOPE, x] = s.work[COUNT, x] = _ZERO
        s.work[TRUE, x] -= s.shift[0, x]
    for k in range(len(weight_K)):
        for x in range(TILE):
            s.work[PLAIN, x] += weight_K[k] * (s.start[k, x] - s.shift[0, x])
    for x in range(TILE):
        s.shift[0, x] = _ZERO


@inlined
def _gradient(b: int, x0: int, count: int, options: Options, gradient_BKN: Floats, s: Scratch) -> None:
    """Write the gradient."""
    for k in range(len(options.weights)):
        spread = options.weights[k] if options.smoothing > _ZERO else _ZERO
        for x in range(count):
            gradient_BKN[b, k, np.uint64(x0 + x)] = s.first[k, x] * s.factor[0, x] - spread * s.work[COUNT, x]
    for x in range(count):
        label = s.label[0, x]
        if label >= 0:
            gradient_BKN[b, label, x0 + x] -= s.work[HARD, x]


@inlined
def write_hardness(s: Scratch, rows: int, hardness_BHW: Floats, b: int, y0: int, x0: int) -> None:
    """Write -log p of the true class, -1 at void."""
    begin, end = max(0, -x0), min(TILE, hardness_BHW.shape[2] - x0)
    for y in range(rows):
        g, o = y >> 2, (y & 3) * TILE
        for x in range(begin, end):
            hardness_BHW[b, y0 + y, x0 + x] = s.total[g, o + x] if s.label[g, o + x] >= 0 else -_ONE
