"""What test-time augmentation gains and costs on CamVid's validation images, and ensembles beside it.

    python -m benchmarks.tta MODEL [--second MODEL] [--images 20] [--root ../shared/data/camvid]

Every method predicts every image once, all methods in turn before the next image, in an order that is turned
by one from image to image: what disturbs the machine disturbs all alike. A method's time is the sum over the
images, decoding left out, as a multiple of the plain network's. Gains are paired differences with intervals
(`terrazzo.evaluate.tta_gain`). Writes the figures and the table of docs/tta.md.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.pages import fill
from terrazzo.core.prediction import Prediction
from terrazzo.datasets import SegmentationDataset, open_dataset
from terrazzo.evaluate import Evaluation, Protocol, tta_gain
from terrazzo.metrics import ConfusionCounts, bootstrap_interval, score
from terrazzo.predict import Ensemble, Inference, Method, Predictor, TestTime, load, to_ids
from terrazzo.predict.inference import to_batch
from terrazzo.predict.views.merging import merge

SCALES = "scale=0.75:1:1.25"
TEXTS = (
    "hflip,merge=mean",
    "hflip,merge=logits",
    "hflip,merge=max",
    "hflip,merge=tsharpen",
    f"{SCALES},merge=mean",
    *(f"hflip,{SCALES},merge={rule}" for rule in ("mean", "logits", "gmean", "max", "tsharpen")),
    "hflip,scale=0.75:1:1.25:1.5,merge=mean",
    "hflip,vflip,merge=mean",
    "hflip,rot90,merge=mean",
)
BY_PIXEL = "hflip,merge=mean, pixel by pixel"
ENSEMBLE = "two models, mean"


class ByPixel(TestTime):
    """The same views merged at full size, though their grid is one: what merging at the logits gives up."""

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image."""
        return merge(self.spec.merge, lambda: self._views(image_HWC), at_full_size=True)


def methods(plain: Inference, second: Predictor | None) -> dict[str, Inference]:
    """Return what is compared, by name, the plain network first."""
    found: dict[str, Inference] = {"none": plain}
    found |= {text: TestTime(plain, text) for text in TEXTS}
    found[BY_PIXEL] = ByPixel(plain, "hflip")
    if second is not None:
        found[ENSEMBLE] = Ensemble([plain, second.inference])
    return found


def measure(
    found: Mapping[str, Inference], dataset: SegmentationDataset, indices: Sequence[int]
) -> tuple[dict[str, ConfusionCounts], dict[str, list[float]]]:
    """Predict the images by every method in turn; return counts and seconds per image."""
    counts = {name: ConfusionCounts(dataset.labels.num_classes) for name in found}
    seconds: dict[str, list[float]] = {name: [] for name in found}
    names = list(found)
    for name in names:  # not timed: what happens once
        to_ids(found[name](dataset[indices[0]]["image"]))
    for step, index in enumerate(indices):
        sample = dataset[index]
        turn = step % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            ids = to_ids(found[name](sample["image"]))
            seconds[name].append(time.perf_counter() - start)
            counts[name].add(ids, sample["mask"], sample["id"], sample["group"])
        print(f"{step + 1} of {len(indices)}", end="\r", flush=True)
    return counts, seconds


def evaluation(counts: ConfusionCounts, dataset: SegmentationDataset, method: Method) -> Evaluation:
    """Score what was counted."""
    interval = bootstrap_interval(counts)
    protocol = replace(Protocol.of(dataset, interval, method), images=len(counts))
    return Evaluation(counts, score(counts, dataset.labels.names), interval, protocol)


def rows(
    counts: Mapping[str, ConfusionCounts], seconds: Mapping[str, list[float]], dataset: SegmentationDataset
) -> list[dict[str, Any]]:
    """Return one plain row per method."""
    plain = evaluation(counts["none"], dataset, Method())
    found = [{"method": "none", "miou_tta": plain.scores.miou, "time_ratio": 1.0}]
    for name in list(counts)[1:]:
        other = evaluation(counts[name], dataset, Method(tta=name))
        gain = tta_gain(plain, other, seconds=(seconds["none"], seconds[name]))
        found.append({"method": name, **gain.to_json()})
    for row in found:
        row["seconds_per_image"] = float(np.median(seconds[str(row["method"])]))
    return found


def batch_ratio(plain: Inference, image: NDArray[Any], repeats: int = 7) -> float:
    """Time two views as one batch over the same two one after the other: the median ratio of turns."""
    first = to_batch(image, plain.backend.in_channels)
    both = torch.cat([first, first.flip(-1)]).contiguous(memory_format=torch.channels_last)
    ratios = []
    for _ in range(repeats):
        start = time.perf_counter()
        for half in (both[:1], both[1:]):
            plain.backend.run(half)
        middle = time.perf_counter()
        plain.backend.run(both)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return float(np.median(ratios))


def table(facts: Mapping[str, Any]) -> str:
    """Return the table of docs/tta.md."""
    lines = ["| | mIoU | gain in points | 95 % interval | time |", "|---|---:|---:|---:|---:|"]
    for row in facts["rows"]:
        cells = [
            f"`{row['method']}`" if "," in row["method"] else row["method"],
            f"{100 * row['miou_tta']:.2f}",
        ]
        if "difference" in row:
            low, high = (100 * end for end in row["interval"])
            cells += [f"{100 * row['difference']:+.2f}", f"{low:+.2f} to {high:+.2f}"]
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join([*cells, f"{row['time_ratio']:.2f} x"]) + " |")
    threads = facts["machine"]["threads"]
    words = (
        f"{facts['images']} validation images of CamVid, {facts['model']}; {facts['interval']}. "
        f"{facts['note']} On {threads} thread{'' if threads == 1 else 's'} two views in one batch took "
        f"{facts['batch_of_two_time_ratio']:.2f} times as long as one after the other."
    )
    return "\n".join([*lines, "", words])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--second", type=Path, help="another model of the same classes, for an ensemble")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/camvid"))
    parser.add_argument("--images", type=int, default=0, help="how many, evenly spaced; 0: all")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/tta.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/tta.md"))
    options = parser.parse_args()
    machine.warn_if_busy()
    dataset = open_dataset(f"camvid:{options.root}", split="val")
    wanted = options.images or len(dataset)
    indices = np.unique(np.linspace(0, len(dataset) - 1, wanted).round().astype(int)).tolist()
    predictor = load(options.model, device="cpu")
    second = load(options.second, device="cpu") if options.second else None
    facts: dict[str, Any] = {"machine": machine.facts(), "images": len(indices)}
    found = methods(predictor.inference, second)
    counts, seconds = measure(found, dataset, indices)
    network = predictor.model
    facts |= {
        "model": f"`{network.architecture}` at stride {network.stride}",
        "rows": rows(counts, seconds, dataset),
        "interval": bootstrap_interval(counts["none"]).method,
        "note": bootstrap_interval(counts["none"]).note,
        "batch_of_two_time_ratio": batch_ratio(predictor.inference, dataset[indices[0]]["image"]),
    }
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(table(facts))
    fill(options.page, "tta", table(facts))


if __name__ == "__main__":
    main()
