"""Labels of the fast network beside those of the network as it is: pixels that differ, on real images.

python -m benchmarks.predict_agreement MODEL camvid:../shared/data/camvid
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.pages import fill
from terrazzo.datasets import open_dataset
from terrazzo.evaluate import evaluate
from terrazzo.predict import Predictor, TorchBackend, WholeImage, load

RESULTS = Path("benchmarks/results/predict_agreement.json")
PAGE = Path("docs/predict-speed.md")


def main() -> None:
    """Compare pixel by pixel and by score, and write both down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--split", default="val")
    options = parser.parse_args()
    fast = load(options.model)
    plain = Predictor(
        fast.model, fast.labels, fast.card, inference=WholeImage(TorchBackend(fast.model, fold=False))
    )
    dataset = open_dataset(options.data, split=options.split)
    different = pixels = 0
    for index in range(len(dataset)):
        image = dataset[index]["image"]
        ids = [predictor.predict(image) for predictor in (fast, plain)]
        different += int(np.sum(ids[0] != ids[1]))
        pixels += ids[0].size
    facts = {
        "network": fast.card.architecture,
        "data": options.data.rpartition("/")[2],
        "images": len(dataset),
        "pixels": pixels,
        "different_pixels": different,
        "miou": {name: evaluate(p, dataset).scores.miou for name, p in (("fast", fast), ("plain", plain))},
    }
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")
    line = (
        f"{different} of {pixels:,} labels differ on the {len(dataset)} validation images of "
        f"{facts['data']} ({fast.card.architecture}), and mIoU by "
        f"{abs(facts['miou']['fast'] - facts['miou']['plain']):.1e}."
    )
    fill(PAGE, "agreement", line)
    print(line)


if __name__ == "__main__":
    main()
