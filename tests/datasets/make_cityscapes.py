"""A tiny Cityscapes with fine and coarse masks of every kind, as its archives unpack."""

from pathlib import Path

import numpy as np

from terrazzo.datasets.cityscapes_labels import RAW, SCORED
from tests.datasets.fakes import random_ids, save_colors, save_ids, save_image

FRAMES = {
    "train": ["aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313"],
    "val": ["frankfurt_000000_000294", "frankfurt_000001_000538", "frankfurt_000001_000576"],
    "test": ["berlin_000000_000019"],
    "train_extra": ["augsburg_000000_000000"],
}


def make_cityscapes(root: Path) -> Path:
    """Write leftImg8bit/, gtFine/ and gtCoarse/; return the folder that holds them."""
    for split, frames in FRAMES.items():
        for frame in frames:
            place = Path(split) / frame.split("_")[0]
            save_image(root / "leftImg8bit" / place / f"{frame}_leftImg8bit.png")
            ids = list(range(34)) if split != "test" else [0, 1, 3]
            if split != "train_extra":
                save_masks(root / "gtFine" / place / f"{frame}_gtFine", ids)
            if split != "test":
                save_masks(root / "gtCoarse" / place / f"{frame}_gtCoarse", ids)
    return root


def save_masks(start: Path, ids: list[int]) -> None:
    """Write one frame's masks of ids, train ids, colours and instances, and its polygons."""
    mask = random_ids(start, ids)
    train_ids = np.array([SCORED.index(i) if i in SCORED else 255 for i in range(34)], np.uint8)
    save_ids(start.with_name(f"{start.name}_labelIds.png"), mask)
    save_ids(start.with_name(f"{start.name}_labelTrainIds.png"), train_ids[mask])
    save_ids(start.with_name(f"{start.name}_instanceIds.png"), mask)
    colors = [(*label.color, 255) for label in RAW]
    save_colors(start.with_name(f"{start.name}_color.png"), mask, colors)
    start.with_name(f"{start.name}_polygons.json").write_text("{}")
