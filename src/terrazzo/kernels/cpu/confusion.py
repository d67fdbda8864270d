"""Counting a confusion matrix in one pass over two label maps, of their own integer types.

Shapes: K classes, N pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.jit import compiled

_LANES = 4
_FEW_CELLS = 4096


@compiled
def count(
    prediction_N: NDArray[Any], target_N: NDArray[Any], num_classes: int, ignore_index: int, counts: Any
) -> int:
    """Add to the (K, K) counts, rows = truth; return how many valid pixels hold an id that is no class."""
    cells = num_classes * num_classes
    # Neighbouring pixels mostly fall into one cell: several tables, so that none waits for the one before.
    lanes = _LANES if cells <= _FEW_CELLS else 1
    table = np.zeros(lanes * (cells + 1), np.int64)
    wrong = np.int64(0)
    for i in range(len(target_N)):
        truth, guess = np.int64(target_N[i]), np.int64(prediction_N[i])
        valid = truth != ignore_index
        known = (truth >= 0) & (truth < num_classes) & (guess >= 0) & (guess < num_classes)
        wrong += valid & (not known)
        cell = truth * num_classes + guess if valid & known else cells
        table[(i & (lanes - 1)) * (cells + 1) + cell] += 1
    for lane in range(lanes):
        for cell in range(cells):
            counts[cell // num_classes, cell % num_classes] += table[lane * (cells + 1) + cell]
    return wrong  # type: ignore[return-value]
