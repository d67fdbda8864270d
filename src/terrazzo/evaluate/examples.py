"""The images a report shows: the best, the median and the worst, each beside truth, prediction and errors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap, Sample
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.figures import as_rgb, error_map, fit_mask, fit_photo, mask_uri, number_regions, photo_uri
from terrazzo.figures.pictures import one_slice

PER_KIND = 3
"""Images shown of each kind: best, median, worst."""


@dataclass(frozen=True)
class Example:
    """One image of a report, ready for the page."""

    id: str
    miou: float
    """Of this image alone, over the classes in its truth or prediction."""

    wrong: float
    """Share of the counted pixels that are wrong."""

    confusion: str
    """The largest single mistake in words; empty where there is none."""

    pictures: tuple[tuple[str, str], ...]
    """(caption, data URI) of image, ground truth, prediction and errors."""


def choose(evaluation: Evaluation, per_kind: int = PER_KIND) -> dict[str, list[int]]:
    """Choose best, median and worst images by their own mIoU; no image twice, fewer where there are few.

    Returns:
        kind -> indices into `evaluation.counts.ids`, the most telling first. Images that are void
        throughout are never chosen, and kinds without images are left out.
    """
    miou = evaluation.miou_per_image
    order = [int(i) for i in np.argsort(-miou, kind="stable") if not np.isnan(miou[i])]
    take = max(1, min(per_kind, len(order) // 3))
    best, worst, rest = order[:take], order[take:][::-1][:take], order[take:-take]
    start = max(0, (len(rest) - take) // 2)
    chosen = {"best": best, "median": rest[start : start + take], "worst": worst}
    return {kind: indices for kind, indices in chosen.items() if indices}


def make_example(
    evaluation: Evaluation, index: int, sample: Sample, prediction: NDArray[Any], labels: LabelMap
) -> Example:
    """Draw one image.

    Args:
        evaluation: what was counted.
        index: the image's place in `evaluation.counts.ids`.
        sample: image and ground truth.
        prediction: (H, W) train ids.
        labels: names and colours.
    """
    matrix = evaluation.counts.matrix(index)
    total = int(matrix.sum())
    return Example(
        id=sample["id"],
        miou=float(evaluation.miou_per_image[index]),
        wrong=1 - float(np.trace(matrix)) / max(1, total),
        confusion=_largest_confusion(matrix, labels),
        pictures=_pictures(sample, prediction, labels),
    )


def _pictures(sample: Sample, prediction: NDArray[Any], labels: LabelMap) -> tuple[tuple[str, str], ...]:
    image, *ids = one_slice(sample["image"], sample["mask"], prediction, void=labels.ignore_index)
    photo = fit_photo(as_rgb(image))
    truth, guess = (fit_mask(part) for part in ids)
    errors = error_map(guess, truth, image=photo, ignore_index=labels.ignore_index)
    return (
        ("image", photo_uri(photo)),
        ("ground truth", _mask_picture(truth, labels)),
        ("prediction", _mask_picture(guess, labels)),
        ("errors", photo_uri(errors)),
    )


def _mask_picture(ids: NDArray[Any], labels: LabelMap) -> str:
    return mask_uri(number_regions(labels.colorize(ids), ids, labels.num_classes))


def _largest_confusion(matrix: NDArray[np.int64], labels: LabelMap) -> str:
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    truth, guess = (int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
    if not off[truth, guess]:
        return ""
    share = 100 * off[truth, guess] / matrix.sum()
    return f"{labels.names[truth]} taken for {labels.names[guess]} ({share:.1f} % of the pixels)"
