"""A tiny ISBI 2012: the challenge's two stacks, or the PNG pairs that copies of it have."""

from pathlib import Path

import numpy as np
from PIL import Image

SLICES = 12


def slices() -> tuple[np.ndarray, np.ndarray]:
    """Return (12, 10, 11) grey images and labels, 1 where there is membrane (a fifth of the pixels)."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (SLICES, 10, 11), dtype=np.uint8), (rng.random((SLICES, 10, 11)) < 0.2)


def make(root: Path) -> Path:
    """Write the two stacks, membrane dark."""
    root.mkdir(parents=True)
    images, membrane = slices()
    for name, stack in (("volume", images), ("labels", np.where(membrane, 0, 255).astype(np.uint8))):
        pages = [Image.fromarray(page) for page in stack]
        pages[0].save(root / f"train-{name}.tif", save_all=True, append_images=pages[1:])
    return root


def make_pairs(root: Path, *, folders: tuple[str, str] = ("images", "masks"), membrane_is: int = 1) -> Path:
    """Write PNG pairs named 0.png, 1.png, ... 11.png, the membrane 1 (of 0 and 1) or 0 (of 0 and 255)."""
    images, membrane = slices()
    labels = membrane.astype(np.uint8) if membrane_is else np.where(membrane, 0, 255).astype(np.uint8)
    for folder, stack in zip(folders, (images, labels), strict=True):
        (root / "train" / folder).mkdir(parents=True)
        for number, page in enumerate(stack):
            Image.fromarray(page).save(root / "train" / folder / f"{number}.png")
    return root
