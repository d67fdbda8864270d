"""The pictures of an inspection page: samples, augmented samples, suspects, and where classes live."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import DataError, LabelMap, Sample
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets import SegmentationDataset
from terrazzo.datasets.base import PairDataset
from terrazzo.figures import (
    as_rgb,
    error_map,
    fit_mask,
    fit_photo,
    heat_uri,
    layer_uri,
    mark_borders,
    mask_uri,
    number_regions,
    photo_uri,
)
from terrazzo.inspect.evidence import SURE, contradiction
from terrazzo.inspect.report import Suspect
from terrazzo.inspect.suspects import SUSPICIOUS, Probabilities
from terrazzo.transforms import PRESETS, build_transform

SAMPLES: Final = 12
AUGMENTED: Final = 3
SUSPECTS: Final = 8
"""Pictures of each kind, at most."""


@dataclass(frozen=True)
class Shot:
    """A photograph with a label map to lay over it."""

    id: str
    caption: str
    photo: str
    """Data URI."""

    layer: str
    """Data URI of the same size; void is clear."""


@dataclass(frozen=True)
class SuspectRow:
    """A suspect with its pictures side by side."""

    suspect: Suspect
    pictures: tuple[tuple[str, str], ...]
    """(caption, data URI)."""


def sample_shots(dataset: SegmentationDataset, labels: LabelMap, count: int = SAMPLES) -> list[Shot]:
    """Draw samples spread evenly over a dataset; what cannot be read is passed over.

    Args:
        dataset: where they come from.
        labels: the colours to paint them in.
        count: how many, at most.
    """
    return [_shot(sample, sample["group"] or "", labels) for _, sample in _spread(dataset, count)]


def augmented_shots(
    dataset: SegmentationDataset, labels: LabelMap, crop: tuple[int, int] | None, count: int = AUGMENTED
) -> list[list[Shot]]:
    """Draw samples, each followed by what every preset of augmentation makes of it.

    Args:
        dataset: where they come from.
        labels: the colours to paint them in.
        crop: (height, width) of the augmented ones, pixels; None: the sample's own size.
        count: samples, at most.
    """
    rows = []
    for index, sample in _spread(dataset, count):
        row = [_shot(sample, "original", labels)]
        for preset in PRESETS:
            transform = build_transform(
                preset,
                crop=crop or _size(sample["mask"]),
                ignore_index=labels.ignore_index,
                num_classes=labels.num_classes,
            )
            image, mask = transform(sample["image"], sample["mask"], generator(0, Stream.TRANSFORM, 0, index))
            changed = Sample(image=image, mask=mask, id=sample["id"], group=sample["group"])
            row.append(_shot(changed, preset, labels))
        rows.append(row)
    return rows


def suspect_rows(
    suspects: Sequence[Suspect],
    dataset: SegmentationDataset | None,
    labels: LabelMap | None,
    predict: Probabilities | None,
) -> list[SuspectRow]:
    """Draw the suspects that are worth a look; those that cannot be found or read stay without pictures.

    Args:
        suspects: the most suspect first.
        dataset: where their images are.
        labels: the colours to paint them in.
        predict: the model; without one there is no picture of what it sees.
    """
    worth = [suspect for suspect in suspects if suspect.score >= SUSPICIOUS][:SUSPECTS]
    if dataset is None or labels is None:
        return [SuspectRow(suspect, ()) for suspect in worth]
    return [SuspectRow(one, _suspect_pictures(one, dataset, labels, predict)) for one in worth]


def location_picture(grid: Sequence[Sequence[float]]) -> tuple[str, str]:
    """Return where a class lives, as a data URI and in words; ("", "") for a class without pixels.

    Args:
        grid: rows of shares of the class's pixels, adding up to 1.
    """
    shares = np.array(grid, dtype=np.float64)
    total = shares.sum()
    if not total:
        return "", ""
    rows, columns = np.indices(shares.shape)
    down = float((shares * (rows + 0.5)).sum() / total / len(shares))
    right = float((shares * (columns + 0.5)).sum() / total / shares.shape[1])
    return heat_uri(shares), f"centred {100 * down:.0f} % down, {100 * right:.0f} % from the left"


def _spread(dataset: SegmentationDataset, count: int) -> Iterator[tuple[int, Sample]]:
    """Yield (index, sample) for about evenly spaced items that can be read."""
    parts = min(count, len(dataset))
    for part in range(parts):
        start, end = (len(dataset) * (part + step) // parts for step in (0, 1))
        for index in range((start + end) // 2, end):
            try:
                sample = dataset[index]
            except DataError:
                continue
            yield index, sample
            break


def _size(mask: NDArray[Any]) -> tuple[int, int]:
    height, width = mask.shape
    return height, width


def _shot(sample: Sample, caption: str, labels: LabelMap) -> Shot:
    photo, ids = fit_photo(as_rgb(sample["image"])), fit_mask(sample["mask"])
    picture = number_regions(mark_borders(labels.colorize(ids), ids), ids, labels.num_classes)
    return Shot(
        sample["id"], caption, photo_uri(photo, quality=80), layer_uri(picture, ids != labels.ignore_index)
    )


def _suspect_pictures(
    suspect: Suspect, dataset: SegmentationDataset, labels: LabelMap, predict: Probabilities | None
) -> tuple[tuple[str, str], ...]:
    index = _find(suspect.file, dataset)
    if index is None:
        return ()
    try:
        sample = dataset[index]
    except DataError:
        return ()
    photo, truth = fit_photo(as_rgb(sample["image"])), fit_mask(sample["mask"])
    pictures = [("image", photo_uri(photo)), ("label", _flat(truth, labels))]
    if predict is not None:
        probabilities_Khw = predict(sample["image"])
        odds_HW = contradiction(probabilities_Khw, sample["mask"])
        seen = fit_mask(_enlarged(probabilities_Khw, sample["mask"].shape))
        doubted = np.where(fit_mask(odds_HW) > SURE, seen, truth)
        errors = error_map(doubted, truth, image=photo, ignore_index=labels.ignore_index)
        pictures += [("model", _flat(seen, labels)), ("confident contradiction", photo_uri(errors))]
    return tuple(pictures)


def _enlarged(probabilities_Khw: NDArray[Any], size: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the model's classes (H, W), the nearest where its grid is coarser."""
    classes_hw = probabilities_Khw.argmax(axis=0)
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, classes_hw.shape, strict=True))
    enlarged: NDArray[np.intp] = classes_hw[rows[:, None], columns]
    return enlarged


def _flat(ids: NDArray[Any], labels: LabelMap) -> str:
    return mask_uri(number_regions(labels.colorize(ids), ids, labels.num_classes))


def _find(file: str, dataset: SegmentationDataset) -> int | None:
    """Find an item by its mask's name, relative to whatever folder, or by its id."""
    if not isinstance(dataset, PairDataset):
        return dataset.ids.index(file) if file in dataset.ids else None
    ends = (i for i, pair in enumerate(dataset.pairs) if f"/{pair.mask.as_posix()}".endswith(f"/{file}"))
    return next(ends, None)
