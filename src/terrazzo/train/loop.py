"""The training loop: one function, and the state that everything a resumed run needs lives in.

A step's random numbers (dropout and the like) are seeded by (seed, step), so no generator state is kept.
Gradient accumulation divides by valid pixels over all micro-batches and processes, not by micro-batches:
with uneven void the mean of means is a different loss.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypedDict

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from terrazzo.core.errors import TerrazzoError
from terrazzo.core.prediction import Prediction
from terrazzo.core.randomness import Stream, generator
from terrazzo.core.sample import Batch
from terrazzo.train.average import AveragedModel

LossFunction = Callable[[Prediction, Tensor], tuple[Tensor, dict[str, Tensor]]]


class Counters(TypedDict):
    """The plain numbers of a run."""

    step: int
    """Optimiser steps done."""

    micro_batches: int
    """Micro-batches drawn so far by each process."""

    position: int
    """Samples drawn so far, over all processes."""

    seconds: float
    """Wall time used so far, over all sittings."""

    best: float
    """Best validation mIoU so far, -1 before the first validation."""

    best_step: int
    """Step of the best validation."""

    stale: int
    """Validations since the best one."""

    validated: int
    """Validations of the plan that are done."""

    history: list[float]
    """mIoU of each of them; a rate that waits for a plateau follows it."""


class State(Counters):
    """Everything that changes during a run."""

    model: nn.Module
    """The trained model, unwrapped."""

    network: nn.Module
    """The same model as training calls it: prepared for device and processes, perhaps compiled."""

    average: AveragedModel
    """The float32 copy that is validated and saved."""

    optimizer: torch.optim.Optimizer
    """Its groups carry `base_lr`, the rate before the schedule's factor."""


def _nothing(_state: State) -> None:
    """Do nothing before a step."""


@dataclass(frozen=True)
class Hooks:
    """What the loop calls at its boundaries; each is given the state."""

    lr_factor: Callable[[State], float]
    """Factor on every group's `base_lr` for the coming step."""

    done: Callable[[State], bool]
    """Whether the budget is used up, or somebody asked to stop."""

    after_step: Callable[[State, "StepFacts"], None]
    """Logs, validates and saves as it sees fit; always at an optimiser-step boundary."""

    before_step: Callable[[State], None] = _nothing
    """Tells model and loss how far the run is; what it changes must be a function of the counters alone, or a
    resumed run is another one."""


@dataclass(frozen=True)
class StepFacts:
    """What one optimiser step looked like; `loss` and the parts are mean values over valid pixels."""

    loss: Tensor
    parts: dict[str, Tensor]
    grad_norm: Tensor
    """2-norm before clipping."""

    lr: float
    """Of the decoder: the last group."""

    images: int
    """Images that went into this step, over all processes."""

    batch: Batch
    """The last micro-batch, for sample pictures."""


def fit(
    accelerator: Accelerator,
    state: State,
    batches: Iterator[Batch],
    loss_function: LossFunction,
    hooks: Hooks,
    *,
    accumulate: int,
    clip: float,
    ignore_index: int,
    seed: int,
) -> None:
    """Train until `hooks.done`; `state` is all that changes."""
    sitting = time.monotonic() - state["seconds"]
    while not _main_says(accelerator, hooks.done(state)):
        _set_learning_rates(state, hooks.lr_factor(state))
        hooks.before_step(state)
        _seed_step(seed, state["step"], accelerator.process_index)
        micro = [_to_device(next(batches), accelerator.device) for _ in range(accumulate)]
        loss, parts = _backward(accelerator, state["network"], micro, loss_function, ignore_index)
        norm = accelerator.clip_grad_norm_(state["model"].parameters(), clip if clip > 0 else float("inf"))
        state["optimizer"].step()
        state["optimizer"].zero_grad(set_to_none=True)
        images = sum(len(batch["target"]) for batch in micro) * accelerator.num_processes
        state["step"] += 1
        state["micro_batches"] += accumulate
        state["position"] += images
        state["average"].update(state["step"])
        state["seconds"] = _main_says(accelerator, time.monotonic() - sitting)
        lr = float(state["optimizer"].param_groups[-1]["lr"])
        hooks.after_step(state, StepFacts(loss, parts, norm, lr, images, micro[-1]))


def new_counters() -> Counters:
    """Return the counters of a run before its first step."""
    return Counters(
        step=0,
        micro_batches=0,
        position=0,
        seconds=0.0,
        best=-1.0,
        best_step=0,
        stale=0,
        validated=0,
        history=[],
    )


def _backward(
    accelerator: Accelerator,
    network: nn.Module,
    micro: list[Batch],
    loss_function: LossFunction,
    ignore_index: int,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Accumulate the gradient of the mean loss over all valid pixels of all micro-batches and processes."""
    valid = [(batch["target"] != ignore_index).sum() for batch in micro]
    everywhere = accelerator.reduce(torch.stack(valid).sum().float(), reduction="sum").clamp(min=1)
    total: Tensor = torch.zeros((), device=accelerator.device)
    parts: dict[str, Tensor] = {}
    for i, batch in enumerate(micro):
        last = i == len(micro) - 1
        with nullcontext() if last else accelerator.no_sync(network):
            with accelerator.autocast():
                prediction = network(batch["image"])
            loss, named = loss_function(prediction, batch["target"])
            share = valid[i] / everywhere
            # Wrapping for several processes averages gradients; the share already counts all of them.
            accelerator.backward(loss * share * accelerator.num_processes)
        total = total + loss.detach() * share
        for name, value in named.items():
            parts[name] = parts.get(name, torch.zeros_like(total)) + value.detach() * share
    return _sum_over_processes(accelerator, total, parts)


def _main_says(accelerator: Accelerator, value: float) -> float:
    """Return the main process's value on every process: clocks and signals differ, decisions must not."""
    if accelerator.num_processes == 1:
        return value
    said: Tensor = broadcast(torch.tensor(float(value), dtype=torch.float64, device=accelerator.device))
    return said.item()


def _sum_over_processes(
    accelerator: Accelerator, total: Tensor, parts: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    if accelerator.num_processes == 1:
        return total, parts
    summed = accelerator.reduce(torch.stack([total, *parts.values()]), reduction="sum")
    return summed[0], dict(zip(parts, summed[1:], strict=True))


def _set_learning_rates(state: State, factor: float) -> None:
    for group in state["optimizer"].param_groups:
        group["lr"] = group["base_lr"] * factor


def _seed_step(seed: int, step: int, rank: int) -> None:
    torch.manual_seed(int(generator(seed, Stream.MODEL, step, rank).integers(2**63)))


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        image=batch["image"].to(device, non_blocking=True),
        target=batch["target"].to(device, non_blocking=True),
    )


def check_finite(loss: float, step: int, lr: float) -> None:
    """Stop a run whose loss is no number any more: nothing after it would be learned.

    Raises:
        TerrazzoError: names step and learning rate, and what to try.
    """
    if not math.isfinite(loss):
        raise TerrazzoError(
            f"The loss is {loss} at step {step} (learning rate {lr:.2g}). The saved state is from before. "
            "Lower optimizer.lr, lengthen schedule.warmup, or set train.precision=fp32."
        )
