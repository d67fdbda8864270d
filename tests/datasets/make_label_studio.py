"""A tiny Label Studio export: a polygon, a turned rectangle, an ellipse, a brush, and a task left undone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (20, 40)


def brush_bits(inside: np.ndarray) -> list[int]:
    """Encode a mask (H, W) as the tool does: RGBA, runs of up to 8, 16, 256 and 65536 values, literals."""
    values = np.repeat(inside.ravel().astype(np.uint8) * 255, 4)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    starts = np.flatnonzero(np.diff(values.astype(int), prepend=-1)).tolist()
    starts = [s for a, b in zip(starts, [*starts[1:], len(values)], strict=True) for s in range(a, b, 65536)]
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        length = end - start
        if length == 4:  # as a row of single values
            bits += "000" + f"{length - 1:03b}" + f"{values[start]:08b}" * length
            continue
        size = next(i for i, limit in enumerate((8, 16, 256, 65536)) if length <= limit)
        bits += "1" + f"{size:02b}" + f"{length - 1:0{(3, 4, 8, 16)[size]}b}" + f"{values[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def brush() -> np.ndarray:
    """Return the mask that is brushed: a bar, and a single pixel that needs literals."""
    inside = np.zeros(SIZE, dtype=bool)
    inside[15:18, 5:25] = True
    inside[1, 1] = True
    return inside


def result(kind: str, label: str, **value: Any) -> dict[str, Any]:
    """Return one result as the tool exports it."""
    facts = {
        "id": f"{kind}-{label}",
        "type": kind,
        "from_name": "tag",
        "to_name": "image",
        "origin": "manual",
    }
    size = {"original_width": SIZE[1], "original_height": SIZE[0], "image_rotation": 0}
    return {**facts, **size, "value": {**value, kind: [label]}}


RESULTS = [
    result("polygonlabels", "Road", points=[[0, 50], [100, 50], [100, 100], [0, 100]], closed=True),
    result("rectanglelabels", "Car", x=50, y=10, width=10, height=20, rotation=90),
    result("ellipselabels", "Sign", x=75, y=25, radiusX=5, radiusY=10, rotation=0),
    result("brushlabels", "Car", format="rle", rle=brush_bits(brush())),
    {
        "id": "c",
        "type": "choices",
        "value": {"choices": ["sunny"]},
        "from_name": "weather",
        "to_name": "image",
    },
]


def task(number: int, results: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return one task with its annotation."""
    annotation = {"id": 100 + number, "was_cancelled": False, "completed_by": 3, "result": results}
    data = {"image": f"/data/upload/1/{number:08x}-street_{number}.png"}
    return {"id": number, "data": data, "annotations": [annotation], "predictions": [], **more}


def make(root: Path) -> Path:
    """Write eleven tasks, the last without an annotation."""
    (root / "images").mkdir(parents=True)
    for number in range(11):
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"street_{number}.png")
    tasks = [task(n, RESULTS) for n in range(10)] + [task(10, [], annotations=[])]
    (root / "project-1-at-2025-01-01.json").write_text(json.dumps(tasks))
    return root


def write_brush_png(root: Path, number: int) -> None:
    """Write the brush of a task as the PNG export has it."""
    name = f"task-{number}-annotation-{100 + number}-by-3-tag-Car-0.png"
    Image.fromarray(brush().astype(np.uint8) * 255).save(root / name)
