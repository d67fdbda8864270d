"""How long a run is, and how the learning rate follows it.

Everything is a pure function of progress, the share of the budget that is used up (0 to 1), and, for the rate
that waits for a plateau, of the validation scores so far. So the schedule follows whatever the budget is
counted in, and a resumed run needs no scheduler state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from terrazzo.core.config import Config


class ScheduleConfig(Config):
    """The `schedule` section of a recipe."""

    kind: Literal["poly", "cosine", "constant", "one_cycle", "step", "exponential", "plateau"] = "poly"
    """poly: (1 - progress) ** power, as in DeepLab; cosine: half a cosine (Loshchilov and Hutter 2017, SGDR);
    constant: flat after warm-up; one_cycle: up to the full rate at `peak` and down again, both along half a
    cosine, without another warm-up (Smith and Topin, Super-Convergence, 2018; the momentum stays as it is);
    step: cut by `gamma` at every one of `milestones`; exponential: the same factor at every step, down to
    `gamma` at the end; plateau: cut by `gamma` whenever validation has not got better for a while.
    """

    warmup: float = Field(0.05, ge=0.0, lt=1.0)
    """Share of the budget before the schedule proper begins."""

    warmup_kind: Literal["linear", "slow"] = "linear"
    """linear: the rate rises from `warmup_start` to 1; slow: it stays at `warmup_start`, then jumps to 1
    (DeepLab's slow start).
    """

    warmup_start: float = Field(0.01, ge=0.0, le=1.0)
    """Factor on the learning rate at the very first step, of one_cycle too."""

    power: float = Field(0.9, gt=0.0)
    """Exponent of poly (0.9 in Chen et al., DeepLab, 2017, section 4.1)."""

    peak: float = Field(0.3, gt=0.0, lt=1.0)
    """Share of the budget at which one_cycle has the full rate."""

    gamma: float = Field(0.1, gt=0.0, lt=1.0)
    """Factor of each cut of step and plateau; what is left of the rate at the end of exponential."""

    milestones: tuple[float, ...] = (0.6, 0.8, 0.9)
    """Shares of the budget, rising, at which step cuts the rate."""

    patience: int = Field(2, ge=1)
    """Validations in a row without a better mIoU before plateau cuts the rate."""

    min_gain: float = Field(0.0, ge=0.0)
    """Better, for plateau, means by more than this (mIoU as a fraction)."""

    final: float = Field(0.0, ge=0.0, le=1.0)
    """Factor on the learning rate that every kind falls towards; reached at the end by poly, cosine and
    one_cycle.
    """

    @field_validator("milestones")
    @classmethod
    def _milestones_in_order(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if list(milestones) != sorted(set(milestones)) or any(not 0.0 < share < 1.0 for share in milestones):
            raise ValueError("milestones are shares of the budget: rising, above 0 and below 1")
        return milestones


def lr_factor(progress: float, schedule: ScheduleConfig, *, history: Sequence[float] = ()) -> float:
    """Return the factor on every group's learning rate.

    Args:
        progress: share of the budget that is used up, 0..1.
        schedule: how the rate follows it.
        history: mIoU of every validation of the plan so far; only plateau looks at it.
    """
    if schedule.kind == "one_cycle":
        return _one_cycle(progress, schedule)
    if progress < schedule.warmup:
        rise = progress / schedule.warmup if schedule.warmup_kind == "linear" else 0.0
        return schedule.warmup_start + (1.0 - schedule.warmup_start) * rise
    done = min(1.0, (progress - schedule.warmup) / (1.0 - schedule.warmup))
    return schedule.final + (1.0 - schedule.final) * _shape(done, progress, schedule, history)


def plateau_cuts(history: Sequence[float], *, patience: int, min_gain: float) -> int:
    """Count how often the rate was cut: each time `patience` scores in a row were no better than the best.

    The count of scores without a gain begins anew after a gain and after a cut. An undefined score (NaN) is
    no gain.
    """
    best, flat, cuts = -math.inf, 0, 0
    for score in history:
        if score > best + min_gain:
            best, flat = score, 0
        else:
            flat += 1
        if flat == patience:
            cuts, flat = cuts + 1, 0
    return cuts


def _shape(done: float, progress: float, schedule: ScheduleConfig, history: Sequence[float]) -> float:
    """Return the rate after warm-up, 1 to 0, `done` being the share of that part."""
    if schedule.kind == "poly":
        return math.pow(1.0 - done, schedule.power)
    if schedule.kind == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if schedule.kind == "step":
        return math.pow(schedule.gamma, sum(progress >= share for share in schedule.milestones))
    if schedule.kind == "exponential":
        return math.pow(schedule.gamma, done)
    if schedule.kind == "plateau":
        cuts = plateau_cuts(history, patience=schedule.patience, min_gain=schedule.min_gain)
        return math.pow(schedule.gamma, cuts)
    return 1.0


def _one_cycle(progress: float, schedule: ScheduleConfig) -> float:
    """Return `warmup_start` at 0, 1 at `peak` and `final` at 1, joined by half cosines."""
    peak = schedule.peak
    low = schedule.warmup_start if progress < peak else schedule.final
    away = 1.0 - progress / peak if progress < peak else (progress - peak) / (1.0 - peak)
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, away)))


@dataclass(frozen=True)
class Budget:
    """The end of a run, counted in exactly one unit."""

    steps: int | None = None
    """Optimiser steps."""

    samples: int | None = None
    """Samples drawn: epochs times the length of the training set."""

    seconds: float | None = None
    """Wall time from the first step on, validation and saving included."""

    def progress(self, *, steps: int, samples: int, seconds: float) -> float:
        """Return the share that is used up, 0 to 1, given what was done so far."""
        if self.steps is not None:
            return min(1.0, steps / self.steps)
        if self.samples is not None:
            return min(1.0, samples / self.samples)
        assert self.seconds is not None
        return min(1.0, seconds / self.seconds)

    @property
    def exact(self) -> bool:
        """Whether the same run ends at the same step on any machine: not when it is counted in time."""
        return self.seconds is None
