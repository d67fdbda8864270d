"""Draw the picture of the README from the demo's model: image, truth, prediction and errors of unseen scenes.

python docs/picture.py runs/demo/run/best docs/demo.png
"""

import sys

import numpy as np

from terrazzo import load
from terrazzo.core.images import write_png
from terrazzo.datasets import build_dataset
from terrazzo.figures import error_map, overlay

SCENES = (1, 4, 6)


def main(model: str, target: str) -> None:
    """Write one row per scene."""
    predictor, scenes = load(model), build_dataset("scenes", split="test")
    rows = []
    for index in SCENES:
        image, mask = scenes[index]["image"], scenes[index]["mask"]
        ids = predictor.predict(image)
        truth = overlay(image, mask, scenes.labels, alpha=0.8)
        predicted = overlay(image, ids, scenes.labels, alpha=0.8)
        rows.append(np.concatenate([image, truth, predicted, error_map(ids, mask, image=image)], axis=1))
    write_png(target, np.concatenate(rows, axis=0))


if __name__ == "__main__":
    main(*sys.argv[1:3])
