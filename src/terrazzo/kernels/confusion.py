"""Counting confusion matrices from label maps: one pass, integers throughout, no copy of wider type.

Large maps are counted by a compiled loop (`kernels.cpu.confusion`), small ones, and all where numba is
missing, by numpy; CUDA tensors where they are (`kernels.gpu.confusion`). Torch is needed for tensors only.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cpu import compiled_room

if TYPE_CHECKING:
    from torch import Tensor

_SMALL = 1 << 14
"""Pixels up to which importing numba would cost more than it gives."""


def count_confusion(
    prediction: "NDArray[Any] | Tensor",
    target: "NDArray[Any] | Tensor",
    num_classes: int,
    *,
    ignore_index: int = IGNORE,
    per_image: bool = False,
) -> NDArray[np.int64]:
    """Count how often each true class was predicted as each class.

    Args:
        prediction: integer train ids of any shape, for instance (H, W), an array or a tensor; every value
            under a valid pixel lies in 0..K-1, what lies under void is not looked at.
        target: train ids of the same shape, an array or a tensor on the same device; 0..K-1 or
            `ignore_index`.
        num_classes: K, void not counted.
        ignore_index: the train id of void.
        per_image: whether the first dimension counts images, each with a matrix of its own.

    Returns:
        (K, K) counts, rows = truth, columns = prediction; (B, K, K) per image. The sum is the number of valid
        pixels.

    Raises:
        DataError: the shapes differ, or a valid pixel holds an id outside 0..K-1.
    """
    if prediction.shape != target.shape:
        raise DataError(
            f"Prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape; "
            "score a prediction against the mask of the same image at the mask's own size."
        )
    if per_image:
        counts = np.zeros((len(target), num_classes, num_classes), np.int64)
        for image in range(len(target)):
            counts[image] = count_confusion(
                prediction[image], target[image], num_classes, ignore_index=ignore_index
            )
        return counts
    if not isinstance(prediction, np.ndarray) and prediction.device.type != "cpu":
        return _count_tensors(prediction, target, num_classes, ignore_index)
    prediction, target = np.asarray(prediction), np.asarray(target)
    _refuse_fractions("Target", target)
    _refuse_fractions("Prediction", prediction)
    room = compiled_room("confusion") if target.size > _SMALL else None
    if room is None:
        return _count_by_numpy(prediction, target, num_classes, ignore_index)
    matrix = np.zeros((num_classes, num_classes), np.int64)
    if room.count(prediction.reshape(-1), target.reshape(-1), num_classes, ignore_index, matrix):
        _refuse_outside(prediction, target, num_classes, ignore_index)
    return matrix


def _count_tensors(prediction: Any, target: Any, num_classes: int, ignore_index: int) -> NDArray[np.int64]:
    from terrazzo.kernels.gpu.confusion import count_cells

    for what, ids in (("Target", target), ("Prediction", prediction)):
        if ids.dtype.is_floating_point:
            raise DataError(f"{what} ids are {ids.dtype}; expected whole numbers.")
    counts, wrong = count_cells(prediction, target, num_classes, ignore_index)
    if wrong:
        _refuse_outside(prediction.cpu().numpy(), target.cpu().numpy(), num_classes, ignore_index)
    matrix: NDArray[np.int64] = counts.cpu().numpy()
    return matrix


def _count_by_numpy(
    prediction: NDArray[Any], target: NDArray[Any], num_classes: int, ignore_index: int
) -> NDArray[np.int64]:
    _refuse_outside(prediction, target, num_classes, ignore_index)
    cell = target.astype(np.intp)
    cell *= num_classes
    cell += prediction
    cell[target == ignore_index] = num_classes**2  # one bin past the matrix, cut off below
    counts = np.bincount(cell.ravel(), minlength=num_classes**2 + 1)[: num_classes**2]
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def _refuse_fractions(what: str, ids: NDArray[Any]) -> None:
    if not np.issubdtype(ids.dtype, np.integer):
        raise DataError(f"{what} ids are {ids.dtype}; expected whole numbers.")


def _refuse_outside(
    prediction: NDArray[Any], target: NDArray[Any], num_classes: int, ignore_index: int
) -> None:
    valid = target != ignore_index
    for what, ids in (("Target", target), ("Prediction", prediction)):
        outside = valid & ((ids < 0) | (ids >= num_classes))
        if outside.any():
            raise DataError(
                f"{what} holds id {int(ids[outside][0])} on {int(outside.sum())} valid pixels; expected "
                f"0..{num_classes - 1}. Check that the model and the label map have the same classes."
            )
