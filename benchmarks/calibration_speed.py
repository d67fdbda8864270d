"""What do calibration and coverage cost per image, beside the softmax that both read?

    python -m benchmarks.calibration_speed [--size 512x1024] [--classes 19] [--turns 9]

One thread. Smooth made logits, 15 % errors, 12 % void. All are measured in turn within each round: medians
over rounds of processor time, and of the ratio to the softmax of the same round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks import machine
from terrazzo.core.prediction import Prediction
from terrazzo.metrics import Calibration, Coverage, Judged

RESULT = Path("benchmarks/results/calibration_speed.json")


def made(size: tuple[int, int], classes: int) -> Judged:
    """Return an image with logits at stride 4, errors and void."""
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.standard_normal((1, classes, 16, 16), dtype=np.float32)) * 8
    logits = functional.interpolate(coarse, (size[0] // 4, size[1] // 4), mode="bilinear")
    prediction = Prediction(logits, 4, size)
    ids = prediction.full_size()[0].argmax(dim=0).numpy().astype(np.uint8)
    truth = np.where(random.random(size) < 0.15, (ids + 1) % classes, ids).astype(np.uint8)
    truth[: size[0] // 10] = 255
    truth[random.random(size) < 0.02] = 255
    return Judged("made", None, truth, ids, prediction)


def rounds(image: Judged, classes: int, turns: int) -> dict[str, list[float]]:
    """Return milliseconds of processor time of each, round by round."""

    def softmax() -> None:
        image.__dict__.pop("probabilities", None)
        _ = image.probabilities

    tasks: dict[str, Callable[[], object]] = {
        "softmax": softmax,
        "calibration": lambda: Calibration(classes).add(image),
        "coverage": lambda: Coverage().add(image),
        "coverage-entropy": lambda: Coverage(by="entropy").add(image),
        "coverage-margin": lambda: Coverage(by="margin").add(image),
    }
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(turns + 1):  # the first round warms up
        for name, task in tasks.items():
            start = time.process_time()
            task()
            if turn:
                taken[name].append(1000 * (time.process_time() - start))
    return taken


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="512x1024")
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    machine.warn_if_busy()
    height, width = map(int, given.size.split("x"))
    taken = rounds(made((height, width), given.classes), given.classes, given.turns)
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.calibration_speed --size {given.size} --classes {given.classes}",
        "machine": machine.facts(),
        "ms_per_image": {name: round(statistics.median(times), 1) for name, times in taken.items()},
        "over_softmax": {
            name: round(statistics.median(t / s for t, s in zip(times, taken["softmax"], strict=True)), 2)
            for name, times in taken.items()
            if name != "softmax"
        },
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
