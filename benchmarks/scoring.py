"""What scoring costs: counting images per second on one core beside torchmetrics, and each meter per image.

    python -m benchmarks.scoring [--turns 7] [--height 1024] [--width 2048]

Images of Cityscapes' size and number of classes are made up: smooth regions of 19 classes, a prediction
whose outlines lie some pixels off, 6 % void. `counting` is all that an evaluation counts, a confusion matrix
per image and the fine-grained scores of all of them; `torchmetrics` is the update of its confusion matrix,
with its checks and without. The subjects take turns, a figure is the median of its turns, a ratio the median
of the ratios of neighbouring turns. One thread throughout. Decoding and prediction are not in it.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.pages import fill
from terrazzo.core import LabelMap
from terrazzo.metrics import METERS, ConfusionCounts, Judged, fine_grained, score

RESULT = Path("benchmarks/results/scoring.json")
PAGE = Path("docs/metrics.md")
CLASSES = 19
OFF = 6.0
"""Standard deviation of how far an outline lies off, in pixels at a width of 2048."""

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def example(seed: int, height: int, width: int) -> Pair:
    """Return (ids, truth), each (H, W): regions of all classes, warped into a prediction."""
    random = np.random.default_rng(seed)

    def smooth(rows: int, columns: int, channels: int) -> NDArray[np.float32]:
        grid = random.standard_normal((rows, columns, channels)).astype(np.float32)
        return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)

    truth = smooth(8, 16, CLASSES).argmax(axis=2).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    shift = OFF * width / 2048 * smooth(24, 48, 2)
    ids = cv2.remap(
        truth, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    ).astype(np.uint8)
    truth[-height // 16 :] = 255
    return ids, truth


def counting(images: list[Pair]) -> Callable[[], object]:
    """Return a call that counts and scores all images."""
    names = [str(k) for k in range(CLASSES)]

    def count() -> object:
        counts = ConfusionCounts(CLASSES)
        for place, (ids, truth) in enumerate(images):
            counts.add(ids, truth, str(place))
        return score(counts, names), fine_grained(counts, names)

    return count


def torchmetrics(images: list[Pair], *, validate: bool) -> Callable[[], object]:
    """Return a call that feeds torchmetrics' confusion matrix with tensors that are ready."""
    from torchmetrics.classification import MulticlassConfusionMatrix

    tensors = [(torch.from_numpy(ids).long(), torch.from_numpy(truth).long()) for ids, truth in images]

    def update() -> object:
        metric = MulticlassConfusionMatrix(CLASSES, ignore_index=255, validate_args=validate)
        for ids, truth in tensors:
            metric.update(ids[None], truth[None])
        return metric.compute()

    return update


def metered(name: str, images: list[Pair]) -> Callable[[], object]:
    """Return a call that feeds one meter."""
    labels = LabelMap.of({f"class {k}": (k, 0, 0) for k in range(CLASSES)})

    def measure() -> object:
        meter = METERS[name](labels)
        for place, (ids, truth) in enumerate(images):
            meter.add(Judged(str(place), None, truth, ids))
        return meter.to_json()

    return measure


def in_turns(subjects: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return seconds per call of every subject."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for call in subjects.values():
        call()
    for _ in range(turns):
        for name, call in subjects.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def rows_of(seconds: dict[str, list[float]], images: int) -> list[dict[str, Any]]:
    """Return a row per subject: milliseconds per image, images per second, times of `counting`."""
    rows = []
    for name, turns in seconds.items():
        each = statistics.median(turns) / images
        ratios = [mine / ours for mine, ours in zip(turns, seconds["counting"], strict=True)]
        rows.append(
            {
                "subject": name,
                "ms_per_image": round(1e3 * each, 2),
                "images_per_second": round(1 / each, 1),
                "times_counting": round(statistics.median(ratios), 2),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of the page."""
    head = ("| | ms per image | images per second | times counting |", "|---|---:|---:|---:|")
    lines = (
        f"| {row['subject']} | {row['ms_per_image']} | {row['images_per_second']} | {row['times_counting']} |"
        for row in rows
    )
    return "\n".join([*head, *lines])


def main() -> None:
    """Measure, keep the figures, and fill the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    machine.warn_if_busy()
    facts = machine.facts()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    images = [example(seed, given.height, given.width) for seed in range(given.images)]
    subjects = {
        "counting": counting(images),
        "torchmetrics": torchmetrics(images, validate=True),
        "torchmetrics, unchecked": torchmetrics(images, validate=False),
        # KITTI's road needs two classes and probabilities.
        **{name: metered(name, images) for name in METERS if name in MEASURED},
    }
    rows = rows_of(in_turns(subjects, given.turns), len(images))
    print(table(rows))
    case = {"height": given.height, "width": given.width, "classes": CLASSES, "images": len(images)}
    given.out.write_text(
        json.dumps({"machine": facts, "turns": given.turns, **case, "rows": rows}, indent=1) + "\n"
    )
    if given.out == RESULT:
        fill(PAGE, "scoring", table(rows))


MEASURED = ("boundary-iou", "fine-grained", "size-recall", "surface", "trimap")
"""The meters that need labels only."""


if __name__ == "__main__":
    main()
