"""Milliseconds from an image file to a label PNG: `terrazzo.predict_files`, and the same network elsewhere.

    python -m benchmarks.predict_speed           # into benchmarks/results and docs/predict-speed.md

The peer is segmentation_models_pytorch in eager mode, written as its users write it (`peer_predict`): the
same architecture, the same random weights (`models.foreign`), the same files. Each side is a process of its
own; they take turns, and the figure is the median over turns of the ratio of neighbouring turns. Labels are
compared pixel by pixel. `roof` is the measured rate of a large float32 matrix product, `convolution_roof`
that of a 3x3 convolution of 256 channels: PyTorch computes the two in different libraries.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.pages import fill

RESULTS = Path("benchmarks/results/predict_speed.json")
PAGE = Path("docs/predict-speed.md")
NETWORKS = {
    "unet-timm resnet34": ("Unet", "resnet34"),
    "fpn resnet50": ("FPN", "resnet50"),
    "deeplabv3plus resnet50": ("DeepLabV3Plus", "resnet50"),
    "segformer mit_b0": ("Segformer", "mit_b0"),
}
SIDES = ("peer", "plain", "fast", "ours")
"""Whose turn it is: the peer; ours one after another with the network as it is; with the fast network; as
users get it, with overlapping stages and freed memory kept too."""


class Side:
    """A process that predicts a folder whenever it is told to."""

    def __init__(self, side: str, network: str, images: Path, out: Path) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.predict_side", side, network]
        self._process = subprocess.Popen(
            [*command, str(images), str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.out = out
        self.seconds: list[float] = []
        self.facts = self._answer()

    def turn(self, *, counted: bool = True) -> None:
        """Predict all images once."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        if counted:
            self.seconds.append(answer["seconds_per_image"])
        self.facts = answer

    def end(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A side has died; its error is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def draw_images(folder: Path, size: tuple[int, int], count: int) -> None:
    """Write smooth noise with a grain, which PNG compresses about as well as photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 256, (size[0] // 32, size[1] // 32, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        grainy = smooth + rng.normal(0, 3, smooth.shape)
        cv2.imwrite(str(folder / f"{number:03}.png"), grainy.clip(0, 255).astype(np.uint8))


def differing(first: Path, second: Path) -> float:
    """Return the share of pixels in which two folders of label files differ."""
    names = sorted(path.name for path in first.glob("*.png"))
    pairs = [[cv2.imread(str(folder / name), -1) for folder in (first, second)] for name in names]
    return float(np.mean([np.mean(one != other) for one, other in pairs]))


def measure(
    network: str, sides: Sequence[str], *, size: tuple[int, int], images: int, turns: int
) -> dict[str, Any]:
    """Return one row: every side's time, memory and labels on one network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        draw_images(folder, size, images)
        running = {side: Side(side, network, folder, Path(name) / side) for side in sides}
        for side in running.values():
            side.turn(counted=False)
        for _ in range(turns):
            for side in running.values():
                side.turn()
        different = {side: differing(running["peer"].out, running[side].out) for side in sides}
        for side in running.values():
            side.end()
    return {
        "network": network,
        "gflop": running["peer"].facts["gflop"],
        "sides": {side: _facts(running[side], running["peer"], different[side]) for side in sides},
    }


def _facts(side: Side, peer: Side, different: float) -> dict[str, Any]:
    ratios = [theirs / ours for theirs, ours in zip(peer.seconds, side.seconds, strict=True)]
    return {
        "ms_per_image": round(1000 * statistics.median(side.seconds), 1),
        "times_the_peer": round(statistics.median(ratios), 3),
        "peak_mib_over_the_loaded_model": round(side.facts["peak_mib"]),
        "pixels_unlike_the_peer": different,
        "turns_ms": [round(1000 * seconds, 1) for seconds in side.seconds],
    }


def convolution_peak(seconds: float = 2.0) -> float:
    """Measure operations per second of a 3x3 convolution, 256 to 256 channels, channels last."""
    import time

    import torch

    image = torch.randn(1, 256, 64, 64).to(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3).to(memory_format=torch.channels_last)
    work, rates = 2.0 * 256 * 256 * 9 * 64 * 64, []
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.nn.functional.conv2d(image, weight, padding=1)
            rates.append(work / (time.perf_counter() - start))
    return statistics.median(rates)


def add_shares(rows: list[dict[str, Any]], roof: float, convolution_roof: float) -> None:
    """Say of every time which share of the two roofs it reaches."""
    for row in rows:
        for facts in row["sides"].values():
            rate = row["gflop"] * 1e9 / (facts["ms_per_image"] / 1000)
            facts["share_of_roof"] = round(rate / roof, 3)
            facts["share_of_convolution_roof"] = round(rate / convolution_roof, 3)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| network | peer | ours | speed | of a matrix product's rate | of a convolution's | "
        "peak memory, peer | ours | other labels |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        peer, ours = row["sides"]["peer"], row["sides"]["ours"]
        lines.append(
            f"| {row['network']} | {peer['ms_per_image']:.0f} ms | {ours['ms_per_image']:.0f} ms | "
            f"{ours['times_the_peer']:.2f} x | {ours['share_of_roof']:.0%} | "
            f"{ours['share_of_convolution_roof']:.0%} | "
            f"{peer['peak_mib_over_the_loaded_model']} MiB | {ours['peak_mib_over_the_loaded_model']} MiB | "
            f"{ours['pixels_unlike_the_peer']:.0e} |"
        )
    return "\n".join(lines)


def steps_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what each step towards the default gives, as Markdown."""
    lines = ["| network | as it is | fast network | and overlap, memory kept |", "|---|---:|---:|---:|"]
    for row in rows:
        times = [f"{row['sides'][side]['times_the_peer']:.2f} x" for side in ("plain", "fast", "ours")]
        lines.append(f"| {row['network']} | {' | '.join(times)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, keep the figures, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), help="of the table; all by default")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--images", type=int, default=4, help="per turn")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 1024), metavar=("H", "W"))
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    from benchmarks import machine

    machine.warn_if_busy()
    facts = machine.facts()
    roofs = [(machine.peak_flops(), convolution_peak())]
    rows = []
    for network in options.networks:
        given = {"size": tuple(options.size), "images": options.images, "turns": options.turns}
        rows.append(measure(network, SIDES, **given))
        print(json.dumps(rows[-1]), flush=True)
        roofs.append((machine.peak_flops(), convolution_peak()))
    roof, convolution_roof = (statistics.median(rates) for rates in zip(*roofs, strict=True))
    add_shares(rows, roof, convolution_roof)
    kept = {
        "machine": facts,
        "size": list(options.size),
        "roof_gflop_per_s": round(roof / 1e9, 1),
        "convolution_roof_gflop_per_s": round(convolution_roof / 1e9, 1),
        "rows": rows,
    }
    options.json.write_text(json.dumps(kept, indent=1) + "\n")
    fill(options.page, "speed", table(rows))
    fill(options.page, "steps", steps_table(rows))
    print(table(rows))
    print(steps_table(rows))


if __name__ == "__main__":
    main()
