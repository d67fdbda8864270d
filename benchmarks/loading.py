"""Images per second and core of loading with standard augmentation: ours and the peer's in turn, in one run.

    python -m benchmarks.loading ../shared/data/camvid

Three sets: CamVid as PNG (480 x 360), JPEGs of 1024 x 512 painted here, with grain like a camera's, both in
our default crop of 256 x 256; and the JPEGs in one of 512 x 512. One worker process prepares batches of 8 in
each case; the first two are not counted. Rounds alternate, and a figure is the median over rounds of the ratio of neighbours.
Each turn is measured twice: images per second of the clock, and per second of processor time of the worker,
all its threads together, which is the rate of a core whatever else the machine does.

    cold       the first epoch with `cache: disk`: every file is decoded, and the cache written beside
    warm       the epochs after it
    off        no cache
    half       `resize: 0.5` in the recipe and half the crop, no cache; the peer has Resize in front
    crop first the peer by RandomResizedCrop, which is cheaper but never shows more than the picture
    decoding   reading image and mask alone, in this process; its share is the floor of off and cold

The cache is filled and removed right before each cold turn. A virtual machine gives memory that was free for
long back to its host, and its return would be charged to the first who writes files.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil
from PIL import Image

from benchmarks import machine, peer_loading
from terrazzo.core.images import write_png
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.train.batches import Draws, Stage, TransformedSamples, endless_batches
from terrazzo.transforms import build_transform

BATCH = 8
WORKERS = 1


class Rate(NamedTuple):
    """Images per second."""

    clock: float
    """Of the clock."""

    core: float
    """Of processor time."""


@dataclass(frozen=True)
class Set:
    """One kind of files to load."""

    name: str
    root: Path
    size: tuple[int, int]
    crop: tuple[int, int]
    suffix: str

    @property
    def files(self) -> list[tuple[Path, Path]]:
        """Image and mask of every pair."""
        return [
            (path, self.root / "masks" / f"{path.stem}.png")
            for path in sorted((self.root / "images").glob(f"*{self.suffix}"))
        ]

    def open(self, **options: Any) -> SegmentationDataset:
        """Open all pairs as our dataset."""
        return build_dataset("folder", root=self.root, split="train", fractions=(1, 0, 0), **options)


def camvid_png(camvid: Path, root: Path, count: int) -> Set:
    """Write CamVid frames as PNG, the format they are published in."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    paths = sorted((camvid / "train" / "images").iterdir())
    for path in paths[:: max(1, len(paths) // count)][:count]:
        Image.open(path).save(root / "images" / f"{path.stem}.png")
        shutil.copy(camvid / "train" / "masks" / f"{path.stem}.png", root / "masks")
    shutil.copy(camvid / "classes.json", root)
    return Set("camvid-png", root, (360, 480), (256, 256), ".png")


def jpegs(root: Path, count: int) -> Set:
    """Paint street scenes of 1024 x 512 with grain, and write them as JPEG of quality 90."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    scenes = build_dataset("scenes", size=(512, 1024), count=count)
    for number, sample in enumerate(scenes):
        grain = generator(0, Stream.SCENE, number).normal(0, 5, sample["image"].shape)
        image = np.clip(sample["image"] + grain, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{sample['id']}.jpg", quality=90)
        write_png(root / "masks" / f"{sample['id']}.png", sample["mask"])
    (root / "classes.json").write_text(json.dumps({"classes": list(scenes.labels.names)}))
    return Set("jpeg-1024x512", root, (512, 1024), (256, 256), ".jpg")


def our_rate(data: SegmentationDataset, which: Set, seed: int, epochs: int = 1) -> Rate:
    """Return images/s of our loader over whole epochs."""
    transform = build_transform(
        "standard",
        crop=which.crop,
        ignore_index=data.labels.ignore_index,
        num_classes=data.labels.num_classes,
    )
    stages = (Stage(1.0, BATCH, transform),)
    draws = Draws(
        len(data),
        stages,
        seed=seed,
        position=0,
        micro_batches=0,
        accumulate=1,
        progress=lambda step, samples: 0.0,
    )
    samples = TransformedSamples(data, stages, seed=seed)
    batches = endless_batches(samples, draws, workers=WORKERS, pin=False)
    return rates_of(batches, epochs * len(data) // BATCH)


def fill(data: SegmentationDataset) -> None:
    """Put what the first epoch left out into the cache: it does not wait for a slow disk."""
    for index in range(len(data)):
        data[index]
    assert data._disk is not None
    data._disk.flush()


def their_rate(which: Set, transform: Any, seed: int) -> Rate:
    """Return images/s of the peer's loader over an epoch."""
    loader = peer_loading.loader(which.files, transform, batch=BATCH, workers=WORKERS, seed=seed)
    return rates_of(iter(loader), len(loader))


def rates_of(batches: Iterator[Any], count: int) -> Rate:
    """Return images/s from the second of `count` batches on, by the clock and by the worker's own time."""
    for _ in islice(batches, 2):
        pass
    clock, work = time.perf_counter(), worker_seconds()
    for _ in islice(batches, count - 2):
        pass
    images = BATCH * (count - 2)
    return Rate(images / (time.perf_counter() - clock), images / (worker_seconds() - work))


def worker_seconds() -> float:
    """Return the processor time of all child processes that run, seconds."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return float(sum(t.user + t.system for t in times))


def decoding_rate(read: Callable[[int], Any], count: int) -> Rate:
    """Return images/s of reading alone, one after the other in this process."""
    read(0)
    clock, work = time.perf_counter(), time.process_time()
    for index in range(count):
        read(index)
    return Rate(count / (time.perf_counter() - clock), count / (time.process_time() - work))


def rounds_of(which: Set, count: int, cache: Path) -> list[dict[str, Rate]]:
    """Measure every case in turn, `count` times."""
    half = replace(which, crop=(which.crop[0] // 2, which.crop[1] // 2))
    size = (which.size[0] // 2, which.size[1] // 2)
    plain, small = which.open(), which.open(resize=0.5)
    peer = peer_loading.standard(which.crop)
    peer_half = peer_loading.standard(half.crop, resize=size)
    cheaper = peer_loading.crop_first(which.crop, which.size)
    rounds = []
    for seed in range(count):
        rates = {"peer": their_rate(which, peer, seed)}
        fill(which.open(cache="disk"))
        shutil.rmtree(cache)
        rates["cold"] = our_rate(which.open(cache="disk"), which, seed)
        rates["peer again"] = their_rate(which, peer, seed)
        rates["off"] = our_rate(plain, which, seed)
        rates["peer crop first"] = their_rate(which, cheaper, seed)
        fill(which.open(cache="disk"))
        rates["warm"] = our_rate(which.open(cache="disk"), which, seed, epochs=3)
        rates["peer half"] = their_rate(half, peer_half, seed)
        rates["half"] = our_rate(small, half, seed)
        rates["peer decoding"] = decoding_rate(lambda i: peer_loading.read(which.files[i]), len(plain))
        rates["decoding"] = decoding_rate(lambda i: plain[i], len(plain))
        rounds.append(rates)
        print(which.name, {k: (round(r.clock, 1), round(r.core, 1)) for k, r in rates.items()}, flush=True)
    return rounds


def summary(rates: list[dict[str, Rate]], by: str) -> dict[str, Any]:
    """Return medians of the rates by `clock` or `core`, and of the ratios to the peer's neighbouring turn."""
    rounds = [{name: getattr(rate, by) for name, rate in one.items()} for one in rates]

    def ratio(ours: str, *theirs: str) -> float:
        return float(statistics.median(r[ours] / statistics.mean(r[t] for t in theirs) for r in rounds))

    both = ("peer", "peer again")
    return {
        "images_per_s": {name: statistics.median(r[name] for r in rounds) for name in rounds[0]},
        "times_the_peer": {
            "cold": ratio("cold", *both),
            "off": ratio("off", *both),
            "warm": ratio("warm", *both),
            "half": ratio("half", "peer half"),
            "warm, peer crops first": ratio("warm", "peer crop first"),
            "cold, peer crops first": ratio("cold", "peer crop first"),
        },
        "share_of_decoding": {
            "off": statistics.median(r["off"] / r["decoding"] for r in rounds),
            "cold": statistics.median(r["cold"] / r["decoding"] for r in rounds),
            "peer": statistics.median(r["peer"] / r["peer decoding"] for r in rounds),
        },
    }


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=160, help="per set")
    parser.add_argument("--only", help="one set: camvid-png, jpeg-1024x512, ...")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/loading.json"))
    args = parser.parse_args()
    machine.warn_if_busy()
    cv2.setNumThreads(0)
    facts = machine.facts()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TERRAZZO_CACHE"] = f"{folder}/cache"
        small = jpegs(Path(folder) / "jpeg", args.images)
        large = replace(small, name="jpeg-1024x512, crop 512", crop=(512, 512))
        for which in (camvid_png(args.camvid, Path(folder) / "png", args.images), small, large):
            if args.only in {None, which.name}:
                rounds = rounds_of(which, args.rounds, Path(folder) / "cache")
                results[which.name] = {by: summary(rounds, by) for by in ("core", "clock")}
                results[which.name]["rounds"] = rounds
    document = {"machine": facts, "batch": BATCH, "workers": WORKERS, "images": args.images, "sets": results}
    args.json.write_text(json.dumps(document, indent=1) + "\n")
    for name, result in results.items():
        print(name, json.dumps({k: v for k, v in result.items() if k != "rounds"}, indent=1))


if __name__ == "__main__":
    main()
