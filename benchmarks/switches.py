"""What `channels_last`, `compile` and bf16 do to the time of a training step: all in turn, in one process.

    python -m benchmarks.switches ../shared/data/camvid    # into benchmarks/results and docs/recipes.md

Network and loss of recipes/camvid/cpu.yaml. Every variant is built and warmed up once; then each turn trains
a few steps of every variant. The figure is the median over turns of the ratio to the first variant's turn.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.pages import fill
from terrazzo.train import read_recipe
from terrazzo.train.build import build_batches, build_parts, build_state
from terrazzo.train.loop import Hooks, fit

RECIPE = Path("recipes/camvid/cpu.yaml")
RESULTS = Path("benchmarks/results/switches.json")
PAGE = Path("docs/recipes.md")
COMMON = ("transforms.crop=[176,240]", "train.stages=[]", "train.batch_size=8", "train.workers=0")
LAYOUTS = {
    "": ("train.channels_last=false",),
    ", channels last": ("train.channels_last=true",),
    ", channels last, compiled": ("train.channels_last=true", "train.compile=true"),
}
VARIANTS = {
    precision + layout: (f"train.precision={precision}", *switches)
    for precision in ("fp32", "bf16")
    for layout, switches in LAYOUTS.items()
}
"""The first is what the others are compared with."""


@dataclass
class Variant:
    """A run that goes on whenever it is its turn."""

    overrides: Sequence[str]
    seconds: list[float] = field(default_factory=list)
    """Per step, of every turn."""

    first: float = 0.0
    """Seconds of the first step, compiling included."""

    def __post_init__(self) -> None:
        """Build everything, and take the first step."""
        self.recipe = read_recipe(RECIPE, self.overrides)
        self.parts = build_parts(self.recipe)
        self.state = build_state(self.recipe, self.parts)
        self.batches = build_batches(self.recipe, self.parts, self.state)
        self.first = self.train(1)
        self.train(2)

    def train(self, steps: int) -> float:
        """Train so many steps; return seconds per step."""
        end = self.state["step"] + steps
        hooks = Hooks(
            lr_factor=lambda _: 1.0, done=lambda s: s["step"] >= end, after_step=lambda _state, _facts: None
        )
        start = time.perf_counter()
        fit(
            self.parts.accelerator,
            self.state,
            self.batches,
            self.parts.loss,
            hooks,
            accumulate=1,
            clip=self.recipe.train.clip,
            ignore_index=self.parts.train_data.labels.ignore_index,
            seed=0,
        )
        return (time.perf_counter() - start) / steps


def measure(
    variants: dict[str, tuple[str, ...]], overrides: Sequence[str], *, turns: int, steps: int
) -> list[dict[str, Any]]:
    """Return one row per variant."""
    runs = {name: Variant((*COMMON, *overrides, *own)) for name, own in variants.items()}
    for _ in range(turns):
        for run in runs.values():
            run.seconds.append(run.train(steps))
    base = next(iter(runs.values())).seconds
    return [
        {
            "variant": name,
            "step_ms": round(1000 * statistics.median(run.seconds), 1),
            "times_the_first": round(
                statistics.median(b / s for b, s in zip(base, run.seconds, strict=True)), 2
            ),
            "first_step_s": round(run.first, 1),
            "turns_s": [round(s, 4) for s in run.seconds],
        }
        for name, run in runs.items()
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = ["| | a step | speed | first step |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row['variant']} | {row['step_ms']:.0f} ms | {row['times_the_first']:.2f} x | "
        f"{row['first_step_s']:.1f} s |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, keep the figures, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    from benchmarks import machine

    machine.warn_if_busy()
    facts = machine.facts()
    rows = measure(VARIANTS, (f"data.root={options.root}",), turns=options.turns, steps=4)
    RESULTS.write_text(json.dumps({"machine": facts, "recipe": str(RECIPE), "rows": rows}, indent=1) + "\n")
    fill(PAGE, "switches", table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
