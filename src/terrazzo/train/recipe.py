"""A recipe: everything that a run is made of, in seven sections; a YAML holds only the differences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from terrazzo.core.config import Config, apply_overrides, read_yaml, validate
from terrazzo.datasets.config import DataConfig
from terrazzo.losses.config import LossConfig
from terrazzo.models.config import ModelConfig
from terrazzo.train.optimizer import OptimizerConfig
from terrazzo.train.sampler import SamplerConfig
from terrazzo.train.schedule import ScheduleConfig
from terrazzo.transforms.config import Crop, TransformConfig

BUDGETS = ("steps", "epochs", "minutes")


class StageConfig(Config):
    """A part of the run with its own crop, batch size and transform options (progressive resolution)."""

    until: float = Field(gt=0.0, le=1.0)
    """Progress of the budget at which the next stage begins."""

    crop: Crop | None = None
    """(height, width), of volumes (depth, height, width); none keeps `transforms.crop`."""

    batch_size: int | None = Field(None, ge=1)
    """None keeps `train.batch_size`."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Transform options of this stage, over `transforms.options`."""


class TrainConfig(Config):
    """The `train` section: budget, batches, precision, and when to validate and save."""

    steps: int | None = Field(None, ge=1)
    """Budget in optimiser steps."""

    epochs: float | None = Field(None, gt=0.0)
    """Budget in passes over the training set."""

    minutes: float | None = Field(None, gt=0.0)
    """Budget in wall time, validation and saving included."""

    batch_size: int = Field(8, ge=1)
    """Images per process and micro-batch."""

    accumulate: int = Field(1, ge=1)
    """Micro-batches per optimiser step."""

    workers: int = Field(1, ge=0)
    """Processes that prepare batches; 0 prepares them between steps. Never changes the result."""

    sampler: SamplerConfig = SamplerConfig()
    """Which samples an epoch visits, and how often."""

    seed: int = Field(0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    """Arithmetic of the forward pass; weights, losses, validation and saved models stay float32.

    auto: bf16 where the device computes in it, else fp32.
    """

    channels_last: bool = True
    """Keep the numbers of a pixel side by side in memory, as convolutions run fastest; same result up to
    rounding.
    """

    compile: bool = False
    """torch.compile: pays off in long runs."""

    sync_batch_norm: Literal["auto"] | bool = "auto"
    """Whether batch norm takes its statistics over all processes: auto where there are several, on CUDA.

    It works nowhere else.
    """

    clip: float = Field(1.0, ge=0.0)
    """Largest 2-norm of the gradient; 0 never clips."""

    ema: float = Field(0.999, ge=0.0, lt=1.0)
    """Decay of the averaged weights that are validated and saved; 0 takes the trained weights."""

    validations: int = Field(10, ge=1)
    """How often to validate, spread evenly over the budget; the last one is at its end."""

    save_every: int | None = Field(None, ge=1)
    """Optimiser steps between saved states; by default a state is saved with every validation."""

    log_every: int = Field(10, ge=1)
    """Optimiser steps between rows of log.csv."""

    patience: int | None = Field(None, ge=1)
    """Stop after this many validations without a better mIoU."""

    stages: tuple[StageConfig, ...] = ()

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainConfig":
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a run has one budget, but {' and '.join(given)} are given")
        return self

    @field_validator("stages")
    @classmethod
    def _stages_in_order(cls, stages: tuple[StageConfig, ...]) -> tuple[StageConfig, ...]:
        ends = [stage.until for stage in stages]
        if stages and (ends != sorted(set(ends)) or ends[-1] != 1.0):
            raise ValueError("stages need rising `until` values, the last of them 1.0")
        return stages


class Recipe(Config):
    """A complete run."""

    data: DataConfig = DataConfig()
    transforms: TransformConfig = TransformConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _has_budget(self) -> "Recipe":
        if all(getattr(self.train, name) is None for name in BUDGETS):
            raise ValueError("the run has no end: set train.steps, train.epochs or train.minutes")
        return self


def read_recipe(
    path: str | Path, overrides: Sequence[str] = (), *, budget: tuple[str, float] | None = None
) -> Recipe:
    """Read a recipe YAML and set `section.key=value` overrides.

    Args:
        path: the YAML file.
        overrides: items such as `train.steps=14`; a budget among them replaces the file's.
        budget: ("steps" | "epochs" | "minutes", value), replaces every other budget.

    Raises:
        ConfigError: everything that is wrong, with the closest known keys.
    """
    return build_recipe(read_yaml(path), overrides, budget=budget, source=str(path))


def build_recipe(
    data: dict[str, Any],
    overrides: Sequence[str] = (),
    *,
    budget: tuple[str, float] | None = None,
    source: str = "recipe",
) -> Recipe:
    """Build a recipe from plain data; see `read_recipe`."""
    budgets = [item for item in overrides if _budget_of(item)]
    if budget is not None:
        budgets, overrides = [f"train.{budget[0]}={budget[1]}"], [i for i in overrides if i not in budgets]
    if budgets:
        train = data.get("train") or {}
        data = {**data, "train": {k: v for k, v in train.items() if k not in BUDGETS}}
    extra = budgets if budget is not None else []
    return validate(Recipe, apply_overrides(data, [*overrides, *extra]), source=source)


def _budget_of(override: str) -> str | None:
    """Return the budget that an override sets to a value, if it sets one."""
    key, _, value = override.partition("=")
    name = key.removeprefix("train.")
    return name if key.startswith("train.") and name in BUDGETS and value not in {"null", "~", ""} else None
