"""`camvid`: street scenes from a driving car, in the copy of the SegNet tutorial or the original release.

Classes: 11; or 12, where Unlabelled counts; or the 32 of the original colours. See `camvid_labels`.
Files: the tutorial has 480 x 360 images and PNG masks of ids; the original release 960 x 720 PNG images and
RGB PNG masks, `0001TP_006690.png` and `0001TP_006690_L.png`.
Split: the tutorial's. The original release has none; the same frames are found by their names there, or
train.txt, val.txt and test.txt are read where they lie in the folder.
Group: the video, 0001TP, 0006R0, 0016E5 or Seq05VD.
Licence: for research; the tutorial's copy CC BY-NC 4.0.
Citation: Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video, Pattern Recognition Letters 2009.
Split: Badrinarayanan, Kendall, Cipolla: SegNet, PAMI 2017.
"""

import re
from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, count_notes, refuse_empty, wanted_splits
from terrazzo.datasets.camvid_labels import LABELS, Classes, camvid_labels
from terrazzo.datasets.layouts import Part, listed_stems
from terrazzo.datasets.pairing import files_by_stem, pair_by_stem, refuse_names

__all__ = ["ABOUT", "LABELS", "CamVid", "published_split", "sequence_of"]

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
        "the original release: 701_StillsRaw_full/<frame>.png and LabeledApproved_full/<frame>_L.png",
        "    or {train,val,test}/<frame>.png and {train,val,test}_labels/<frame>_L.png",
    ),
)

STILLS, COLOUR_MASKS = "701_StillsRaw_full", "LabeledApproved_full"
LAYOUTS = (
    ("{split}/images", "{split}/masks", ""),
    ("{split}", "{split}annot", ""),
    ("{split}", "{split}_labels", "_L"),
    (STILLS, COLOUR_MASKS, "_L"),
)
"""Folder of images, folder of masks, and what a mask's name has after the image's: `_L` if coloured."""

FRAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)")


class CamVid(PairDataset):
    """CamVid in any of the `LAYOUTS`."""

    kind = "camvid"
    known_labels = LABELS

    def __init__(
        self, root: str | Path, split: str = "train", *, classes: Classes = 11, cache: bool = False
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder, or one that holds it as CamVid/.
            split: train, val, test or all (the splits that are there).
            classes: 11; 12, where Unlabelled is a class too; or 32, of colour masks only.
            cache: keep decoded samples in memory (train of the tutorial: 250 MB).

        Raises:
            DataError: no such folder or split, wrong pairs (all listed), or 32 classes of masks with ids.
            RequestError: an unknown split.
        """
        check_split(split)
        root = _inner(Path(root))
        suffix, parts = _find(root)
        if classes == 32 and not suffix:
            raise DataError(
                f"{root}: 32 classes were asked for, but these are the tutorial's masks of 11 classes; "
                f"expected the original release, {STILLS}/ and {COLOUR_MASKS}/. Choose 11 or 12 classes."
            )
        counts = {name: part.count for name, part in parts.items()}
        refuse_empty(
            split, root, counts, "Some copies leave splits out; the SegNet tutorial's has all three."
        )
        self.notes = count_notes(wanted_splits(split), counts, PUBLISHED_COUNTS)
        pairs = [
            pair
            for name in wanted_splits(split)
            if name in parts
            for pair in pair_by_stem(
                parts[name].images, parts[name].masks, only=parts[name].only, mask_suffix=suffix
            )
        ]
        groups = [sequence_of(pair.id) for pair in pairs]
        labels = camvid_labels(classes, colours=bool(suffix))
        super().__init__(pairs, split=split, labels=labels, groups=groups, cache=cache)


def sequence_of(name: str) -> str | None:
    """Return the video that a frame is from: 0001TP, 0006R0, 0016E5 or Seq05VD."""
    match = re.match(r"([^_]+)_", name)
    return match[1] if match else None


def published_split(name: str) -> str | None:
    """Return the split that the tutorial has a frame of the 701 in, or None for a name of another form."""
    match = FRAME.fullmatch(name)
    if match is None:
        return None
    sequence, number = match[1], int(match[2])
    if sequence == "Seq05VD" or (sequence == "0001TP" and number > 8520):
        return "test"
    return "val" if sequence == "0016E5" and 7959 <= number <= 8159 else "train"


def _inner(root: Path) -> Path:
    inner = root / "CamVid"
    return inner if inner.is_dir() and not (root / "train").is_dir() else root


def _find(root: Path) -> tuple[str, dict[str, Part]]:
    """Return the ending of the masks' names, and where each split is.

    Raises:
        DataError: none of the layouts.
    """
    for images, masks, suffix in LAYOUTS:
        parts = {
            split: _part(root, split, root / images.format(split=split), root / masks.format(split=split))
            for split in SPLITS
            if (root / images.format(split=split)).is_dir() and (root / masks.format(split=split)).is_dir()
        }
        if parts:
            return suffix, parts
    raise DataError(
        f"{root}: no CamVid here. Expected train/images and train/masks, train/ and trainannot/ as in the "
        f"SegNet tutorial, or {STILLS}/ and {COLOUR_MASKS}/; give the folder that holds them."
    )


def _part(root: Path, split: str, images: Path, masks: Path) -> Part:
    """Return a split's files: those its list names, where there is one; else the folder or its share of it.

    Raises:
        DataError: frames of one common folder whose names do not say which split they are in.
    """
    files = files_by_stem(images)
    if (root / f"{split}.txt").is_file():
        return Part(images, masks, listed_stems(root / f"{split}.txt", files))
    if images.name != STILLS:
        return Part(images, masks)
    if any((root / f"{other}.txt").is_file() for other in SPLITS):
        return Part(images, masks, ())
    refuse_names(images, files, FRAME, "<video>_<number>; list the frames in train.txt, val.txt and test.txt")
    return Part(images, masks, tuple(name for name in files if published_split(name) == split))
