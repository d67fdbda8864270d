"""A tiny export "Segmentation mask 1.1": labelmap.txt, RGB masks, and palettes in an order of their own."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (12, 16)
COLORS = {"background": (0, 0, 0), "road": (128, 64, 128), "car": (0, 0, 142), "dirt": (111, 74, 0)}


def make(root: Path) -> Path:
    """Write ten images; every other mask has a palette, in an order of its own."""
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    lines = ["# label:color_rgb:parts:actions"]
    lines += [f"{name}:{','.join(map(str, rgb))}::" for name, rgb in COLORS.items()]
    (root / "labelmap.txt").write_text("\n".join(lines) + "\n")
    names = [f"street{n // 2}_{n}" for n in range(10)]
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text("\n".join(names) + "\n")
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg")
        write_mask(
            root / "SegmentationClass" / f"{name}.png", rng.integers(0, 4, SIZE), palette=number % 2 == 0
        )
    return root


def write_mask(path: Path, ids: np.ndarray, *, palette: bool) -> None:
    """Write ids 0..3 of COLORS in their order, as RGB or with the palette turned around."""
    colors = np.array(list(COLORS.values()), dtype=np.uint8)
    if not palette:
        Image.fromarray(colors[ids]).save(path)
        return
    image = Image.fromarray((3 - ids).astype(np.uint8))
    image.putpalette(colors[::-1].tobytes())
    image.save(path)
