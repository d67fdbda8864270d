"""`camvid`: street scenes from a driving car, 11 classes and void, in the split of the SegNet tutorial.

Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern Recognition Letters 2009. Split, the
eleven classes and their order: Badrinarayanan, Kendall, Cipolla: SegNet, PAMI 2017, and its tutorial.
"""

import re
from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.layouts import Part, listed_stems
from terrazzo.datasets.pairing import files_by_stem, pair_by_stem

PUBLISHED_COUNTS = {"train": 367, "val": 101, "test": 233}

ABOUT = About(
    name="camvid",
    title="CamVid, the Cambridge-driving labelled video database",
    homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    licence="For research; the copy of the SegNet tutorial is CC BY-NC 4.0.",
    citation="Brostow et al.: Semantic Object Classes in Video, Pattern Recognition Letters 2009",
    splits=PUBLISHED_COUNTS,
    layout=(
        "the SegNet tutorial's copy: {train,val,test}/<frame>.png and {train,val,test}annot/<frame>.png",
        "    or {train,val,test}/images/<frame>.* and {train,val,test}/masks/<frame>.png",
    ),
)

LABELS = LabelMap.of(
    {
        "Sky": (128, 128, 128),
        "Building": (128, 0, 0),
        "Pole": (192, 192, 128),
        "Road": (128, 64, 128),
        "Pavement": (60, 40, 222),
        "Tree": (128, 128, 0),
        "SignSymbol": (192, 128, 128),
        "Fence": (64, 64, 128),
        "Car": (64, 0, 128),
        "Pedestrian": (64, 64, 0),
        "Bicyclist": (0, 128, 192),
    },
    void_ids=(11,),
)
"""Ids 0..10 as in the tutorial's masks; 11, Unlabelled, is void."""


class CamVid(PairDataset):
    """CamVid as {train,val,test}/{images,masks}, or as the tutorial has it: train/ + trainannot/."""

    kind = "camvid"
    known_labels = LABELS

    def __init__(self, root: str | Path, split: str = "train", *, cache: bool = False) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder, or one that holds it as CamVid/.
            split: train, val, test or all (the splits that are there).
            cache: keep decoded samples in memory (train: 250 MB).

        Raises:
            DataError: no such folder or split, or wrong pairs (all listed).
            RequestError: an unknown split.
        """
        check_split(split)
        root = _inner(Path(root))
        parts = {name: part for name in SPLITS if (part := _part(root, name))}
        if not parts:
            raise DataError(
                f"{root}: no CamVid here. Expected train/images and train/masks, or train/ and trainannot/ "
                "as in the SegNet tutorial; give the folder that holds them."
            )
        counts = {name: part.count for name, part in parts.items()}
        refuse_empty(
            split, root, counts, "Some copies leave splits out; the SegNet tutorial's has all three."
        )
        self.notes = _count_notes(split, counts)
        pairs = [
            pair
            for name in wanted_splits(split)
            if name in parts
            for pair in pair_by_stem(parts[name].images, parts[name].masks, only=parts[name].only)
        ]
        groups = [sequence_of(pair.id) for pair in pairs]
        super().__init__(pairs, split=split, labels=LABELS, groups=groups, cache=cache)


def sequence_of(name: str) -> str | None:
    """Return the video that a frame is from: 0001TP, 0006R0, 0016E5 or Seq05VD."""
    match = re.match(r"([^_]+)_", name)
    return match[1] if match else None


def _inner(root: Path) -> Path:
    inner = root / "CamVid"
    return inner if inner.is_dir() and not (root / "train").is_dir() else root


def _part(root: Path, split: str) -> Part | None:
    for images, masks in (
        (root / split / "images", root / split / "masks"),
        (root / split, root / f"{split}annot"),
    ):
        if images.is_dir() and masks.is_dir():
            return Part(images, masks, _listed(root / f"{split}.txt", images))
    return None


def _listed(file: Path, images: Path) -> tuple[str, ...] | None:
    """Return the ids that the tutorial's split file lists, where it is there."""
    if not file.is_file():
        return None
    return listed_stems(file, files_by_stem(images))


def _count_notes(split: str, counts: dict[str, int]) -> tuple[str, ...]:
    notes = []
    for name in wanted_splits(split):
        if counts.get(name, 0) != PUBLISHED_COUNTS[name]:
            published = PUBLISHED_COUNTS[name]
            notes.append(f"{name} has {counts.get(name, 0)} images, the published split {published}")
    return tuple(notes)
