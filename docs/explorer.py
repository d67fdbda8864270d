"""Draw the picture of docs/explorer.md: the explorer of the demo's model on unseen built-in scenes.

python docs/explorer.py runs/demo/run/best docs/explorer.jpg
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from terrazzo import load
from terrazzo.datasets import build_dataset
from terrazzo.evaluate import evaluate
from terrazzo.evaluate.explorer import Contender, write_explorer


def main(model: str, target: str) -> None:
    """Write the explorer into a temporary folder and photograph it."""
    predictor, scenes = load(model), build_dataset("scenes", split="test", count=24)
    contender = Contender("demo", evaluate(predictor, scenes), predictor.answer, predictor.card.facts())
    with tempfile.TemporaryDirectory() as folder:
        page = write_explorer(Path(folder) / "page", [contender], dataset=scenes, title="The demo's model")
        worst = contender.evaluation.counts.ids[int(np.nanargmin(contender.evaluation.miou_per_image))]
        views = ("", f"#image={worst}&wipe=42")  # one above the other: the list, and one image
        shots = [np.asarray(photograph(page, view, Path(folder))) for view in views]
    Image.fromarray(np.concatenate(shots)).save(target, quality=75, optimize=True)


def photograph(page: Path, view: str, home: Path) -> Image.Image:
    """Return what Chromium shows of a view."""
    shot = home / "shot.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,830"]
    options += [f"--user-data-dir={home / 'profile'}", "--virtual-time-budget=5000", f"--screenshot={shot}"]
    subprocess.run(["chromium", *options, page.as_uri() + view], check=True, capture_output=True)
    with Image.open(shot) as image:
        return image.convert("RGB")


if __name__ == "__main__":
    main(*sys.argv[1:3])
