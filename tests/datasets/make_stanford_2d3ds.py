"""A tiny Stanford 2D-3D-S: the areas' own folders and file names, instances in base 256, missing pixels."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = [
    "<UNK>_0_<UNK>_0_0",
    *(
        f"{name}_{i}_office_1_1"
        for i in range(40)
        for name in ("wall", "floor", "chair", "beam", "window", "clutter", "door")
    ),
]
"""281 instances, so that some need the second digit."""


def make(root: Path) -> Path:
    """Write areas 1, 2, 5a and 5b with two rooms each."""
    (root / "assets").mkdir(parents=True)
    (root / "assets" / "semantic_labels.json").write_text(json.dumps(NAMES))
    for seed, area in enumerate(("1", "2", "5a", "5b")):
        for room in ("conferenceRoom_1", "office_12"):
            write_pair(root / f"area_{area}" / "data", f"camera_{seed:032x}_{room}_frame_3_domain", seed)
    return root


def write_pair(folder: Path, stem: str, seed: int) -> None:
    """Write one image (RGBA, as some releases have it) and its instance numbers."""
    rng = np.random.default_rng((seed, len(stem)))
    numbers = rng.integers(0, len(NAMES), (10, 10))
    numbers[0] = 0x0D0D0D
    for kind in ("rgb", "semantic"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    rgba = rng.integers(0, 256, (10, 10, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(folder / "rgb" / f"{stem}_rgb.png")
    digits = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    Image.fromarray(digits).save(folder / "semantic" / f"{stem}_semantic.png")
