"""A tiny LabelMe folder: JSON beside the images, every shape that has an area, and an ignored region."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (20, 30)


def mask_png() -> str:
    """Return a 3 x 4 mask as LabelMe embeds it."""
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255, 0]] * 3, np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label: str, kind: str, points: list[list[float]], **more: Any) -> dict[str, Any]:
    """Return one shape as LabelMe writes it."""
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


SHAPES = [
    shape("road", "polygon", [[0, 10], [30, 10], [30, 20], [0, 20]]),
    shape("car", "rectangle", [[8, 12], [4, 8]]),
    shape("sign", "circle", [[20, 5], [20, 8]]),
    shape("car", "mask", [[24, 12], [27, 14]], mask=mask_png()),
    shape("__ignore__", "polygon", [[12, 14], [16, 14], [16, 18], [12, 18]]),
]


def make(root: Path) -> Path:
    """Write ten annotated images in one heap, and one that nobody has annotated yet."""
    root.mkdir(parents=True)
    for number in range(11):
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"scene{number // 2}_{number}.png")
        if number < 10:
            write(root / f"scene{number // 2}_{number}.json", SHAPES)
    return root


def write(path: Path, shapes: list[dict[str, Any]], **more: Any) -> None:
    """Write one annotation."""
    facts: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "imagePath": f"{path.stem}.png",
        "imageData": None,
    }
    size = {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    path.write_text(json.dumps({**facts, "shapes": shapes, **size, **more}))
