"""Training images per second on the same network, crop and batch: ours and the peer's in turn, in one run.

    python -m benchmarks.train_speed ../shared/data/camvid

Network: U-Net with a resnet18 encoder, 352 x 480, batches of 8, data loading and augmentation included. Each
turn trains a few steps; the first ones are thrown away. The figure is the median over turns of the ratio of
neighbouring turns. The floor: the network's arithmetic (counted by torch) at the measured fp32 roof.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine, peer_smp
from terrazzo.train import Recipe, read_recipe
from terrazzo.train.build import build_batches, build_parts, build_state
from terrazzo.train.loop import Hooks, State, StepFacts, fit

RECIPE = Path("recipes/camvid/unet-resnet18.yaml")
WARM, COUNTED = 2, 5


def our_turn(recipe: Recipe) -> list[float]:
    """Train by our recipe; return the end time of every step."""
    parts = build_parts(recipe)
    state = build_state(recipe, parts)
    ends: list[float] = []

    def note_time(state: State, facts: StepFacts) -> None:
        ends.append(time.perf_counter())

    hooks = Hooks(
        lr_factor=lambda state: 1.0,
        done=lambda state: state["step"] >= WARM + COUNTED,
        after_step=note_time,
    )
    fit(
        parts.accelerator,
        state,
        build_batches(recipe, parts, state),
        parts.loss,
        hooks,
        accumulate=1,
        clip=recipe.train.clip,
        ignore_index=255,
        seed=0,
    )
    return ends


def their_turn(root: Path) -> list[float]:
    """Train by the peer's script; return the end time of every step."""
    return peer_smp.fit(peer_smp.CamVidModel(), root, max_steps=WARM + COUNTED)


def images_per_s(turn: Callable[[], list[float]]) -> tuple[float, int]:
    """Run a turn; return images/s over the counted steps and the peak memory in bytes."""
    gc.collect()
    with machine.PeakMemory() as memory:
        ends = turn()
    return peer_smp.BATCH_SIZE * COUNTED / (ends[-1] - ends[-1 - COUNTED]), memory.peak


def flops_per_image() -> int:
    """Count forward and backward arithmetic of the shared network at the crop's size."""
    model = peer_smp.CamVidModel()
    image = torch.zeros(1, 3, *peer_smp.CROP)
    with FlopCounterMode(display=False) as counter:
        model(image).sum().backward()
    return int(counter.get_total_flops())


def main() -> None:
    """Alternate, then write medians, ratios and shares of the roof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/train_speed.json"))
    options = parser.parse_args()
    machine.warn_if_busy()
    roof, work = machine.peak_flops(), flops_per_image()
    precisions = ("fp32", "bf16")
    turns: dict[str, Callable[[], list[float]]] = {"peer": lambda: their_turn(options.root)}
    for precision in precisions:
        overrides = [f"data.root={options.root}", f"train.precision={precision}", "train.compile=false"]
        recipe = read_recipe(RECIPE, overrides)
        turns[f"terrazzo {precision}"] = lambda recipe=recipe: our_turn(recipe)  # type: ignore[misc]
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    memory: dict[str, int] = dict.fromkeys(turns, 0)
    before = machine.facts()
    with tempfile.TemporaryDirectory():
        for _ in range(options.turns):
            for name, turn in turns.items():
                speed, peak = images_per_s(turn)
                speeds[name].append(speed)
                memory[name] = max(memory[name], peak)
                print(f"{name:14} {speed:6.2f} images/s  {peak / 2**30:.2f} GiB")
    facts = summarize(speeds, memory, roof=roof, work=work)
    options.json.write_text(json.dumps({"machine": before, **facts}, indent=1) + "\n")
    print(json.dumps(facts["summary"], indent=1))


def summarize(
    speeds: dict[str, list[float]], memory: dict[str, int], *, roof: float, work: int
) -> dict[str, Any]:
    """Put medians, paired ratios and shares of the fp32 roof together."""
    summary = {
        name: {
            "images_per_s": statistics.median(values),
            "times_the_peer": statistics.median(
                ours / theirs for ours, theirs in zip(values, speeds["peer"], strict=True)
            ),
            "share_of_fp32_roof": statistics.median(values) * work / roof,
            "peak_memory_bytes": memory[name],
        }
        for name, values in speeds.items()
    }
    floor = {
        "gflop_per_image": work / 1e9,
        "fp32_roof_gflop_per_s": roof / 1e9,
        "images_per_s_at_roof": roof / work,
    }
    return {"summary": summary, "floor": floor, "all_turns": speeds}


if __name__ == "__main__":
    main()
