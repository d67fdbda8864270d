"""Counting a confusion matrix from two label maps: numpy only, one pass, integers throughout."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.sample import IGNORE


def count_confusion(
    prediction: NDArray[Any], target: NDArray[Any], num_classes: int, *, ignore_index: int = IGNORE
) -> NDArray[np.int64]:
    """Count how often each true class was predicted as each class.

    Args:
        prediction: integer train ids of any shape, for instance (H, W); every value under a valid pixel
            lies in 0..K-1, what lies under void is not looked at.
        target: train ids of the same shape; 0..K-1 or `ignore_index`.
        num_classes: K, void not counted.
        ignore_index: the train id of void.

    Returns:
        (K, K) counts, rows = truth, columns = prediction. The sum is the number of valid pixels.

    Raises:
        DataError: the shapes differ, or a valid pixel holds an id outside 0..K-1.
    """
    if prediction.shape != target.shape:
        raise DataError(
            f"Prediction {prediction.shape} and target {target.shape} differ in shape; "
            "score a prediction against the mask of the same image at the mask's own size."
        )
    valid = target != ignore_index
    _refuse_outside("Target", target, valid, num_classes)
    _refuse_outside("Prediction", prediction, valid, num_classes)
    cell = target.astype(np.intp)
    cell *= num_classes
    cell += prediction
    cell[~valid] = num_classes**2  # one bin past the matrix, cut off below
    counts = np.bincount(cell.ravel(), minlength=num_classes**2 + 1)[: num_classes**2]
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def _refuse_outside(what: str, ids: NDArray[Any], valid: NDArray[np.bool_], num_classes: int) -> None:
    if not np.issubdtype(ids.dtype, np.integer):
        raise DataError(f"{what} ids are {ids.dtype}; expected whole numbers.")
    outside = valid & ((ids < 0) | (ids >= num_classes))
    if outside.any():
        first = int(ids[outside][0])
        raise DataError(
            f"{what} holds id {first} on {int(outside.sum())} valid pixels; "
            f"expected 0..{num_classes - 1}. Check that the model and the label map have the same classes."
        )
