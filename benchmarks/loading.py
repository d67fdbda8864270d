"""Images per second and core of loading with standard augmentation: ours and the peer's in turn, in one run.

    python -m benchmarks.loading ../shared/data/camvid

Two sets: CamVid as PNG (480 x 360, crop 256 x 256) and JPEGs of 1024 x 512 painted here, with grain like a
camera's (crop 512 x 512). One worker process prepares batches of 8 in each case, so a rate is one per
core; the first batch is not counted. Rounds alternate, and a figure is the median over rounds of the
ratio of neighbours.

    cold       the first epoch with `cache: disk`: every file is decoded, and the cache written beside
    warm       the epochs after it
    off        no cache
    half       `resize: 0.5` in the recipe, no cache; the peer has Resize in front
    decoding   reading image and mask alone, in this process; its share is the floor of off and cold
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks import machine, peer_loading
from terrazzo.core.images import write_png
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.train.batches import Draws, Stage, TransformedSamples, endless_batches
from terrazzo.transforms import build_transform

BATCH = 8
WORKERS = 1


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
    return Set("jpeg-1024x512", root, (512, 1024), (512, 512), ".jpg")


def our_rate(data: SegmentationDataset, which: Set, seed: int, epochs: int = 1) -> float:
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
    batches = endless_batches(TransformedSamples(data, stages, seed=seed), draws, workers=WORKERS, pin=False)
    return rate(islice(batches, epochs * len(data) // BATCH))


def fill(data: SegmentationDataset) -> None:
    """Put what the first epoch left out into the cache: it does not wait for a slow disk."""
    for index in range(len(data)):
        data[index]
    assert data._disk is not None
    data._disk.flush()


def their_rate(which: Set, transform: Any, seed: int) -> float:
    """Return images/s of the peer's loader over an epoch."""
    return rate(peer_loading.loader(which.files, transform, batch=BATCH, workers=WORKERS, seed=seed))


def rate(batches: Iterable[Any]) -> float:
    """Return images/s from the first batch on."""
    start, count = 0.0, 0
    for batch in batches:
        count += BATCH if start else 0
        start = start or time.perf_counter()
        del batch
    return count / (time.perf_counter() - start)


def decoding_rate(read: Callable[[int], Any], count: int) -> float:
    """Return images/s of reading alone, one after the other in this process."""
    read(0)
    start = time.process_time()
    for index in range(count):
        read(index)
    return count / (time.process_time() - start)


def rounds_of(which: Set, count: int, cache: Path) -> list[dict[str, float]]:
    """Measure every case in turn, `count` times."""
    height, width = which.size[0] // 2, which.size[1] // 2
    plain, small = which.open(), which.open(resize=0.5)
    peer = peer_loading.standard(which.crop)
    peer_half = peer_loading.standard(which.crop, resize=(height, width))
    cheaper = peer_loading.crop_first(which.crop, which.size)
    rounds = []
    for seed in range(count):
        shutil.rmtree(cache, ignore_errors=True)
        rates = {"peer": their_rate(which, peer, seed)}
        rates["cold"] = our_rate(which.open(cache="disk"), which, seed)
        rates["peer again"] = their_rate(which, peer, seed)
        rates["off"] = our_rate(plain, which, seed)
        rates["peer crop first"] = their_rate(which, cheaper, seed)
        fill(which.open(cache="disk"))
        rates["warm"] = our_rate(which.open(cache="disk"), which, seed, epochs=3)
        rates["peer half"] = their_rate(which, peer_half, seed)
        rates["half"] = our_rate(small, which, seed)
        rates["peer decoding"] = decoding_rate(lambda i: peer_loading.read(which.files[i]), len(plain))
        rates["decoding"] = decoding_rate(lambda i: plain[i], len(plain))
        rounds.append(rates)
        print(which.name, {name: round(value, 1) for name, value in rates.items()}, flush=True)
    return rounds


def summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Return medians of the rates, and of the ratios to the peer's neighbouring turn."""

    def ratio(ours: str, *theirs: str) -> float:
        return statistics.median(r[ours] / statistics.mean(r[t] for t in theirs) for r in rounds)

    both = ("peer", "peer again")
    return {
        "images_per_s_per_core": {name: statistics.median(r[name] for r in rounds) for name in rounds[0]},
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
    parser.add_argument("--only", help="one set: camvid-png or jpeg-1024x512")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/loading.json"))
    args = parser.parse_args()
    machine.warn_if_busy()
    cv2.setNumThreads(0)
    facts = machine.facts()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TERRAZZO_CACHE"] = f"{folder}/cache"
        makers: dict[str, Callable[[Path], Set]] = {
            "camvid-png": lambda root: camvid_png(args.camvid, root, args.images),
            "jpeg-1024x512": lambda root: jpegs(root, args.images),
        }
        for name, make in makers.items():
            if args.only in {None, name}:
                rounds = rounds_of(make(Path(folder) / name), args.rounds, Path(folder) / "cache")
                results[name] = {**summary(rounds), "rounds": rounds}
    document = {"machine": facts, "batch": BATCH, "workers": WORKERS, "images": args.images, "sets": results}
    args.json.write_text(json.dumps(document, indent=1) + "\n")
    for name, result in results.items():
        print(name, json.dumps({k: v for k, v in result.items() if k != "rounds"}, indent=1))


if __name__ == "__main__":
    main()
