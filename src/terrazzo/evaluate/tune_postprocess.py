"""Post-processing chosen by evidence: which of several candidates, and is its gain real?

Every image is predicted once; all candidates are applied to that one answer, and of each only the margins of
its confusion matrix are kept. The best on all images is what is chosen. How much it gains is *not* read from
there, for the best of many looks better than it is: by cross-validation the choice is made without a fold
and scored on it (Stone 1974; Varma and Simon 2006), and the gain is the difference of the pooled mIoU over
all held-out images to none.

Its interval is the paired one of `metrics.paired`, wider by sqrt(1 + F / (F - 1)) for F folds: 1.5 for five.
What is chosen without one fold was chosen with the others, so the folds' gains go together, and no variance
that is read from one division shows that (Bengio and Grandvalet 2004). The factor is that of Nadeau and
Bengio 2003 (section 3, where F times as much is tested on as 1 / (F - 1) of what was chosen on). By
simulation without any true gain the plain interval lies above 0 in 4 to 13 % of all cases, this one in at
most 3 % (`docs/postprocess.md`).

Shapes: N images, K classes, X candidates, of which the first is none.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import DataError, RequestError, Sample
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.folds import Folds, divide
from terrazzo.evaluate.run import Progress, check_labels
from terrazzo.evaluate.tuning import Tuning
from terrazzo.kernels.confusion import count_confusion
from terrazzo.metrics.paired import Paired, paired_margins
from terrazzo.metrics.scores import Floats, Margins, mean_iou
from terrazzo.metrics.units import Units, find_units

if TYPE_CHECKING:
    from terrazzo.predict import Postprocess, Predictor
    from terrazzo.predict.postprocess.spec import Spec

AREAS: Final = ("0.05", "0.1", "0.2", "0.5", "1", "2", "5")
"""Thousandths of the image; each about twice the one before."""

CANDIDATES: Final = (
    *(f"drop-clusters={area}permille" for area in AREAS),
    *(f"guided={radius}" for radius in (2, 4, 8)),
    *(f"guided=4;drop-clusters={area}permille" for area in ("0.2", "1")),
    "open=1",
    "close=1",
)
"""What is tried where nobody says what to try."""

FOLDS: Final = 5


def tune(
    predictor: "Predictor",
    dataset: SegmentationDataset,
    candidates: "Sequence[Spec] | None" = None,
    *,
    folds: int = FOLDS,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuning:
    """Choose post-processing for a model; nothing is written.

    Args:
        predictor: the model, with the tiles and test-time augmentation that it will be used with; any
            post-processing of its own is left out.
        dataset: labelled images that it was not trained on.
        candidates: specs as for `parse_postprocess`; by default `CANDIDATES`. None at all always takes part.
        folds: how many.
        resamples: how often units are drawn again for the interval.
        seed: of the counted generator.
        progress: called after every image.

    Raises:
        RequestError: the classes differ, a candidate means nothing, or there are fewer than two images.
        DataError: a file is unreadable or holds undeclared labels.
    """
    from terrazzo.predict import parse_postprocess

    check_labels(predictor.labels, dataset.labels)
    units = find_units(dataset.ids, dataset.groups)
    parts = divide(units, folds)
    tried = _distinct(
        [
            parse_postprocess(spec, predictor.labels)
            for spec in ("none", *(_default(predictor) if candidates is None else candidates))
        ]
    )
    for postprocess in tried:
        postprocess.check(predictor.inference.backend.sides)
    margins = _count(predictor, dataset, tried, progress)
    return judge(
        [each.words for each in tried],
        margins,
        units,
        parts,
        fingerprint=dataset.fingerprint,
        split=dataset.split,
        resamples=resamples,
        seed=seed,
    )


def judge(
    words: Sequence[str],
    margins: Sequence[Margins],
    units: Units,
    parts: Folds,
    *,
    fingerprint: str = "",
    split: str = "",
    resamples: int = 2000,
    seed: int = 0,
) -> Tuning:
    """Choose among candidates that were counted.

    Args:
        words: of each candidate, the first is none.
        margins: (N, K) of each, images in the order of the dataset.
        units: what is independent.
        parts: of the images in the order of the units' members.
        fingerprint: of the data.
        split: of the data.
        resamples: how often units are drawn again for the interval.
        seed: of the counted generator.
    """
    order = list(units.order)
    ordered = [Margins(*(part[order] for part in each.parts)) for each in margins]
    choices = [_best(ordered, parts.fold != fold) for fold in range(len(parts))]
    held_out = Margins(
        *(_picked(part_X, choices, parts) for part_X in zip(*(m.parts for m in ordered), strict=True))
    )
    gain = paired_margins([ordered[0]], [held_out], units, statistic=mean_iou, resamples=resamples, seed=seed)
    low, high = widened(gain, len(parts))
    return Tuning(
        candidates=tuple(words),
        miou=tuple(float(mean_iou(each.total())) for each in ordered),
        fold_choices=tuple(words[choice] for choice in choices),
        difference=float(gain.difference),
        low=low,
        high=high,
        units=units,
        folds=f"{len(parts)} folds of {parts.words}",
        fingerprint=fingerprint,
        split=split,
    )


def widened(gain: Paired, folds: int) -> tuple[float, float]:
    """Return both ends of the interval, wide enough for choices that the folds share; see the module."""
    factor = math.sqrt(1 + folds / (folds - 1))
    middle = float(gain.difference)
    half = factor * max(float(gain.high) - middle, middle - float(gain.low))
    return max(middle - half, -1.0), min(middle + half, 1.0)


def _best(margins: Sequence[Margins], among_N: NDArray[np.bool_]) -> int:
    """Return the candidate with the largest mIoU on some of the images, of equal ones the first."""
    weights = among_N.astype(np.float64)
    return int(np.argmax(np.nan_to_num([mean_iou(each.weighted(weights)) for each in margins])))


def _picked(part_X: Sequence[Floats], choices: Sequence[int], parts: Folds) -> Floats:
    """Take of each image what was counted for the candidate that its fold was given: (N, K)."""
    choice_N = np.array(choices)[parts.fold]
    return np.stack([part_X[choice][image] for image, choice in enumerate(choice_N)])


def _distinct(tried: "Sequence[Postprocess]") -> "list[Postprocess]":
    """Leave out what comes twice.

    Raises:
        RequestError: nothing is left to choose from.
    """
    found = list({each.words: each for each in tried}.values())
    if len(found) < 2:
        raise RequestError("There is nothing to choose from: give candidates, such as 'drop-clusters=70'.")
    return found


def _default(predictor: "Predictor") -> Sequence[str]:
    """Return the usual candidates that work on what the model takes."""
    volumes = predictor.inference.backend.sides == 3
    return [text for text in CANDIDATES if not volumes or text.startswith("drop-clusters")]


def _count(
    predictor: "Predictor",
    dataset: SegmentationDataset,
    tried: "Sequence[Postprocess]",
    progress: Progress | None,
) -> list[Margins]:
    """Predict every image once, and count it under every candidate: (N, K) of each."""
    plain_one = predictor.with_postprocess("none")
    shape = (len(tried), len(dataset), 3, dataset.labels.num_classes)
    rows_XN3K = np.zeros(shape)
    for index in range(len(dataset)):
        sample = dataset[index]
        rows_XN3K[:, index] = _count_image(plain_one, sample, tried, dataset)
        if progress is not None:
            progress(index + 1, len(dataset))
    return [Margins(rows_N3K[:, 0], rows_N3K[:, 1], rows_N3K[:, 2]) for rows_N3K in rows_XN3K]


def _count_image(
    predictor: "Predictor", sample: Sample, tried: "Sequence[Postprocess]", dataset: SegmentationDataset
) -> Floats:
    """Return the margins of one image under every candidate, (X, 3, K)."""
    from terrazzo.predict.postprocess import State

    answer = predictor.answer(sample["image"])
    state = State(answer.ids, answer.prediction, sample["image"])  # shared: probabilities are made once
    labels = dataset.labels
    rows = []
    for postprocess in tried:
        ids = postprocess.apply(state)
        try:
            matrix = count_confusion(
                ids, sample["mask"], labels.num_classes, ignore_index=labels.ignore_index
            )
        except DataError as error:
            raise DataError(f"{sample['id']}: {error}") from error
        rows.append(np.stack(Margins.of(matrix).parts))
    return np.stack(rows)
