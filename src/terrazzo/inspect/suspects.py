"""Suspected label errors: images whose label a trained model confidently contradicts, ranked.

A model errs too, and more often on some classes than on others. So each image is measured by itself
(`evidence`), and what counts is how far it stands out from the dataset's other images: medians and
quartiles, which a few wrong labels do not move. The idea of judging by what is usual for a class is that of
confident learning (Northcutt et al., Confident learning: estimating uncertainty in dataset labels, 2021).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import DataError, LabelMap, RequestError
from terrazzo.datasets import SegmentationDataset
from terrazzo.datasets.base import PairDataset
from terrazzo.inspect.evidence import Evidence, gather_evidence
from terrazzo.inspect.report import Suspect

Probabilities = Callable[[NDArray[Any]], NDArray[Any]]
"""From a raw image (H, W, C) to the softmax over classes (K, h, w), the same frame on any grid."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all) after every image."""

SUSPICIOUS: Final = 0.5
"""Scores from here on are worth a look."""

HALF: Final = 4.0
"""An image that stands out by this much in all (in upper quartile ranges) scores 0.5."""

FEW_CELLS: Final = 200
"""Classes of fewer cells in an image count less: their confusion varies by itself."""

OBJECT: Final = 40.0
"""Log-odds of a small object that a model is sure of, summed over its cells."""

LEAST_SPREAD: Final = {"confusion": 0.3, "objects": 0.5, "shift": 0.01, "worst": 0.1}
"""Added to each measure's quartile range, so that an even dataset does not make a mountain of nothing."""

TELLING: Final = ("shift", "confusion", "objects")
"""What explains more comes first: a moved mask lacks objects, too, and so do swapped classes. The
fourth measure says the least."""

EXPLAINED: Final = 0.4
"""A label is called moved where moving it back mends this share of its misfit; any error gains a little."""

PLAIN: Final = 5.0
"""A measure that stands out by this much is reason enough by itself."""

UNREMARKABLE: Final = "The model agrees with this label about as well as with most others."


def find_suspects(
    dataset: SegmentationDataset,
    predict_probabilities: Probabilities,
    *,
    root: Path | None = None,
    progress: Progress | None = None,
) -> list[Suspect]:
    """Rank a dataset's images by how confidently a model contradicts their labels.

    One image is held at a time; of each, a few kilobytes are kept. Pairs that cannot be read are left out:
    the findings name them.

    Args:
        dataset: images with labels; better not those that the model was trained on.
        predict_probabilities: the model, for instance `Predictor.probabilities`.
        root: what the files' names are relative to; by default the folder that holds them all.
        progress: called after every image.

    Returns:
        Every image that is not void throughout, the most suspect first; SUSPICIOUS and more is worth a look.

    Raises:
        RequestError: the model's classes are not as many as the dataset's.
    """
    files = mask_names(dataset, root)
    found: list[tuple[str, Evidence]] = []
    for index in range(len(dataset)):
        evidence = _measure(dataset, index, predict_probabilities)
        if evidence is not None:
            found.append((files[index], evidence))
        if progress is not None:
            progress(index + 1, len(dataset))
    return rank([file for file, _ in found], [evidence for _, evidence in found], dataset.labels)


def rank(files: Sequence[str], evidence: Sequence[Evidence], labels: LabelMap) -> list[Suspect]:
    """Compare the images of a dataset with each other: the most suspect first, equals by name."""
    if not evidence:
        return []
    usual = _usual_confusion(evidence)
    confusions = [_worst_confusion(one, usual) for one in evidence]
    objects = _worst_objects(evidence)
    measures = {
        "confusion": np.array([excess for excess, _, _ in confusions]),
        "objects": np.array([excess for excess, _ in objects]),
        "shift": np.array([one.shift.gain for one in evidence]),
        "worst": np.array([one.worst for one in evidence]),
    }
    outstanding = {name: _standing_out(values, LEAST_SPREAD[name]) for name, values in measures.items()}
    total_N = np.sqrt(sum(values**2 for values in outstanding.values()))
    suspects = []
    for i, (file, mine) in enumerate(zip(files, evidence, strict=True)):
        score = float(total_N[i] / (total_N[i] + HALF))
        reason = UNREMARKABLE
        if score >= SUSPICIOUS:
            mine_out = {name: float(values[i]) for name, values in outstanding.items()}
            first = _most_telling(mine_out, mine.shift.explained)
            reason = _reason(first, mine, confusions[i], objects[i][1], labels)
        suspects.append(Suspect(file, round(score, 4), reason))
    return sorted(suspects, key=lambda suspect: (-suspect.score, suspect.file))


def mask_names(dataset: SegmentationDataset, root: Path | None = None) -> list[str]:
    """Return what to call each item: its mask file relative to the root, or its id where there are no files.

    Args:
        dataset: the dataset.
        root: a folder; by default the deepest that holds all images and masks.
    """
    if not isinstance(dataset, PairDataset):
        return list(dataset.ids)
    if root is None:
        root = _common_folder([path for pair in dataset.pairs for path in (pair.image, pair.mask)])
    return [
        (pair.mask.relative_to(root) if pair.mask.is_relative_to(root) else pair.mask).as_posix()
        for pair in dataset.pairs
    ]


