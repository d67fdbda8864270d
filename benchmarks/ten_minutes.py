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
    return read_run(facts, seed)


def read_run(facts: Path, seed: int) -> dict[str, Any]:
    """Read what `terrazzo train --json` wrote, without the path of the machine."""
    result: dict[str, Any] = json.loads(facts.read_text())
    result.pop("model")
    return {"seed": seed, **result}


def theirs(root: Path, minutes: float, out: Path) -> dict[str, Any]:
    """Train by the peer's script; return its facts."""
    facts = out / "theirs.json"
    command = [sys.executable, "-m", "benchmarks.peer_smp", str(root), "--minutes", str(minutes)]
    subprocess.run([*command, "--json", str(facts)], check=True)
    result: dict[str, Any] = json.loads(facts.read_text())
    return result


def main() -> None:
    """Run what was asked for, keep the other runs of an earlier file, and write them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--without-peer", action="store_true", help="keep the peer's figures of the last run")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/ten_minutes.json"))
    options = parser.parse_args()
    machine.warn_if_busy()
    facts = json.loads(options.json.read_text()) if options.json.exists() else {"terrazzo": [], "peer": None}
    facts |= {"machine": machine.facts(), "minutes": options.minutes}
    with tempfile.TemporaryDirectory() as out:
        if not options.without_peer:
            facts["peer"] = theirs(options.root, options.minutes, Path(out))
        runs = [ours(options.root, options.minutes, Path(out), seed) for seed in options.seeds]
    kept = [run for run in facts["terrazzo"] if run["seed"] not in options.seeds]
    facts["terrazzo"] = sorted(kept + runs, key=lambda run: int(run["seed"]))
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    for run in facts["terrazzo"]:
        print(f"terrazzo, seed {run['seed']}: validation mIoU {run['miou']:.3f}")
    if facts["peer"]:
        print(f"peer: validation mIoU {facts['peer']['miou']:.3f}")


if __name__ == "__main__":
    main()
