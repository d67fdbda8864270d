"""Where one image's label and a model's probabilities contradict each other: four measures of one image.

Nothing here knows other images; `suspects` compares what is measured here over a whole dataset. The four:

    confusion   what the model makes of the pixels of each labelled class: finds swapped classes
    objects     things that the model is sure of, where the label has nothing of the kind: erased objects
    shift       how much better the label fits when it is moved: shifted masks
    worst       the least credible pixels (the soft minimum of Lad and Mueller, Estimating label quality and
                errors in semantic segmentation data via any model, 2023, section 3): foreign masks

All is measured on a small grid, GRID cells along the longer side: label errors worth a person's time are
larger than a cell, and borders, where every model errs, weigh less. Shapes: K classes,
P classes in one label, h x w cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[Any]
Move = tuple[int, int]
"""Cells down and to the right."""

GRID: Final = 256
"""Cells along the longer side, at most; a cell is a whole number of pixels wide."""

REACH: Final = 6
"""Labels are moved by so many cells each way, in steps of 2."""

SURE: Final = 1.5
"""Log-odds of the model's class over the label's from which on a contradiction counts."""

FLOOR: Final = 1e-3
"""Smaller probabilities count as this: networks are not to be believed that far down."""

COVERED: Final = 0.3
"""A region of which the label covers this share (within NEAR cells) is not missing from the label."""

NEAR: Final = 3
SMALLEST: Final = 12
"""Cells of the smallest region that counts as an object."""

TEMPERATURE: Final = 0.1
"""Of the soft minimum, as in the paper's experiments."""


@dataclass(frozen=True)
class Objects:
    """For each class the clearest region that the model sees and the label lacks."""

    strength: Floats
    """(K,) log-odds beyond SURE, summed over the region's cells; 0 where there is none."""

    boxes: Floats
    """(K, 4) top, left, bottom, right of the region as shares of the frame."""


@dataclass(frozen=True)
class Shift:
    """The move of the label that fits the model best."""

    gain: float
    """Log-likelihood per pixel gained by it, 0 or more."""

    explained: float
    """The gain as a share of what the label lacked to a perfect fit, 0..1."""

    rows: int
    """Pixels down."""

    columns: int
    """Pixels to the right."""


@dataclass(frozen=True)
class Evidence:
    """What one image says; small, so that a whole dataset's fits in memory."""

    labelled: NDArray[np.int64]
    """(P,) classes in the label, rising."""

    cells: NDArray[np.int64]
    """(P,) cells of each."""

    confusion: Floats
    """(P, K) mean probability of each class over the cells of a labelled one; rows sum to 1."""

    objects: Objects
    shift: Shift
    worst: float
    """-log of the soft minimum of the label's probability over cells."""


