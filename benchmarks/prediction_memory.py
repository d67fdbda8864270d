"""The memory that a prediction takes, beside what was said before it: one process per network.

    python -m benchmarks.prediction_memory       # into benchmarks/results and docs/large-images.md

Measured is the peak of the process's resident memory during one prediction (VmHWM of Linux, which can be set
back) over what was resident before it; the network has predicted a small image before, so that what is loaded
and compiled once is not counted.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import facts, resident
from benchmarks.pages import fill

RESULTS = Path("benchmarks/results/prediction_memory.json")
PAGE = Path("docs/large-images.md")
NETWORKS = (
    ("unet-timm", "resnet34"),
    ("fpn", "resnet50"),
    ("segformer", "mit_b0"),
    ("deeplabv3plus", "resnet50"),
)
SIZES = ((512, 512), (1024, 2048))


def measure(name: str, encoder: str | None, size: tuple[int, int]) -> dict[str, Any]:
    """Measure in a process of its own, so that nothing freed earlier is used again."""
    asked = json.dumps([name, encoder, size])
    command = [sys.executable, "-m", "benchmarks.prediction_memory", "--one", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_here(name: str, encoder: str | None, size: tuple[int, int]) -> dict[str, Any]:
    """Predict one image of noise, and compare the peak with the estimate."""
    from terrazzo.models import build_model
    from terrazzo.predict import TorchBackend, WholeImage, to_ids
    from terrazzo.predict.tiles.memory import needed

    options: dict[str, Any] = {"pretrained": False} | ({"encoder": encoder} if encoder else {})
    model = build_model(name, num_classes=19, **options).eval()
    backend = TorchBackend(model)
    inference = WholeImage(backend)
    estimate = needed(backend.network, size, in_channels=3).peak
    to_ids(inference(np.zeros((64, 64, 3), np.uint8)))
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    to_ids(inference(image))
    measured = resident("VmHWM") - before
    return {
        "model": name,
        "encoder": encoder,
        "size": list(size),
        "estimate_bytes": estimate,
        "measured_bytes": measured,
        "ratio": estimate / measured,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return estimate over measured peak as Markdown, a network a line."""
    lines = [
        "| network | " + " | ".join(f"{height} x {width}" for height, width in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    for name, encoder in NETWORKS:
        own = [row for row in rows if (row["model"], row["encoder"]) == (name, encoder)]
        cells = [f"{row['ratio']:.2f} of {row['measured_bytes'] / 2**20:.0f} MiB" for row in own]
        lines.append(f"| `{name}` {encoder} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all networks, keep the figures, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="measure this network in this process: a JSON list")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    if options.one:
        name, encoder, size = json.loads(options.one)
        print(json.dumps(measure_here(name, encoder, tuple(size))))
        return
    rows = [measure(name, encoder, size) for name, encoder in NETWORKS for size in SIZES]
    for row in rows:
        print(json.dumps(row))
    options.out.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=1) + "\n")
    fill(options.page, "memory", table(rows))


if __name__ == "__main__":
    main()
