"""Counting confusion matrices of label maps that are on an accelerator, without moving them.

PyTorch's own histogram counts, a strip of pixels at a time: nothing of full size is wider than the maps.
"""

import torch
from torch import Tensor

STRIP = 1 << 22
"""Pixels counted together: their cells are 16 MB."""


def count_cells(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int
) -> tuple[Tensor, bool]:
    """Count how often each true class was predicted as each class.

    Args:
        prediction: integer train ids of any shape.
        target: train ids of the same shape.
        num_classes: K.
        ignore_index: the train id of void.

    Returns:
        (K, K) int64 counts on the maps' device, rows = truth; and whether a valid pixel holds an id outside
        0..K-1, which is counted nowhere.
    """
    cells = num_classes**2
    counts = torch.zeros(
        cells + 2, dtype=torch.int64, device=target.device
    )  # void, and wrong ids, at the end
    flat = prediction.reshape(-1), target.reshape(-1)
    for predicted, true in zip(*(torch.split(ids, STRIP) for ids in flat), strict=True):
        counts += torch.bincount(_cells(predicted, true, num_classes, ignore_index), minlength=cells + 2)
    return counts[:cells].reshape(num_classes, num_classes), bool(counts[-1])


def _cells(predicted: Tensor, true: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Return each pixel's place in the flattened matrix."""
    void = true == ignore_index
    wrong = (true < 0) | (true >= num_classes) | (predicted < 0) | (predicted >= num_classes)
    cell = true.to(torch.int32).mul_(num_classes).add_(predicted)
    return cell.masked_fill_(wrong, num_classes**2 + 1).masked_fill_(void, num_classes**2)
