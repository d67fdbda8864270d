"""A learning-rate finder: train a little at a rate that rises from step to step, and watch the loss.

Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3 (the range test), with the rate
rising exponentially and the loss smoothed. Everything else is the recipe's own: data, network, loss,
precision, clipping. The network is a fresh one that is thrown away; nothing of a run is read or written.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.figures import render, sweep_chart
from terrazzo.train.build import build_batches, build_before_step, build_parts, build_state
from terrazzo.train.loop import Hooks, State, StepFacts, fit
from terrazzo.train.recipe import Recipe

TEMPLATES = Path(__file__).parent / "templates"

DECAY = 0.9
"""Of the smoothed loss: its memory is about ten steps."""

DIVERGED = 4.0
"""The sweep ends where the smoothed loss is so many times the smallest."""

LEAST_FALL = 0.01
"""Share of the first smoothed loss by which it has to fall before anything is suggested."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep saw, step by step."""

    rates: tuple[float, ...]
    """Values of `optimizer.lr`, rising."""

    losses: tuple[float, ...]
    """Mean loss over valid pixels, before the step at that rate."""

    @property
    def smoothed(self) -> list[float]:
        """The losses as a running mean with decay DECAY, corrected for its start at zero."""
        mean, values = 0.0, []
        for count, loss in enumerate(self.losses, start=1):
            mean = DECAY * mean + (1 - DECAY) * loss
            values.append(mean / (1 - DECAY**count))
        return values

    @property
    def lowest(self) -> float | None:
        """Rate at which the smoothed loss is smallest; None where it never really fell."""
        at = self._lowest_at()
        return None if at is None else self.rates[at]

    @property
    def steepest(self) -> float | None:
        """Rate before that at which the smoothed loss falls fastest over the logarithm of the rate."""
        at, values = self._lowest_at(), self.smoothed
        if at is None:
            return None
        # Over a few steps each way: the slope from one step to the next is mostly noise.
        reach = max(1, at // 8)
        ends = [(max(0, i - reach), min(at, i + reach)) for i in range(at + 1)]
        slopes = [(values[last] - values[first]) / (last - first) for first, last in ends]
        return self.rates[slopes.index(min(slopes))]

    @property
    def suggestion(self) -> float | None:
        """The lower of the steepest and a decade below the lowest, where the loss is about to rise again."""
        if self.lowest is None or self.steepest is None:
            return None
        return min(self.steepest, self.lowest / 10)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data; a loss that was no number ended the sweep and is left out."""
        return {
            "suggestion": self.suggestion,
            "steepest": self.steepest,
            "lowest": self.lowest,
            "rates": list(self.rates),
            "losses": list(self.losses),
            "smoothed": self.smoothed,
        }

    def _lowest_at(self) -> int | None:
        values = self.smoothed
        at = min(range(len(values)), key=lambda i: values[i], default=0)
        return at if at > 0 and values[at] < (1 - LEAST_FALL) * values[0] else None


def swept_rates(lowest: float, highest: float, steps: int) -> list[float]:
    """Return rates that rise from lowest to highest by one factor per step.

    Raises:
        RequestError: the range is empty, or there are fewer than 2 steps.
    """
    if not 0 < lowest < highest or steps < 2:
        raise RequestError(
            f"A sweep of {steps} steps from {lowest:g} to {highest:g}: "
            "expected 2 steps or more, and rates above 0 that rise."
        )
    return [lowest * (highest / lowest) ** (i / (steps - 1)) for i in range(steps)]


def find_lr(recipe: Recipe, *, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100) -> Sweep:
    """Train a fresh network of the recipe while the learning rate rises.

    Args:
        recipe: the run; its schedule and its rate are not used, its factors between groups are.
        lowest: learning rate of the first step.
        highest: learning rate of the last step; the sweep ends before it where the loss diverges.
        steps: optimiser steps.

    Raises:
        TerrazzoError: bad data or a bad request.
    """
    rates = swept_rates(lowest, highest, steps)
    parts = build_parts(recipe)
    state = build_state(recipe, parts)
    watch = _Watch()
    fit(
        parts.accelerator,
        state,
        build_batches(recipe, parts, state),
        parts.loss,
        Hooks(
            lr_factor=lambda s: rates[s["step"]] / recipe.optimizer.lr,
            done=lambda s: s["step"] >= steps or watch.over,
            after_step=watch,
            before_step=build_before_step(recipe, parts, state),
        ),
        accumulate=recipe.train.accumulate,
        clip=recipe.train.clip,
        ignore_index=parts.train_data.labels.ignore_index,
        seed=recipe.train.seed,
    )
    return Sweep(tuple(rates[: len(watch.losses)]), tuple(watch.losses))


def write_sweep(path: Path, sweep: Sweep, *, title: str) -> None:
    """Write a self-contained HTML page: the suggestion, and the chart it was read from."""
    named = {"suggested": sweep.suggestion, "steepest": sweep.steepest, "lowest": sweep.lowest}
    marks = {name: rate for name, rate in named.items() if rate is not None}
    chart = sweep_chart(sweep.rates, sweep.losses, sweep.smoothed, marks)
    page = render(TEMPLATES, "find_lr.html", title=title, marks=marks, steps=len(sweep.rates), chart=chart)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(path)


class _Watch:
    """Collects the losses, and says when the sweep is over."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.over = False

    def __call__(self, state: State, facts: StepFacts) -> None:
        loss = float(facts.loss)
        if not math.isfinite(loss):
            self.over = True
            return
        self.losses.append(loss)
        smoothed = Sweep((), tuple(self.losses)).smoothed
        self.over = smoothed[-1] > DIVERGED * min(smoothed)
