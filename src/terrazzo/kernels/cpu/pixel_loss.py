"""From the sum of exponentials and the true class's logit of a pixel to its loss and gradient.

The gradient of a pixel's loss with respect to logit k is

    soft p_k - hard [k is the true class] - spread w_k

with p the softmax; `soft` and `hard` differ from pixel to pixel, `spread` is the label smoothing's share per
class, the same for every pixel that counts.

Shapes: K classes, T = grid.TILE columns.
"""

from typing import Any

import numpy as np

from terrazzo.kernels.cpu.exponent import LOWEST, exp, log
from terrazzo.kernels.cpu.grid import TILE
from terrazzo.kernels.cpu.jit import inlined
from terrazzo.kernels.cpu.widen import Floats

_ONE, _HALF, _QUARTER, _SIXTH = np.float32(1), np.float32(0.5), np.float32(0.25), np.float32(1 / 6)
_SMALL, _TINY = np.float32(0.05), np.float32(1e-30)


@inlined
def read_labels(
    target_BHW: Any, b: int, y: int, x0: int, num_classes: int, ignore_index: int, label_RT: Any, row: int
) -> int:
    """Write the labels of the tile that begins at column x0, -1 where void or outside the image.

    Returns:
        How many ids are neither a class nor void; they count as void here.
    """
    wrong = 0
    g, o = row >> 2, (row & 3) * TILE
    begin, end = max(0, -x0), min(TILE, target_BHW.shape[2] - x0)
    for x in range(TILE):
        label_RT[g, o + x] = -1
    for x in range(begin, end):
        label = np.int64(target_BHW[b, y, x0 + x])
        void = label == ignore_index
        bad = (not void) and (label < 0 or label >= num_classes)
        label_RT[g, o + x] = np.int32(-1 if void or bad else label)
        wrong += bad
    return wrong


@inlined
def focused(gamma: np.float32, n: np.float32) -> tuple[np.float32, np.float32]:
    """Return (1 - p)^gamma and the derivative by n of (1 - p)^gamma n, for n = -log p.

    With q = 1 - p the derivative is q^gamma (1 + gamma p n / q); Lin et al. 2017, Focal Loss, equation 4.
    """
    n = _TINY if n < _TINY else n
    p = exp(-n if n < -LOWEST else LOWEST)
    # 1 - p loses its digits where p is nearly 1; the series keeps them.
    q = n * (_ONE - n * (_HALF - n * _SIXTH * (_ONE - n * _QUARTER))) if n < _SMALL else _ONE - p
    exponent = gamma * log(q)
    power = exp(LOWEST if exponent < LOWEST else exponent)
    return power, power * (_ONE + gamma * p * n / q)
