"""Contender: a model as the explorer shows it, what was counted beside what predicts; one, or two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import RequestError
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.run import Predict
from terrazzo.kernels.confusion import count_confusion

TOLERANCE = 0.001
"""Share of an image's pixels that may be counted otherwise the second time: GPUs need not repeat bits."""


@dataclass(frozen=True)
class Contender:
    """One model of a page."""

    name: str
    """What the page calls it."""

    evaluation: Evaluation
    """What was counted; all numbers of the page come from it."""

    predict: Predict
    """The model that was evaluated, for the pictures; confidences are shown where it gives an `Answer`."""

    facts: Mapping[str, str] = field(default_factory=dict)
    """What to say about the model, name -> value."""


def check_contenders(contenders: Sequence[Contender], dataset: SegmentationDataset) -> None:
    """Refuse what one page cannot show side by side.

    Raises:
        RequestError: not one or two models, two of one name, or an evaluation of other images.
    """
    names = [contender.name for contender in contenders]
    if len(names) not in {1, 2} or len(set(names)) < len(names):
        raise RequestError(
            f"The models to show are {names}; expected one, or two with different names. "
            "Write a folder for each pair."
        )
    for contender in contenders:
        counts = contender.evaluation.counts
        if counts.num_classes != dataset.labels.num_classes or set(counts.ids) != set(dataset.ids):
            raise RequestError(
                f"The evaluation of {contender.name!r} counted {len(counts)} images in {counts.num_classes} "
                f"classes, but the data to show are {len(dataset)} images, perhaps others, in "
                f"{dataset.labels.num_classes}. Evaluate the model on the data and the split that are shown."
            )


def check_repeats(contender: Contender, id: str, index: int, ids: NDArray[Any], truth: NDArray[Any]) -> None:
    """Refuse a prediction that is not the one that was counted: numbers and pictures would disagree.

    Args:
        contender: whose prediction it is.
        id: the image.
        index: its place in `contender.evaluation.counts.ids`.
        ids: (H, W) the prediction made for the pictures.
        truth: (H, W) train ids.

    Raises:
        RequestError: more than `TOLERANCE` of the pixels are counted otherwise.
    """
    counts = contender.evaluation.counts
    counted = counts.matrix(index)
    again = count_confusion(ids, truth, counts.num_classes, ignore_index=counts.ignore_index)
    moved = int(np.abs(again - counted).sum()) / 2
    if moved > TOLERANCE * max(1, int(counted.sum())):
        raise RequestError(
            f"{id}: the model shown as {contender.name!r} predicts other labels than those that were counted "
            f"({moved:.0f} pixels moved). Show the model that was evaluated, predicting as it did then."
        )