def gather_evidence(probabilities_KHW: NDArray[Any], mask_HW: Ids) -> Evidence | None:
    """Measure one image.

    Args:
        probabilities_KHW: (K, H, W) softmax over classes, 0..1; a coarser grid of the same frame will do.
        mask_HW: (H, W) train ids; what is not 0..K-1 is void and takes no part.

    Returns:
        The measures, or None where all is void.
    """
    cell = -(-max(mask_HW.shape) // GRID)
    label_hw = _sampled(mask_HW, cell)
    valid_hw = (label_hw >= 0) & (label_hw < len(probabilities_KHW))
    if not valid_hw.any():
        return None
    log_Khw = np.log(np.maximum(_resized(probabilities_KHW, label_hw.shape), FLOOR))
    label_hw = np.where(valid_hw, label_hw, 0).astype(np.intp)
    own_hw = np.take_along_axis(log_Khw, label_hw[None], axis=0)[0]
    labelled, cells, confusion = _confusion(log_Khw, label_hw, valid_hw)
    return Evidence(
        labelled=labelled,
        cells=cells,
        confusion=confusion,
        objects=_missing_objects(log_Khw, own_hw, label_hw, valid_hw),
        shift=_best_shift(log_Khw, label_hw, valid_hw, cell),
        worst=_soft_minimum(own_hw[valid_hw]),
    )


def contradiction(probabilities_KHW: NDArray[Any], mask_HW: Ids) -> NDArray[np.float32]:
    """Return the log-odds (H, W) of the model's class over the label's: 0 where both agree or all is void."""
    shares_KHW = _resized(probabilities_KHW, mask_HW.shape)
    valid_HW = (mask_HW >= 0) & (mask_HW < len(shares_KHW))
    label_HW = np.where(valid_HW, mask_HW, 0).astype(np.intp)
    own_HW = np.maximum(np.take_along_axis(shares_KHW, label_HW[None], axis=0)[0], FLOOR)
    odds_HW: NDArray[np.float32] = np.log(np.maximum(shares_KHW.max(axis=0), FLOOR) / own_HW) * valid_HW
    return odds_HW


def _sampled(mask_HW: Ids, cell: int) -> Ids:
    """Return the label at the middle of each cell; never an average of ids."""
    middle = cell // 2
    sampled: Ids = mask_HW[middle::cell, middle::cell] if min(mask_HW.shape) > middle else mask_HW[:1, :1]
    return sampled


def _resized(probabilities_KHW: NDArray[Any], size: tuple[int, ...]) -> Floats:
    """Bring probabilities to (h, w): averaged where they shrink, bilinear where they grow."""
    if probabilities_KHW.shape[1:] == size:
        return np.asarray(probabilities_KHW, dtype=np.float32)
    shrinks = probabilities_KHW.shape[1] > size[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    parts = [
        cv2.resize(np.asarray(part, dtype=np.float32), size[::-1], interpolation=method)
        for part in probabilities_KHW
    ]
    return np.stack(parts)


def _confusion(
    log_Khw: Floats, label_hw: Ids, valid_hw: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    labels_n = label_hw[valid_hw]
    labelled, place_n, cells = np.unique(labels_n, return_inverse=True, return_counts=True)
    sums = np.stack(
        [np.bincount(place_n, weights=np.exp(part[valid_hw]), minlength=len(labelled)) for part in log_Khw]
    )
    shares_PK = (sums / cells).T.astype(np.float32)
    return labelled.astype(np.int64), cells.astype(np.int64), shares_PK / shares_PK.sum(axis=1, keepdims=True)


def _missing_objects(log_Khw: Floats, own_hw: Floats, label_hw: Ids, valid_hw: NDArray[np.bool_]) -> Objects:
    """Find each class's strongest region of the model's that the label hardly covers."""
    classes = len(log_Khw)
    seen_hw = log_Khw.argmax(axis=0)
    odds_hw = np.where(valid_hw, np.maximum(log_Khw.max(axis=0) - own_hw - SURE, 0), 0)
    strength_K = np.zeros(classes, dtype=np.float32)
    boxes_K4 = np.zeros((classes, 4), dtype=np.float32)
    for k in np.unique(seen_hw[odds_hw > 0]):
        near_hw = _widened(valid_hw & (label_hw == k))
        for strength, box in _regions(seen_hw == k, odds_hw, near_hw, valid_hw):
            if strength > strength_K[k]:
                strength_K[k], boxes_K4[k] = strength, box
    return Objects(strength_K, boxes_K4)


def _regions(
    seen_hw: NDArray[np.bool_], odds_hw: Floats, near_hw: NDArray[np.bool_], valid_hw: NDArray[np.bool_]
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield (strength, box) of the connected regions that the label does not cover."""
    count, place_hw, stats, _ = cv2.connectedComponentsWithStats(seen_hw.astype(np.uint8), connectivity=4)

    def sums(values_hw: NDArray[Any]) -> NDArray[np.float64]:
        flat = values_hw.ravel().astype(np.float64)
        return np.bincount(place_hw.ravel(), weights=flat, minlength=count).astype(np.float64)

    cells, covered, strength = sums(valid_hw), sums(near_hw & valid_hw), sums(odds_hw * ~near_hw)
    height, width = seen_hw.shape
    for region in range(1, count):
        if cells[region] >= SMALLEST and covered[region] < COVERED * cells[region]:
            left, top, wide, high = stats[region, :4]
            box = np.array([top, left, top + high, left + wide]) / (height, width, height, width)
            yield float(strength[region]), box.astype(np.float32)


def _widened(region_hw: NDArray[np.bool_]) -> NDArray[np.bool_]:
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    wide: NDArray[np.bool_] = cv2.dilate(region_hw.astype(np.uint8), kernel, iterations=NEAR).astype(np.bool_)
    return wide


def _best_shift(log_Khw: Floats, label_hw: Ids, valid_hw: NDArray[np.bool_], cell: int) -> Shift:
    """Move the label's middle part over the probabilities and take the best fit."""
    height, width = label_hw.shape
    reach = min(REACH, (min(height, width) - 1) // 4)
    inner = slice(reach, height - reach), slice(reach, width - reach)
    rows, columns = np.nonzero(valid_hw[inner])
    if not len(rows):
        return Shift(0.0, 0.0, 0, 0)
    start = (label_hw[inner][rows, columns] * height + rows + reach) * width + columns + reach

    def fit(move: Move) -> float:
        return float(log_Khw.reshape(-1)[start + (move[0] * width + move[1])].mean())

    best, gain = _climb(fit, reach)
    lack = -fit((0, 0))
    return Shift(gain, gain / lack if gain else 0.0, best[0] * cell, best[1] * cell)


def _climb(fit: Callable[[Move], float], reach: int) -> tuple[Move, float]:
    """Return the best of all moves in steps of 2, refined to a step of 1, and its gain; staying wins ties."""
    even = [step for step in range(-reach, reach + 1) if step % 2 == 0]
    fits = {(down, right): fit((down, right)) for down in even for right in even}
    best = max(fits, key=lambda move: (fits[move], move == (0, 0)))
    gain = fits[best] - fits[0, 0]
    if best == (0, 0):
        return best, 0.0
    around = [(best[0] + down, best[1] + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max((move for move in around if max(map(abs, move)) <= reach), key=fit), gain


def _soft_minimum(own_n: Floats) -> float:
    """Return -log of the soft minimum of probabilities whose logs are given."""
    shares = np.exp(own_n.astype(np.float64))
    weights = np.exp((1 - shares) / TEMPERATURE)
    return float(-np.log((weights * shares).sum() / weights.sum() + 1e-4))
