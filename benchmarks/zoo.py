"""Every architecture trained for dozens of steps on the built-in scenes: does it learn, and at what cost.

    python -m benchmarks.zoo                 # all of them, into benchmarks/results and docs/zoo.md
    python -m benchmarks.zoo unet segformer  # these only, their rows of the table

One process per architecture, one after the other, all by the same recipe: random weights, fp32, AdamW with
one learning rate for all, so the losses say that a network trains and nothing about which is best. The loss
is the cross-entropy of the main output over the same validation scenes, before and after; before, a copy's
batch norms get the statistics of these scenes, without which an untrained network overflows in eval mode.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from terrazzo.core.config import validate
from terrazzo.losses.pixel import cross_entropy
from terrazzo.models import MODELS, build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.stages import settle_norms
from terrazzo.train.build import build_batches, build_parts, build_state
from terrazzo.train.loop import Hooks, State, StepFacts, fit
from terrazzo.train.recipe import Recipe

RESULTS = Path("benchmarks/results/zoo.json")
PAGE = Path("docs/zoo.md")
MARK = "<!-- table: python -m benchmarks.zoo -->"
STEPS, WARM, BATCH, CROP = 40, 5, 4, (96, 128)
VALIDATION_SCENES = 16
SMALL_ENCODERS = {
    "dpt": "vit_tiny_patch16_224",
    "eomt": "vit_tiny_patch16_224",
    "setr": "vit_tiny_patch16_224",
}
"""Where the default encoder is a plain transformer too large to train on a laptop."""


def recipe_of(name: str) -> Recipe:
    """Return the recipe that is the same for all but the model."""
    model = {"kind": name, "encoder": SMALL_ENCODERS.get(name)}
    settings = {
        "data": {"kind": "scenes", "options": {"cache": True}},
        "transforms": {"preset": "light", "crop": list(CROP)},
        "model": model,
        "optimizer": {"kind": "adamw", "lr": 5e-4},
        "train": {"steps": STEPS, "batch_size": BATCH, "workers": 0, "precision": "fp32", "ema": 0.0},
    }
    return validate(Recipe, settings, source="benchmarks.zoo")


def run_one(name: str) -> dict[str, Any]:
    """Train one architecture in this process; return its row."""
    seconds, parameters = build_time(name)
    recipe = recipe_of(name)
    parts = build_parts(recipe)
    state = build_state(recipe, parts)
    model = state["model"]
    assert isinstance(model, SegmentationModel)
    before = untrained_loss(model, parts.validation_data)
    ends: list[float] = []

    def note_time(_state: State, _facts: StepFacts) -> None:
        ends.append(time.perf_counter())

    hooks = Hooks(
        lr_factor=lambda _state: 1.0, done=lambda state: state["step"] >= STEPS, after_step=note_time
    )
    batches = build_batches(recipe, parts, state)
    fit(
        parts.accelerator, state, batches, parts.loss, hooks, accumulate=1, clip=1.0, ignore_index=255, seed=0
    )
    return {
        "model": name,
        "encoder": model.arguments.get("encoder", ""),
        "parameters": parameters,
        "steps": STEPS,
        "loss_before": round(before, 3),
        "loss_after": round(validation_loss(model, parts.validation_data), 3),
        "images_per_s": round(BATCH * (STEPS - WARM) / (ends[-1] - ends[WARM - 1]), 2),
        "peak_mb": round(machine.resident("VmHWM") / 2**20),
        "build_s_beyond_encoder": round(seconds, 2),
    }


def build_time(name: str) -> tuple[float, int]:
    """Return the seconds that building takes beyond its encoder, with the default one, and its parameters."""
    from terrazzo.models.build import _encoder

    encoder = SMALL_ENCODERS.get(name)
    build_model(name, num_classes=19, encoder=encoder)  # imports
    start = time.perf_counter()
    model = build_model(name, num_classes=19, encoder=encoder)
    whole = time.perf_counter() - start
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if MODELS[name].encoder is None:
        return whole, parameters
    start = time.perf_counter()
    _encoder(MODELS[name], {"encoder": model.arguments["encoder"], "in_channels": 3}, False)
    return max(0.0, whole - (time.perf_counter() - start)), parameters


def untrained_loss(model: SegmentationModel, data: Any) -> float:
    """Return the loss of a copy whose norms have seen the scenes; its weights are the model's."""
    copy = deepcopy(model)
    images = [torch.from_numpy(data[index]["image"]) for index in range(VALIDATION_SCENES)]
    settle_norms(copy, torch.stack(images).permute(0, 3, 1, 2))
    return validation_loss(copy, data)


@torch.no_grad()
def validation_loss(model: SegmentationModel, data: Any) -> float:
    """Return the mean cross-entropy of the main output over the first scenes, in eval mode."""
    training = model.training
    model.eval()
    losses = []
    for index in range(VALIDATION_SCENES):
        sample = data[index]
        image_1CHW = torch.from_numpy(sample["image"]).permute(2, 0, 1).unsqueeze(0)
        prediction = model(image_1CHW)
        target_1HW = torch.from_numpy(sample["mask"]).unsqueeze(0)
        losses.append(
            cross_entropy(
                prediction.logits,
                target_1HW,
                stride=prediction.stride,
                align_corners=prediction.align_corners,
            ).item()
        )
    model.train(training)
    gc.collect()
    return sum(losses) / len(losses)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| model | encoder | parameters | steps | loss before | loss after | images/s | peak memory |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{row['model']}` | {row['encoder'] or 'its own'} | {row['parameters'] / 1e6:.2f} M | "
        f"{row['steps']} | {row['loss_before']:.2f} | {row['loss_after']:.2f} | {row['images_per_s']:.1f} | "
        f"{row['peak_mb'] / 1024:.1f} GiB |"
        for row in rows
    ]
    return "\n".join(lines)


def write_page(rows: list[dict[str, Any]]) -> None:
    """Replace the table of the page, which ends it."""
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(f"{head}{MARK}\n\n{table(rows)}\n", encoding="utf-8")


def main() -> None:
    """Run each architecture in a process of its own, and keep what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MODELS))
    parser.add_argument("--here", action="store_true", help="run one name in this process, print JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(run_one(arguments.names[0])))
        return
    machine.warn_if_busy()
    facts = machine.facts()
    known = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    rows = {row["model"]: row for row in known if row["model"] in MODELS}
    for name in arguments.names:
        command = [sys.executable, "-m", "benchmarks.zoo", "--here", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows[name] = json.loads(done.stdout.splitlines()[-1])
        print(rows[name], flush=True)
        ordered = [rows[key] for key in sorted(rows)]
        RESULTS.write_text(
            json.dumps({"machine": facts, "batch": BATCH, "crop": CROP, "rows": ordered}, indent=1)
        )
        write_page(ordered)


if __name__ == "__main__":
    main()
