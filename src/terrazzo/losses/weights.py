"""Class weights from how often each class occurs in the training set.

All rules are functions of counts of pixels. The weighted cross-entropy divides by the sum of weights, so only
their ratios matter; they are given as the papers have them. A class without a pixel gets 0: there is none
for its weight to meet.

Shapes: K classes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError

ClassWeights = Literal["none", "inverse", "sqrt", "median", "enet", "effective"]
"""The rules that a recipe may name."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCounts:
    """How often each class occurs."""

    pixels: NDArray[np.int64]
    """(K,), pixels of each class, over all images."""

    image_pixels: NDArray[np.int64]
    """(K,), valid pixels, whatever their class, of the images in which a class occurs."""


def count_labels(masks: Iterable[NDArray[Any]], num_classes: int, ignore_index: int) -> LabelCounts:
    """Count the labels of masks, one at a time.

    Args:
        masks: train ids, any integer type and number of dimensions.
        num_classes: K.
        ignore_index: the train id of void, which is not counted.

    Raises:
        DataError: an id is neither a class nor void.
    """
    pixels_K, image_pixels_K = np.zeros((2, num_classes), np.int64)
    for mask in masks:
        valid = mask[mask != ignore_index]
        if valid.size and not 0 <= valid.min() <= valid.max() < num_classes:
            wrong = next(int(bound) for bound in (valid.min(), valid.max()) if not 0 <= bound < num_classes)
            raise DataError(
                f"A mask holds id {wrong}; expected 0..{num_classes - 1} or {ignore_index} (void). "
                "Check that the masks and the label map belong together."
            )
        counts_K = np.bincount(valid, minlength=num_classes)
        pixels_K += counts_K
        image_pixels_K += np.where(counts_K > 0, valid.size, 0)
    return LabelCounts(pixels_K, image_pixels_K)


def inverse_frequency(pixels_K: NDArray[np.int64]) -> Weights:
    """Return 1 / share of the pixels."""
    return _over(pixels_K, 1 / _shares(pixels_K))


def root_inverse_frequency(pixels_K: NDArray[np.int64]) -> Weights:
    """Return 1 / sqrt(share of the pixels): half as strong, on a scale of orders of magnitude."""
    return _over(pixels_K, 1 / np.sqrt(_shares(pixels_K)))


def median_frequency(pixels_K: NDArray[np.int64], image_pixels_K: NDArray[np.int64]) -> Weights:
    """Return the median frequency over the class's own, frequencies within the images that have the class.

    Eigen, Fergus 2015, Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
    Convolutional Architecture, https://arxiv.org/abs/1411.4734; SegNet trains with it. The
    median is over the classes that occur.
    """
    frequency_K = pixels_K / np.maximum(1, image_pixels_K)
    median = np.median(frequency_K[pixels_K > 0])
    return _over(pixels_K, median / np.where(pixels_K > 0, frequency_K, 1.0))


def enet_weights(pixels_K: NDArray[np.int64], *, c: float = 1.02) -> Weights:
    """Return 1 / ln(c + share of the pixels), which with the paper's c lies in 1.4..50.5.

    Paszke, Chaurasia, Kim, Culurciello 2016, ENet, section 5.2, https://arxiv.org/abs/1606.02147.
    """
    return _over(pixels_K, 1 / np.log(c + _shares(pixels_K)))


def effective_number(pixels_K: NDArray[np.int64], *, beta: float | None = None) -> Weights:
    """Return (1 - beta) / (1 - beta ** pixels), scaled to the sum K' of the classes that occur.

    Cui, Jia, Lin, Song, Belongie 2019, Class-Balanced Loss Based on Effective Number of Samples,
    section 4, https://arxiv.org/abs/1901.05555. There samples are images and beta up to 0.9999:
    with counts of pixels in the millions that would give equal weights.

    Args:
        pixels_K: pixels of each class.
        beta: 0 gives equal weights, near 1 the inverse frequency. 1 - 1/N means that N samples are all there
            is to see of a class; N is by default an even share, all pixels over K'.

    Raises:
        RequestError: beta is out of range.
    """
    present = int((pixels_K > 0).sum())
    beta = 1 - present / pixels_K.sum() if beta is None else beta
    if not 0 <= beta < 1:
        raise RequestError(
            f"beta is {beta}; the effective number of samples needs 0 or more and less than 1."
        )
    # 1 - beta ** n without cancellation; at beta = 0 every class has the effective number 1.
    effective_K = -np.expm1(pixels_K * np.log1p(-(1 - beta))) if beta > 0 else np.ones(len(pixels_K))
    weights_K = _over(pixels_K, (1 - beta) / np.where(pixels_K > 0, effective_K, 1.0))
    scaled_K: Weights = weights_K * present / weights_K.sum()
    return scaled_K


def class_weights(rule: ClassWeights, counts: LabelCounts) -> tuple[float, ...] | None:
    """Return one weight per class by a rule of this name; None for "none".

    Raises:
        DataError: no pixel is of any class.
    """
    if rule == "none":
        return None
    if not counts.pixels.any():
        raise DataError(
            "Class weights need labelled pixels; every pixel counted is void. Check the label map and the "
            "masks, or set loss.class_weights=none."
        )
    rules: dict[str, Callable[[], Weights]] = {
        "inverse": lambda: inverse_frequency(counts.pixels),
        "sqrt": lambda: root_inverse_frequency(counts.pixels),
        "median": lambda: median_frequency(counts.pixels, counts.image_pixels),
        "enet": lambda: enet_weights(counts.pixels),
        "effective": lambda: effective_number(counts.pixels),
    }
    return tuple(rules[rule]().tolist())


def _shares(pixels_K: NDArray[np.int64]) -> Weights:
    """Return the share of each class; 1 where there is no pixel, so that a rule can divide by it."""
    return np.where(pixels_K > 0, pixels_K / pixels_K.sum(), 1.0)


def _over(pixels_K: NDArray[np.int64], weights_K: Weights) -> Weights:
    return np.where(pixels_K > 0, weights_K, 0.0)
