"""A tiny VOCdevkit with both years, and SBD as its archive unpacks."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.datasets.fakes import random_ids, save_ids, save_image

IDS = [0, 1, 15, 20, 255]
SPLITS_2012 = {"train": ["2007_000032", "2008_000043"], "val": ["2007_000033"], "test": ["2008_000006"]}
SPLITS_2007 = {"train": ["000032", "000063"], "val": ["000033"], "test": ["000068"]}
SBD = {"train": ["2007_000032", "2008_000002"], "val": ["2007_000033", "2008_000003"]}


def palette() -> np.ndarray:
    """The 256 colours that the devkit's masks carry."""
    colors = np.zeros((256, 3), np.uint8)
    for index in range(256):
        rest = index
        for place in range(7, -1, -1):
            for channel in range(3):
                colors[index, channel] |= (rest >> channel & 1) << place
            rest >>= 3
    return colors


def make_voc(root: Path) -> Path:
    """Write both years, 2012 with SegmentationClassAug and no masks for test; return the devkit's parent."""
    _year(root / "VOCdevkit" / "VOC2012", SPLITS_2012, with_masks=("train", "val"))
    _year(root / "VOCdevkit" / "VOC2007", SPLITS_2007, with_masks=("train", "val", "test"))
    newer = root / "VOCdevkit" / "VOC2012"
    for stem in sorted({name for names in SBD.values() for name in names}):
        if not (newer / "JPEGImages" / f"{stem}.jpg").is_file():
            save_image(newer / "JPEGImages" / f"{stem}.jpg")
        path = newer / "SegmentationClassAug" / f"{stem}.png"
        save_ids(path, random_ids(path, [0, 2, 3]))
    return root


def make_sbd(root: Path) -> Path:
    """Write SBD as benchmark.tgz unpacks; return the folder that holds benchmark_RELEASE."""
    folder = root / "benchmark_RELEASE" / "dataset"
    for split, stems in SBD.items():
        for stem in stems:
            save_image(folder / "img" / f"{stem}.jpg")
            save_mat(folder / "cls" / f"{stem}.mat")
        (folder / f"{split}.txt").write_text("\n".join(stems) + "\n")
    return root


def save_mat(path: Path) -> None:
    """Write a mask as SBD does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = random_ids(path, [0, 2, 3])
    present = np.array([[2], [3]], np.uint8)
    savemat(path, {"GTcls": {"Segmentation": mask, "CategoriesPresent": present}}, do_compression=True)


def _year(folder: Path, splits: dict[str, list[str]], with_masks: tuple[str, ...]) -> None:
    lists = splits | {"trainval": sorted(splits["train"] + splits["val"])}
    for split, stems in lists.items():
        file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(stems) + "\n")
        for stem in stems:
            save_image(folder / "JPEGImages" / f"{stem}.jpg")
            if split in with_masks:
                for name in ("SegmentationClass", "SegmentationObject"):
                    path = folder / name / f"{stem}.png"
                    save_ids(path, random_ids(path, IDS), palette())
    save_image(folder / "JPEGImages" / "2012_004331.jpg")  # most photos have boxes only