def _common_folder(paths: Sequence[Path]) -> Path:
    shared = set(paths[0].parents)
    for path in paths:
        shared &= set(path.parents)
    return max(shared, key=lambda folder: len(folder.parts), default=Path())


def _measure(dataset: SegmentationDataset, index: int, predict: Probabilities) -> Evidence | None:
    try:
        sample = dataset[index]
    except DataError:
        return None
    probabilities_Khw = predict(sample["image"])
    if len(probabilities_Khw) != dataset.labels.num_classes:
        raise RequestError(
            f"The model has {len(probabilities_Khw)} classes, but the data's labels have "
            f"{dataset.labels.num_classes} ({', '.join(dataset.labels.names)}). Give a model that was "
            "trained on these classes."
        )
    return gather_evidence(probabilities_Khw, sample["mask"])


def _standing_out(values_N: NDArray[np.float64], least_spread: float) -> NDArray[np.float64]:
    """Return how far each value lies above the median, in steps from there to the upper quartile; 0 below."""
    median, upper = np.quantile(values_N, (0.5, 0.75))
    above: NDArray[np.float64] = np.maximum(values_N - median, 0) / (upper - median + least_spread)
    return above


def _most_telling(outstanding: dict[str, float], explained_by_shift: float) -> str:
    """Return the first measure of TELLING that stands out plainly or nearly most; else the least telling."""
    strongest = max(outstanding.values())
    plain = [name for name in TELLING if outstanding[name] >= min(strongest / 3, PLAIN)]
    if "shift" in plain and explained_by_shift < EXPLAINED:
        plain.remove("shift")
    return plain[0] if plain else "worst"


def _spread(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the median over images and the usual distance from it (scaled to a normal distribution's)."""
    middle = np.median(values, axis=0)
    return middle, 1.4826 * np.median(np.abs(values - middle), axis=0)


Usual = dict[int, tuple[NDArray[Any], NDArray[Any]]]
"""Class -> (K,) median and spread of what the model makes of it."""


def _usual_confusion(evidence: Sequence[Evidence]) -> Usual:
    rows: dict[int, list[NDArray[np.float32]]] = {}
    for one in evidence:
        for k, row_K in zip(one.labelled, one.confusion, strict=True):
            rows.setdefault(int(k), []).append(row_K)
    return {k: _spread(np.stack(found)) for k, found in rows.items()}


def _worst_confusion(one: Evidence, usual: Usual) -> tuple[float, int, int]:
    """Return by how much the most unusual confusion exceeds the usual one, and its label and model class."""
    worst = (0.0, 0, 0)
    for k, cells, row_K in zip(one.labelled, one.cells, one.confusion, strict=True):
        median_K, spread_K = usual[int(k)]
        excess_K = (row_K - median_K) / (spread_K + 0.1) * (cells / (cells + FEW_CELLS))
        excess_K[k] = -np.inf
        other = int(excess_K.argmax())
        worst = max(worst, (float(excess_K[other]), int(k), other))
    return worst


def _worst_objects(evidence: Sequence[Evidence]) -> list[tuple[float, int]]:
    """Return by how much each image's most unusual missing object exceeds the usual, and its class."""
    strength_NK = np.stack([one.objects.strength for one in evidence])
    median_K, spread_K = _spread(strength_NK)
    excess_NK = (strength_NK - median_K) / (spread_K + OBJECT)
    return [(float(row_K.max()), int(row_K.argmax())) for row_K in excess_NK]


def _reason(
    measure: str, one: Evidence, confusion: tuple[float, int, int], missing: int, labels: LabelMap
) -> str:
    """Say in one sentence what stands out most."""
    if measure == "confusion":
        _, truth, seen = confusion
        row_K = one.confusion[list(one.labelled).index(truth)]
        return (
            f"The model takes {100 * row_K[seen]:.0f} % of what is labelled {labels.names[truth]} "
            f"for {labels.names[seen]}."
        )
    if measure == "objects":
        top, left, bottom, right = one.objects.boxes[missing]
        return (
            f"The model sees {labels.names[missing]} {_place((top + bottom) / 2, (left + right) / 2)}, "
            "where the label has none."
        )
    if measure == "shift":
        moves = [
            f"{abs(pixels)} pixels {words[pixels > 0]}"
            for pixels, words in ((one.shift.rows, ("up", "down")), (one.shift.columns, ("left", "right")))
            if pixels
        ]
        return f"The label fits the model best when it is moved {' and '.join(moves)}."
    return "The model gives next to no chance to the label of an unusually large part of the image."


def _place(row: float, column: float) -> str:
    """Name a ninth of the frame."""
    high = ("at the top", "in the middle", "at the bottom")[min(2, int(3 * row))]
    wide = ("left", "", "right")[min(2, int(3 * column))]
    return f"{high} {wide}".strip()
