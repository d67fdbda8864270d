"""A tiny COCO: polygons in parts, a crowd in run lengths, and an image without an object."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (20, 24)
CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]
CROWD = {"size": list(SIZE), "counts": [0, 100, 380]}
"""The first five columns, as column-wise counts."""


def write_image(path: Path, seed: int) -> None:
    """Write a JPEG of (20, 24)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)


def instances(numbers: tuple[int, ...]) -> dict[str, Any]:
    """Return the JSON of some images; the last has no object."""
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in numbers]
    annotations: list[dict[str, Any]] = []
    for n in numbers[:-1]:
        parts = [[10, 2, 20, 2, 20, 12, 10, 12], [2, 15, 5, 15, 5, 18, 2, 18]]
        found = [
            {"category_id": 18, "segmentation": [[12, 4, 15, 4, 15, 8, 12, 8]], "iscrowd": 0},
            {"category_id": 1, "segmentation": parts, "iscrowd": 0},
            {"category_id": 1, "segmentation": CROWD, "iscrowd": 1},
        ]
        annotations += [{"id": 10 * n + i, "image_id": n, **a} for i, a in enumerate(found)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": CATEGORIES}


def make(root: Path) -> Path:
    """Write the official layout, with captions beside the instances."""
    (root / "annotations").mkdir(parents=True)
    for split, numbers in (("train2017", (9, 25, 30)), ("val2017", (139, 285))):
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(instances(numbers)))
        (root / "annotations" / f"captions_{split}.json").write_text("{}")
        for number in numbers:
            write_image(root / split / f"{number:012d}.jpg", number)
    return root
