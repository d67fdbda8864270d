"""How long a run is, and how the learning rate follows it.

Everything is a pure function of progress, the share of the budget that is used up (0 to 1). So the schedule
follows whatever the budget is counted in, and a resumed run needs no scheduler state.
"""

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from terrazzo.core.config import Config


class ScheduleConfig(Config):
    """The `schedule` section of a recipe."""

    kind: Literal["poly", "cosine", "constant"] = "poly"
    """poly: (1 - progress) ** power, as in DeepLab; cosine: half a cosine; constant: flat after warm-up."""

    warmup: float = Field(0.05, ge=0.0, lt=1.0)
    """Share of the budget in which the rate rises linearly from `warmup_start` to 1."""

    warmup_start: float = Field(0.01, ge=0.0, le=1.0)
    """Factor on the learning rate at the very first step."""

    power: float = Field(0.9, gt=0.0)
    """Exponent of poly (0.9 in Chen et al., DeepLab, 2017, section 4.1)."""

    final: float = Field(0.0, ge=0.0, le=1.0)
    """Factor on the learning rate at the end of the budget."""


def lr_factor(progress: float, schedule: ScheduleConfig) -> float:
    """Return the factor on every group's learning rate at `progress` in 0..1."""
    if progress < schedule.warmup:
        rise = progress / schedule.warmup
        return schedule.warmup_start + (1.0 - schedule.warmup_start) * rise
    done = min(1.0, (progress - schedule.warmup) / (1.0 - schedule.warmup))
    shapes: dict[str, float] = {
        "poly": (1.0 - done) ** schedule.power,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
        "constant": 1.0,
    }
    return schedule.final + (1.0 - schedule.final) * shapes[schedule.kind]


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
