"""How much longer does an inspection take than decoding the same files? In turn, with equal processes.

    python -m benchmarks.inspect_speed [--images 10000] [--size 512x1024] [--turns 3]

Made pairs: scenes at the wanted size with sensor noise, as JPEG (quality 90) beside id PNG. A few are painted
and the others are shifted and brightened copies, so that no two files are equal. The floor: the same files
decoded by the same readers in as many worker processes, nothing else; once plainly, and once with the
allocator set as an inspection sets it. The figure is the median over turns of
the ratio of neighbouring turns. Memory is that of all processes together, at two sizes of the data set: flat
means that the larger one needs hardly more.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets.scenes import LABELS, Scenes
from terrazzo.inspect import inspect
from terrazzo.inspect.survey import CHUNK, keep_memory

RESULT = Path("benchmarks/results/inspect_speed.json")
PAINTED = 24


def make_pairs(root: Path, count: int, size: tuple[int, int]) -> int:
    """Write pairs of train and val; return the bytes of all files."""
    for split in ("train", "val"):
        for side in ("images", "masks"):
            (root / split / side).mkdir(parents=True)
    (root / "classes.json").write_text(json.dumps(LABELS.to_json()))
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver")) as pool:
        parts = pool.map(partial(_make_some, root, count, size), range(PAINTED))
        return sum(parts)


def _make_some(root: Path, count: int, size: tuple[int, int], scene: int) -> int:
    """Write every n-th pair, all from one scene."""
    sample = Scenes("train", size=size, count=scene + 1, seed=7)[scene]
    written = 0
    for i in range(scene, count, PAINTED):
        rng = np.random.default_rng(i)
        shift = int(rng.integers(0, size[1]))
        noise = rng.normal(rng.uniform(-25, 25), 6, (*size, 1))
        image = (np.roll(sample["image"], shift, axis=1) + noise).clip(0, 255).astype(np.uint8)
        mask = np.roll(sample["mask"], shift, axis=1)
        part = root / ("val" if i % 10 == 9 else "train")
        image_path, mask_path = part / "images" / f"{i:06}.jpg", part / "masks" / f"{i:06}.png"
        Image.fromarray(image).save(image_path, quality=90)
        Image.fromarray(mask).save(mask_path)
        written += image_path.stat().st_size + mask_path.stat().st_size
    return written


def decode(pairs: Sequence[tuple[Path, Path]]) -> int:
    """Read both files of each pair and forget them."""
    return sum(read_image(image).size + read_mask(mask).size for image, mask in pairs)


def decoding_turn(root: Path, *, kept: bool) -> float:
    """Decode all pairs with one process per core; return pairs/s.

    Args:
        root: the pairs.
        kept: with the memory of an image kept for the next, as an inspection does; a plain loop does not.
    """
    images = sorted(root.glob("*/images/*.jpg"))
    pairs = [(path, path.parent.parent / "masks" / f"{path.stem}.png") for path in images]
    chunks = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
    start = time.perf_counter()
    prepare = keep_memory if kept else None
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver"), prepare) as pool:
        sum(pool.map(decode, chunks))
    return len(pairs) / (time.perf_counter() - start)


def inspecting_turn(root: Path, out: Path) -> float:
    """Inspect all pairs, doctor and journal included; return pairs/s."""
    start = time.perf_counter()
    report = inspect(root, out=out)
    assert not report.count("error"), report.findings
    return report.images / (time.perf_counter() - start)


def peak_memory(folder: Path, count: int, size: tuple[int, int]) -> int:
    """Return the peak memory, in bytes, of inspecting so many pairs."""
    from benchmarks import machine  # imports torch, which no worker should

    root = folder / f"memory-{count}"
    make_pairs(root, count, size)
    with machine.PeakMemory() as memory:
        inspect(root, out=folder / "out")
    return memory.peak


def measure(folder: Path, count: int, size: tuple[int, int], turns: int) -> dict[str, Any]:
    """Return all figures."""
    from benchmarks import machine

    root = folder / "pairs"
    bytes_written = make_pairs(root, count, size)
    rates: dict[str, list[float]] = {"decode": [], "decode, memory kept": [], "inspect": []}
    for turn in range(turns):
        rates["decode"].append(decoding_turn(root, kept=False))
        rates["decode, memory kept"].append(decoding_turn(root, kept=True))
        rates["inspect"].append(inspecting_turn(root, folder / "out"))
        print(f"turn {turn + 1}: " + ", ".join(f"{k} {v[-1]:.0f} pairs/s" for k, v in rates.items()))
    extra = {name: _extra(rates[name], rates["inspect"]) for name in ("decode", "decode, memory kept")}
    small = max(200, count // 10)
    return {
        "machine": machine.facts(),
        "pairs": count,
        "size": list(size),
        "bytes_per_pair": round(bytes_written / count),
        "pairs_per_s": {name: round(statistics.median(values), 1) for name, values in rates.items()},
        "extra_time_over": {name: statistics.median(values) for name, values in extra.items()},
        "all_turns": extra,
        "peak_memory_bytes": {str(n): peak_memory(folder, n, size) for n in (small, 4 * small)},
    }


def _extra(floor: list[float], ours: list[float]) -> list[float]:
    """Return by which share an inspection takes longer than the floor, turn by turn."""
    return [round(of_floor / of_ours - 1, 4) for of_floor, of_ours in zip(floor, ours, strict=True)]


def main() -> None:
    """Measure and write the result."""
    from benchmarks import machine

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", default="512x1024")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    machine.warn_if_busy()
    height, width = (int(side) for side in arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.images, (height, width), arguments.turns)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
