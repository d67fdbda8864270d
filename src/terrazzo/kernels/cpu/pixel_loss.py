"""From the sum of exponentials and the true class's logit of a pixel to its loss and gradient.

The gradient of a pixel's loss with respect to logit k is

    soft p_k - hard [k is the true class] - spread w_k

with p the softmax; `soft` and `hard` differ from pixel to pixel, `spread` is the label smoothing's share per
class, the same for every pixel that counts.

Shapes: K classes, T = grid.TILE columns, R = grid.MAX_ROWS rows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.exponent import LOWEST, exp, log
from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import inlined
from terrazzo.kernels.cpu.tile import Scratch
from terrazzo.kernels.cpu.widen import Floats

_ZERO = np.float32(0)
_ONE, _HALF, _QUARTER, _SIXTH = np.float32(1), np.float32(0.5), np.float32(0.25), np.float32(1 / 6)
_SMALL, _TINY = np.float32(0.05), np.float32(1e-30)

# Lines of `Scratch.work`: the true class's logit, its factor, 1 where the pixel counts; for label smoothing
# the weighted sum of the logits and how it grows, and what all classes get back, in all and below.
TRUE, HARD, _KEPT, PLAIN, PLAIN_SLOPE, COUNT, _COUNT_BELOW = range(7)


class Options(NamedTuple):
    """What a call asks for, as the loops take it."""

    weights: Floats
    """(K,) factor per class."""

    smoothing: np.float32
    """Share of the target that is spread over all classes."""

    gamma: np.float32
    """Focal exponent, 0 for none."""

    keep_from: np.float32
    """Pixels whose -log p is at least this count."""

    ignore_index: int
    """The id of void."""


@inlined
def pixel_losses(
    rows: int, part: np.float32, step: np.float32, options: Options, s: Scratch, loss_T: NDArray[np.float64]
) -> None:
    """Write what the exponentials are multiplied by, and start the gradient with all that is not softmax.

    Adds the loss to `loss_T`, column by column. Leaves -log p of the
    true class in `s.total`.
    """
    if options.smoothing > _ZERO:
        _weigh_classes(options.weights, s)
    for row in range(rows):
        y, g, o = np.float32(row), row >> 2, (row & 3) * TILE
        share = part + y * step
        _true_logits(y, g, o, s)
        row_losses(y, g, o, share, options, s, loss_T)
        for x in range(TILE):
            s.factor_below[g, o + x] = share * s.factor[g, o + x]
        for x in range(TILE):
            label = s.label[g, o + x]
            k = label if label >= 0 else 0  # its factor is 0 there
            s.whole[k, x] -= s.work[HARD, x]
            s.below[k, x] -= share * s.work[HARD, x]
    if options.smoothing > _ZERO:
        for k in range(len(s.whole)):
            for x in range(TILE):
                s.whole[k, x] -= options.weights[k] * s.work[COUNT, x]
                s.below[k, x] -= options.weights[k] * s.work[_COUNT_BELOW, x]


@inlined
def row_losses(
    y: np.float32,
    g: int,
    o: int,
    share: np.float32,
    options: Options,
    s: Scratch,
    loss_T: NDArray[np.float64],
) -> None:
    """Turn a row's sums of exponentials and true logits into losses and the factors of its gradient."""
    _log_losses(g, o, options, s)
    if options.smoothing > _ZERO:
        _smooth(y, g, o, share, options, s, loss_T)
    elif options.gamma > _ZERO:
        _focus(g, o, options.gamma, s, loss_T)
    else:
        for x in range(TILE):
            loss_T[x] += s.work[HARD, x] * s.total[g, o + x]
            s.factor[g, o + x] *= s.work[HARD, x]


@inlined
def _true_logits(y: np.float32, g: int, o: int, s: Scratch) -> None:
    for x in range(TILE):
        label = s.label[g, o + x]
        k = label if label >= 0 else 0
        s.work[TRUE, x] = s.start[k, x] + y * s.slope[k, x]


@inlined
def _log_losses(g: int, o: int, options: Options, s: Scratch) -> None:
    """Turn the sums of exponentials of a row into -log p of the true class; see which pixels count."""
    for x in range(TILE):
        label = s.label[g, o + x]
        k = label if label >= 0 else 0
        s.work[HARD, x] = options.weights[k] if label >= 0 else _ZERO
    for x in range(TILE):
        total = s.total[g, o + x]
        loss = log(total) + s.shift[g, o + x] - s.work[TRUE, x]
        # "not less": a loss of nan counts, so that it shows.
        kept = _ONE if s.label[g, o + x] >= 0 and not loss < options.keep_from else _ZERO
        s.total[g, o + x] = loss
        s.factor[g, o + x] = kept / total
        s.work[HARD, x] *= kept
        s.work[_KEPT, x] = kept


@inlined
def _weigh_classes(weight_K: Floats, s: Scratch) -> None:
    """Write the weighted sum of all classes' logits, and clear what all classes get back."""
    for x in range(TILE):
        s.work[PLAIN, x] = s.work[PLAIN_SLOPE, x] = s.work[COUNT, x] = s.work[_COUNT_BELOW, x] = _ZERO
    for k in range(len(weight_K)):
        for x in range(TILE):
            s.work[PLAIN, x] += weight_K[k] * s.start[k, x]
            s.work[PLAIN_SLOPE, x] += weight_K[k] * s.slope[k, x]


@inlined
def _smooth(
    y: np.float32,
    g: int,
    o: int,
    share: np.float32,
    options: Options,
    s: Scratch,
    loss_T: NDArray[np.float64],
) -> None:
    """Add the loss of a row with label smoothing.

    The classes' part, sum of w_k (log sum exp v - v_k), needs v only in a weighted sum, which is a straight
    line in y as every v_k is.
    """
    all_weights = _ZERO
    for k in range(len(options.weights)):
        all_weights += options.weights[k]
    spread = options.smoothing / np.float32(len(options.weights))
    for x in range(TILE):
        kept = s.work[_KEPT, x] * spread
        hard = s.work[HARD, x] * (_ONE - options.smoothing)
        loss = s.total[g, o + x]
        plain = s.work[PLAIN, x] + y * s.work[PLAIN_SLOPE, x]
        loss_T[x] += kept * (all_weights * (loss + s.work[TRUE, x]) - plain) + hard * loss
        s.work[COUNT, x] += kept
        s.work[_COUNT_BELOW, x] += share * kept
        s.work[HARD, x] = hard
        s.factor[g, o + x] *= hard + kept * all_weights


@inlined
def _focus(g: int, o: int, gamma: np.float32, s: Scratch, loss_T: NDArray[np.float64]) -> None:
    """Add the focal loss of a row, (1 - p)^gamma n with n = -log p.

    With q = 1 - p its derivative by n is q^gamma (1 + gamma p n / q); Lin et al. 2017, Focal Loss, eq. 4.
    """
    for x in range(TILE):
        n = s.total[g, o + x]
        n = _TINY if n < _TINY else n
        p = exp(-n if n < -LOWEST else LOWEST)
        # 1 - p loses its digits where p is nearly 1; the series keeps them.
        q = n * (_ONE - n * (_HALF - n * _SIXTH * (_ONE - n * _QUARTER))) if n < _SMALL else _ONE - p
        exponent = gamma * log(q)
        power = exp(LOWEST if exponent < LOWEST else exponent)
        loss_T[x] += s.work[HARD, x] * power * n
        s.work[HARD, x] *= power * (_ONE + gamma * p * n / q)
        s.factor[g, o + x] *= s.work[HARD, x]
