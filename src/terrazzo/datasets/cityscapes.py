"""`cityscapes`: street scenes of 50 cities from a car, in fine or coarse polygons.

Classes: 19, or 7 categories, or road against the rest; see `cityscapes_labels`.
Files: 2048 x 1024 PNG images; masks as PNG of raw ids, of train ids, or of colours (RGBA).
Split: train, val and test by city. The masks published for test are placeholders without any label. One image
of train_extra, troisdorf_000000_000073, was published all black.
Group: city and recording, as `frankfurt_000001`. In most cities each labelled frame is a recording of its
own, in some one recording holds hundreds of frames; `group_by: city` is the cautious choice.
Licence: the Cityscapes terms of use, non-commercial and without redistribution; needs an account.
Citation: Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from terrazzo.core.errors import DataError, RequestError
from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, count_notes, refuse_empty, wanted_splits
from terrazzo.datasets.cityscapes_labels import MaskKind, Task, cityscapes_labels
from terrazzo.datasets.pairing import Pair, files_by_stem, pair_files, refuse_names

Quality = Literal["fine", "coarse"]
GroupBy = Literal["recording", "city"]

PUBLISHED_COUNTS: dict[str, dict[str, int]] = {
    "fine": {"train": 2975, "val": 500, "test": 1525},
    "coarse": {"train": 2975, "train_extra": 19998, "val": 500},
}

ABOUT = About(
    name="cityscapes",
    title="Cityscapes",
    homepage="https://www.cityscapes-dataset.com",
    licence="Cityscapes terms of use: non-commercial, no redistribution; an account is needed.",
    citation="Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
    splits={"train": 2975, "val": 500},
    layout=(
        "leftImg8bit/{train,val,test}/<city>/<city>_<recording>_<frame>_leftImg8bit.png",
        "gtFine/{train,val,test}/<city>/<city>_<recording>_<frame>_gtFine_labelIds.png",
        "    or *_gtFine_labelTrainIds.png or *_gtFine_color.png (option masks)",
        "for quality: coarse",
        "leftImg8bit/{train,train_extra,val}/... and",
        "gtCoarse/{train,train_extra,val}/<city>/..._gtCoarse_labelIds.png",
    ),
)

FOLDERS = ("train", "train_extra", "val", "test")
IMAGE_END = "_leftImg8bit"
_NAME = re.compile(rf"[^_]+_\d{{6}}_\d{{6}}{IMAGE_END}")


class Cityscapes(PairDataset):
    """Cityscapes as its archives unpack: leftImg8bit/ beside gtFine/ or gtCoarse/."""

    kind = "cityscapes"
    known_labels = cityscapes_labels()

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        task: Task = "classes",
        masks: MaskKind = "labelIds",
        quality: Quality = "fine",
        extra: bool = False,
        group_by: GroupBy = "recording",
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder with leftImg8bit/.
            split: train, val, test or all (the splits that are there).
            task: classes (19), categories (7) or road (2).
            masks: which mask files are read: labelIds, labelTrainIds (made by the data's own tools) or color.
            quality: fine polygons, or coarse ones.
            extra: add the 19998 coarse images of train_extra to train; coarse only.
            group_by: recording (city and recording) or city.
            cache: keep decoded samples in memory (one takes 8 MB).

        Raises:
            DataError: no such folder or split, a name that is none of Cityscapes', or wrong pairs.
            RequestError: an unknown split, or extra with fine masks.
        """
        check_split(split)
        if extra and quality != "coarse":
            raise RequestError(
                "extra = True adds train_extra, which has coarse masks only; set quality: coarse."
            )
        root, target = Path(root), f"gt{quality.title()}"
        found = {name: files for name in FOLDERS if (files := _images(root, target, name))}
        _refuse_another_folder(root, target)
        counts = {name: len(files) for name, files in found.items()}
        refuse_empty(split, root, counts, f"Expected the split in leftImg8bit/ and in {target}/.")
        folders = [name for wanted in wanted_splits(split) for name in _folders_of(wanted, extra=extra)]
        self.notes = _notes(folders, counts, quality)
        pairs = [
            pair
            for name in folders
            if name in found
            for pair in _pairs(found[name], root / target / name, f"_{target}_{masks}")
        ]
        groups = [group_of(pair.id, group_by) for pair in pairs]
        labels = cityscapes_labels(task, masks)
        super().__init__(pairs, split=split, labels=labels, groups=groups, cache=cache)


def group_of(name: str, by: GroupBy) -> str:
    """Return the city of a frame, `frankfurt`, or its recording, `frankfurt_000001`."""
    city, recording, _ = name.split("_", maxsplit=2)
    return city if by == "city" else f"{city}_{recording}"


def _folders_of(split: str, *, extra: bool) -> tuple[str, ...]:
    return (split, "train_extra") if split == "train" and extra else (split,)


def _images(root: Path, target: str, name: str) -> dict[str, list[Path]]:
    """Return the images of a folder that has masks, by id; empty where either is missing.

    Raises:
        DataError: an image whose name is none of Cityscapes'; all are listed.
    """
    folder = root / "leftImg8bit" / name
    if not (root / target / name).is_dir():
        return {}
    files = _files(folder)
    refuse_names(folder, files, _NAME, f"<city>_<recording>_<frame>{IMAGE_END}")
    return {stem.removesuffix(IMAGE_END): paths for stem, paths in files.items()}


def _pairs(images: dict[str, list[Path]], folder: Path, end: str) -> list[Pair]:
    by_stem = _files(folder)
    masks = {stem.removesuffix(end): paths for stem, paths in by_stem.items() if stem.endswith(end)}
    where = f"{folder.parent.parent / 'leftImg8bit' / folder.name} and {folder} (masks *{end})"
    return pair_files(images, masks, where=where + _other_masks(images, by_stem, end))


def _other_masks(images: dict[str, list[Path]], by_stem: dict[str, list[Path]], end: str) -> str:
    """Notice masks of another kind where those asked for are missing."""
    target, kind = end.rsplit("_", maxsplit=1)
    missing = [name for name in images if name + end not in by_stem]
    for other in get_args(MaskKind):
        if other != kind and missing and all(f"{name}{target}_{other}" in by_stem for name in missing):
            return f"; the missing ones are there as *{target}_{other}: give the option masks={other!r}"
    return ""


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of all cities by name without ending."""
    found: dict[str, list[Path]] = {}
    for city in sorted(path for path in folder.glob("*") if path.is_dir()):
        for stem, paths in files_by_stem(city).items():
            found.setdefault(stem, []).extend(paths)
    return found


def _refuse_another_folder(root: Path, target: str) -> None:
    for name in ("leftImg8bit", target):
        if not (root / name).is_dir():
            there = ", ".join(sorted(p.name + "/" * p.is_dir() for p in root.glob("*"))[:12]) or "nothing"
            raise DataError(
                f"{root}: no Cityscapes here. Expected leftImg8bit/ and {target}/ side by side, as the "
                f"archives unpack; found {there}. Give the folder that holds both."
            )


def _notes(folders: Sequence[str], counts: dict[str, int], quality: Quality) -> tuple[str, ...]:
    notes = count_notes(folders, counts, PUBLISHED_COUNTS[quality])
    if counts.get("test") and "test" in folders:
        notes += (
            "the published masks of test are placeholders: its scores come from the benchmark's server",
        )
    return notes
