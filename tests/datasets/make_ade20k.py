"""A tiny scene parsing release of ADE20K, as its archive unpacks."""

from pathlib import Path

from tests.datasets.fakes import random_ids, save_ids, save_image

COUNTS = {"train": ("training", 3), "val": ("validation", 2)}


def make_ade20k(root: Path) -> Path:
    """Write ADEChallengeData2016/; return the folder that holds it."""
    inner = root / "ADEChallengeData2016"
    for split, (folder, count) in COUNTS.items():
        for number in range(1, count + 1):
            stem = f"ADE_{split}_{number:08d}"
            save_image(inner / "images" / folder / f"{stem}.jpg")
            path = inner / "annotations" / folder / f"{stem}.png"
            save_ids(path, random_ids(path, [0, 1, 2, 150]))
    (inner / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    return root
