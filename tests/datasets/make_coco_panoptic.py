"""A tiny COCO panoptic: segment colours in base 256 and the JSON that names them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.datasets.make_coco_polygons import SIZE, write_image

CATEGORIES = [
    {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60], "supercategory": "person"},
    {"id": 3, "name": "car", "isthing": 1, "color": [0, 0, 142], "supercategory": "vehicle"},
    {"id": 184, "name": "tree-merged", "isthing": 0, "color": [220, 20, 60], "supercategory": "plant"},
]
"""The third has the colour of the first, which is no reason to refuse it."""

SEGMENTS = {3226956: 1, 6979964: 3, 200: 184, 65793: 1}
"""Segment id -> category; two are persons."""


def make(root: Path) -> Path:
    """Write the official layout."""
    for split, numbers in (("train2017", (9, 25, 30)), ("val2017", (139, 285))):
        folder = root / "annotations" / f"panoptic_{split}"
        folder.mkdir(parents=True)
        annotations = []
        for number in numbers:
            write_image(root / split / f"{number:012d}.jpg", number)
            ids = np.random.default_rng(number).choice([0, *SEGMENTS], SIZE)
            write_segments(folder / f"{number:012d}.png", ids)
            found: list[dict[str, Any]] = [
                {"id": s, "category_id": c, "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]}
                for s, c in SEGMENTS.items()
            ]
            annotations.append(
                {"image_id": number, "file_name": f"{number:012d}.png", "segments_info": found}
            )
        images = [
            {"id": n, "file_name": f"{n:012d}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in numbers
        ]
        data = {"images": images, "annotations": annotations, "categories": CATEGORIES}
        (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(data))
    return root


def write_segments(path: Path, ids: np.ndarray) -> None:
    """Write segment ids as R + 256 G + 256^2 B."""
    rgb = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(path)
