"""CamVid from random weights in ten minutes on this machine: ours and the peer's, one after the other.

    python -m benchmarks.ten_minutes ../shared/data/camvid

Both are scored by `terrazzo evaluate`'s path at the original resolution, 11 classes, void ignored.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine

RECIPE = Path("recipes/camvid/cpu.yaml")


def ours(root: Path, minutes: float, out: Path, seed: int) -> dict[str, Any]:
    """Train by the CPU recipe through the command line; return its facts."""
    facts = out / f"ours-{seed}.json"
    command = [sys.executable, "-m", "terrazzo", "train", str(RECIPE), f"data.root={root}"]
    options = [f"train.seed={seed}", "--minutes", str(minutes), "--out", str(out / f"ours-{seed}")]
    subprocess.run([*command, *options, "--json", str(facts)], check=True)
    result: dict[str, Any] = json.loads(facts.read_text())
    result.pop("model")
    return result


def theirs(root: Path, minutes: float, out: Path) -> dict[str, Any]:
    """Train by the peer's script; return its facts."""
    facts = out / "theirs.json"
    command = [sys.executable, "-m", "benchmarks.peer_smp", str(root), "--minutes", str(minutes)]
    subprocess.run([*command, "--json", str(facts)], check=True)
    result: dict[str, Any] = json.loads(facts.read_text())
    return result


def main() -> None:
    """Run both and write the facts side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--without-peer", action="store_true", help="keep the peer's figures of the last run")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/ten_minutes.json"))
    options = parser.parse_args()
    machine.warn_if_busy()
    before = machine.facts()
    with tempfile.TemporaryDirectory() as out:
        if options.without_peer:
            peer = json.loads(options.json.read_text())["peer"]
        else:
            peer = theirs(options.root, options.minutes, Path(out))
        runs = [ours(options.root, options.minutes, Path(out), seed) for seed in options.seeds]
    facts = {"machine": before, "minutes": options.minutes, "terrazzo": runs, "peer": peer}
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    for run in runs:
        print(f"terrazzo mIoU {run['miou']:.3f}")
    print(f"peer     mIoU {peer['miou']:.3f}")


if __name__ == "__main__":
    main()
