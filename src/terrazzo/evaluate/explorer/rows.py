"""What the explorer knows of each image: plain numbers, all from the counts of an evaluation.

Shapes: K classes. Shares are fractions of the image's counted pixels, so void is in none of them.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.metrics.scores import Margins, iou, mean_iou, pixel_accuracy, plain

DIGITS: Final = 6
"""Decimals that are kept of a fraction: of an image of a million pixels each one still counts."""

Matrix = NDArray[np.int64]


def image_row(
    id: str, group: str | None, folder: str, size: Sequence[int], matrices: Sequence[Matrix]
) -> dict[str, Any]:
    """Return one row of the page.

    Args:
        id: the image's id.
        group: its scene or video, where known.
        folder: where its pictures lie, within the folder of pictures.
        size: (H, W) of its pictures.
        matrices: the (K, K) counts of each model, rows = truth.

    Returns:
        `truth`: class -> share of the pixels, of the classes that are there; `models`: see `model_row`.
    """
    truth_K = matrices[0].sum(axis=1)
    total = max(1, int(truth_K.sum()))
    return {
        "id": id,
        "group": group,
        "folder": folder,
        "size": list(size),
        "truth": {int(k): _short(truth_K[k] / total) for k in np.flatnonzero(truth_K)},
        "models": [model_row(matrix) for matrix in matrices],
    }


def model_row(matrix: Matrix) -> dict[str, Any]:
    """Return what one model did to one image.

    Returns:
        `miou` and `accuracy` (None where all is void); `iou`: class -> IoU, of classes in truth or
        prediction; `worst`: the class of the truth with the lowest IoU, of equals the largest (None without
        a class); `pairs`: [truth, prediction, share of the pixels] of every mistake, the largest first.
    """
    margins = Margins.of(matrix)
    iou_K = iou(margins)
    return {
        "miou": _short(float(mean_iou(margins))),
        "accuracy": _short(float(pixel_accuracy(margins))),
        "iou": {int(k): _short(iou_K[k]) for k in np.flatnonzero(~np.isnan(iou_K))},
        "worst": _worst(iou_K, margins.truth),
        "pairs": _pairs(matrix),
    }


def _worst(iou_K: NDArray[np.float64], truth_K: NDArray[np.float64]) -> int | None:
    """Leave out classes that are only predicted: their IoU is 0, however few the pixels."""
    there = np.flatnonzero(truth_K)
    return int(min(there, key=lambda k: (iou_K[k], -truth_K[k]))) if there.size else None


def _pairs(matrix: Matrix) -> list[list[float]]:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    total = max(1, int(matrix.sum()))
    cells = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    places = [divmod(int(cell), len(matrix)) for cell in cells]
    return [[k, j, _short(wrong[k, j] / total) or 10**-DIGITS] for k, j in places]


def only_right(answers: Sequence[NDArray[Any]], truth: NDArray[Any], void: int) -> list[float]:
    """Return the share of the counted pixels that the first alone has right, and that the second alone has.

    Args:
        answers: two predictions (H, W), train ids.
        truth: (H, W) train ids.
        void: the train id of void.
    """
    valid = truth != void
    first, second = ((ids == truth) & valid for ids in answers)
    total = max(1, int(valid.sum()))
    return [_short(int(alone.sum()) / total) for alone in (first & ~second, second & ~first)]


def _short(fraction: Any) -> Any:
    return plain(round(float(fraction), DIGITS))
