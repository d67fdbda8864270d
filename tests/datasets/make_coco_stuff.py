"""A tiny COCO-Stuff 164k: grey maps of ids less one, and the maps of another tool beside them."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.datasets.make_coco_polygons import write_image

VALUES = np.array([0, 12, 91, 181, 255], dtype=np.uint8)
"""person, parking meter's neighbour of an unused id, banner, wood, nobody's."""


def make(root: Path) -> Path:
    """Write three images to train on and two to validate on."""
    for split, numbers in (("train2017", (9, 25, 30)), ("val2017", (139, 285))):
        for number in numbers:
            write_image(root / "images" / split / f"{number:012d}.jpg", number)
            folder = root / "annotations" / split
            folder.mkdir(parents=True, exist_ok=True)
            mask = np.random.default_rng(number).choice(VALUES, (20, 24))
            Image.fromarray(mask).save(folder / f"{number:012d}.png")
            Image.fromarray(mask).save(folder / f"{number:012d}_labelTrainIds.png")
    return root
