"""Post-processing: how long each step takes, what it gains on CamVid, and whether noise is taken for a gain.

    python -m benchmarks.postprocess [MODEL] [--root ../shared/data/camvid] [--sets 300]

Speed: labels of 1024 x 2048 pixels and 19 classes, made up, with more specks than a trained network leaves;
beside dropping clusters one pass of `cv2.connectedComponentsWithStats` per class, which only finds them.
All in turn, in one thread, in seconds of that thread's own time, median of several turns.

Gain: `terrazzo.evaluate.tune` on CamVid's validation images, where a model is given.

Noise: candidates that change every image by chance and none of which is better; how often the interval of the
cross-validated gain lies above 0, and below, as it is and without its correction for shared choices.

Writes benchmarks/results/postprocess.json and the tables of docs/postprocess.md.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.pages import fill
from terrazzo.core.labels import LabelMap
from terrazzo.core.prediction import Prediction
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets import open_dataset
from terrazzo.evaluate import tune
from terrazzo.evaluate.folds import divide
from terrazzo.evaluate.tune_postprocess import judge
from terrazzo.kernels.clusters import drop_clusters
from terrazzo.kernels.plain_clusters import find_clusters
from terrazzo.metrics.scores import Margins
from terrazzo.metrics.units import find_units
from terrazzo.predict import load, parse_postprocess, to_ids
from terrazzo.predict.postprocess import State

CLASSES, SIZE, STRIDE = 19, (1024, 2048), 4
STEPS = (
    "drop-clusters=70",
    "drop-clusters=1permille",
    "largest",
    "fill-holes=70",
    "open=1",
    "close=3",
    "threshold=class 1:0.3",
    "guided=4",
)
DESIGNS = ((8, 0), (40, 0), (8, 20), (8, 10), (1, 0), (8, 1))
"""Candidates, and groups of 60 images; 0 for images by themselves, 1 for one video."""


def made(noise: float) -> Prediction:
    """Return a prediction of smooth areas, with noise on its logits."""
    random = generator(0, Stream.SCENE)
    h, w = (side // STRIDE for side in SIZE)
    smooth = [
        cv2.resize(random.standard_normal((40, 80)), (w, h), interpolation=cv2.INTER_CUBIC)
        for _ in range(CLASSES)
    ]
    logits = np.stack(smooth) + noise * random.standard_normal((CLASSES, h, w))
    return Prediction(torch.from_numpy(3 * logits).float()[None], STRIDE, SIZE)


def per_class_pass(ids: NDArray[Any]) -> None:
    """Find the clusters of every class, one binary image after the other."""
    for k in range(CLASSES):
        cv2.connectedComponentsWithStats((ids == k).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)


def speed(turns: int = 7) -> dict[str, Any]:
    """Time every step, all in turn."""
    labels = LabelMap.of({f"class {k}": (k, k, k) for k in range(CLASSES)})
    prediction = made(0.1)
    ids = to_ids(prediction)
    pixels = generator(1, Stream.SCENE).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    work: dict[str, Callable[[], object]] = {"labelling per class, OpenCV": lambda: per_class_pass(ids)}
    for text in STEPS:
        steps = parse_postprocess(text, labels)
        work[text] = lambda steps=steps: steps.apply(State(ids, prediction, pixels))  # type: ignore[misc]
    noisy = to_ids(made(0.3))
    work["drop-clusters=70, many specks"] = lambda: drop_clusters(noisy, np.full(CLASSES, 70))
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(turns + 1):  # the first is not counted: what happens once
        for name, do in work.items():
            start = time.thread_time()
            do()
            if turn:
                seconds[name].append(time.thread_time() - start)
    return {
        "size": SIZE,
        "classes": CLASSES,
        "clusters": _clusters(ids),
        "clusters_many_specks": _clusters(noisy),
        "milliseconds": {name: round(1000 * float(np.median(each)), 1) for name, each in seconds.items()},
    }


def _clusters(ids: NDArray[Any]) -> dict[str, int]:
    areas = np.bincount(find_clusters(ids)[0].ravel())
    return {"all": len(areas), "below_70": int((areas < 70).sum())}


def noise(sets: int) -> list[dict[str, Any]]:
    """Tune to candidates of which none is better, many times."""
    rows = []
    for candidates, groups in DESIGNS:
        ids = [f"{i:03}" for i in range(60)]
        units = find_units(ids, [f"scene {i % groups}" if groups else None for i in range(60)])
        parts = divide(units, 5)
        found = []
        for number in range(sets):
            random = generator(number, Stream.SCENE, candidates, groups)
            margins = _by_chance(random, candidates)
            names = ["none", *map(str, range(candidates))]
            tuning = judge(names, margins, units, parts, resamples=300)
            found.append((tuning.difference, (tuning.high - tuning.low) / 2))
        gain, half = np.array(found).T
        narrow = half / math.sqrt(1 + 5 / 4)
        rows.append(
            {"candidates": candidates, "groups": groups}
            | {"above": float((gain > half).mean()), "below": float((gain < -half).mean())}
            | {"above_plain": float((gain > narrow).mean()), "below_plain": float((gain < -narrow).mean())}
        )
    return rows


def _by_chance(random: np.random.Generator, candidates: int) -> list[Margins]:
    """Return the margins of none, and of candidates that find some more or fewer pixels of each class."""
    base = random.uniform(300, 900, (60, 3))
    truth = np.full(base.shape, 1000.0)
    found = []
    for number in range(candidates + 1):
        more = random.normal(0, 20, base.shape) if number else 0
        hits = np.clip(base + more, 0, 1000)
        found.append(Margins(hits, truth, hits + np.roll(truth - hits, 1, axis=1)))
    return found


def speed_table(facts: Mapping[str, Any]) -> str:
    """Return the table of the times."""
    lines = ["| | ms |", "|---|---:|"]
    lines += [f"| {name} | {ms:.0f} |" for name, ms in facts["milliseconds"].items()]
    some, many = facts["clusters"], facts["clusters_many_specks"]
    words = (
        f"{facts['size'][1]} x {facts['size'][0]} pixels of {facts['classes']} classes, one thread; "
        f"{some['all']} clusters, {some['below_70']} of them below 70 pixels; with many specks "
        f"{many['all']} and {many['below_70']}."
    )
    return "\n".join([*lines, "", words])


def gain_table(facts: Mapping[str, Any]) -> str:
    """Return the table of the candidates."""
    lines = ["| | mIoU | over none, in points |", "|---|---:|---:|"]
    for row in facts["candidates"]:
        lines.append(f"| `{row['postprocess']}` | {100 * row['miou']:.2f} | {100 * row['difference']:+.2f} |")
    return "\n".join([*lines, "", facts["words"], *facts["notes"]])


def noise_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of the simulation."""
    units = {0: "60 images", 1: "one video of 60"}
    lines = [
        "| candidates | | above 0 | below 0 | plain: above 0 | below 0 |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        shares = [row[key] for key in ("above", "below", "above_plain", "below_plain")]
        over = units.get(row["groups"], f"60 in {row['groups']} groups")
        lines.append(
            " | ".join([f"| {row['candidates']}", over, *(f"{100 * share:.1f} %" for share in shares)]) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/camvid"))
    parser.add_argument("--sets", type=int, default=300, help="sets of made-up images per design")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/postprocess.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/postprocess.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    machine.warn_if_busy()
    facts: dict[str, Any] = {"machine": machine.facts(), "speed": speed(), "noise": noise(options.sets)}
    fill(options.page, "speed", speed_table(facts["speed"]))
    fill(options.page, "noise", noise_table(facts["noise"]))
    if options.model:
        predictor = load(options.model, device="cpu")
        facts["model"] = f"{predictor.model.architecture} at stride {predictor.model.stride}"
        facts["tuning"] = tune(predictor, open_dataset(f"camvid:{options.root}", split="val")).to_json()
        fill(options.page, "gain", gain_table(facts["tuning"]))
    elif options.json.exists():
        before = json.loads(options.json.read_text())
        facts |= {key: before[key] for key in ("model", "tuning") if key in before}
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
