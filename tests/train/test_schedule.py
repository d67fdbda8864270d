"""The learning rate and the budget as pure functions of progress."""

import pytest

from terrazzo.core.errors import ConfigError
from terrazzo.train import build_recipe
from terrazzo.train.schedule import Budget, ScheduleConfig, lr_factor, plateau_cuts


@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        (ScheduleConfig(kind="poly", warmup=0.0), 0.0, 1.0),
        (ScheduleConfig(kind="poly", warmup=0.0, power=0.9), 0.5, 0.5**0.9),
        (ScheduleConfig(kind="poly", warmup=0.0), 1.0, 0.0),
        (ScheduleConfig(kind="cosine", warmup=0.0), 0.5, 0.5),
        (ScheduleConfig(kind="cosine", warmup=0.0, final=0.2), 1.0, 0.2),
        (ScheduleConfig(kind="constant", warmup=0.1), 0.7, 1.0),
        (ScheduleConfig(warmup=0.1, warmup_start=0.2), 0.0, 0.2),
        (ScheduleConfig(warmup=0.1, warmup_start=0.2), 0.05, 0.6),
        (ScheduleConfig(warmup=0.1), 0.1, 1.0),
        (ScheduleConfig(kind="cosine", warmup=0.1), 0.55, 0.5),
        (ScheduleConfig(warmup=0.1, warmup_kind="slow", warmup_start=0.2), 0.0, 0.2),
        (ScheduleConfig(warmup=0.1, warmup_kind="slow", warmup_start=0.2), 0.099, 0.2),
        (ScheduleConfig(warmup=0.1, warmup_kind="slow", warmup_start=0.2), 0.1, 1.0),
        (ScheduleConfig(kind="one_cycle", warmup_start=0.04), 0.0, 0.04),
        (ScheduleConfig(kind="one_cycle", warmup_start=0.04, peak=0.4), 0.2, 0.52),
        (ScheduleConfig(kind="one_cycle", peak=0.4), 0.4, 1.0),
        (ScheduleConfig(kind="one_cycle", peak=0.4), 0.7, 0.5),
        (ScheduleConfig(kind="one_cycle", final=0.1), 1.0, 0.1),
        (ScheduleConfig(kind="step", warmup=0.0, milestones=(0.5, 0.75)), 0.499, 1.0),
        (ScheduleConfig(kind="step", warmup=0.0, milestones=(0.5, 0.75)), 0.5, 0.1),
        (ScheduleConfig(kind="step", warmup=0.2, milestones=(0.5, 0.75), gamma=0.5), 0.8, 0.25),
        (ScheduleConfig(kind="step", warmup=0.0, milestones=(0.5,), final=0.1), 0.5, 0.19),
        (ScheduleConfig(kind="exponential", warmup=0.0, gamma=0.01), 0.5, 0.1),
        (ScheduleConfig(kind="exponential", warmup=0.5, gamma=0.01), 0.75, 0.1),
        (ScheduleConfig(kind="plateau", warmup=0.0), 0.9, 1.0),
    ],
)
def test_lr_factor__values_worked_out_by_hand(
    schedule: ScheduleConfig, progress: float, factor: float
) -> None:
    assert lr_factor(progress, schedule) == pytest.approx(factor, abs=1e-9)


@pytest.mark.parametrize(
    ("history", "cuts"),
    [
        ([], 0),
        ([0.1, 0.2, 0.3], 0),
        ([0.3, 0.2], 0),
        ([0.3, 0.2, 0.3], 1),
        ([0.3, 0.2, 0.4, 0.1], 0),
        ([0.3, 0.2, 0.2, 0.2, 0.2], 2),
        ([0.3, 0.2, 0.2, 0.2, 0.5, 0.4], 1),
        ([0.3, float("nan"), float("nan")], 1),
    ],
)
def test_plateau_cuts__count_pairs_without_a_better_score(history: list[float], cuts: int) -> None:
    assert plateau_cuts(history, patience=2, min_gain=0.0) == cuts
    schedule = ScheduleConfig(kind="plateau", warmup=0.0, gamma=0.5)
    assert lr_factor(0.5, schedule, history=history) == 0.5**cuts
    assert lr_factor(0.5, ScheduleConfig(kind="constant", warmup=0.0), history=history) == 1.0


def test_plateau_cuts__small_gains_are_none() -> None:
    history = [0.30, 0.305, 0.309]
    assert plateau_cuts(history, patience=2, min_gain=0.01) == 1
    assert plateau_cuts(history, patience=2, min_gain=0.0) == 0


@pytest.mark.parametrize("milestones", ["[0.8, 0.6]", "[0.5, 0.5]", "[0.5, 1.0]", "[0, 0.5]"])
def test_schedule__milestones_are_rising_shares(milestones: str) -> None:
    with pytest.raises(ConfigError, match="milestones are shares of the budget: rising, above 0 and below 1"):
        build_recipe({"train": {"steps": 1}}, [f"schedule.milestones={milestones}"])


def test_budget__progress_follows_its_own_unit_and_stops_at_one() -> None:
    def progress(budget: Budget) -> float:
        return budget.progress(steps=5, samples=30, seconds=12.0)

    assert progress(Budget(steps=20)) == 0.25
    assert progress(Budget(samples=60)) == 0.5
    assert progress(Budget(seconds=48.0)) == 0.25
    assert progress(Budget(steps=4)) == 1.0


def test_budget__only_time_is_not_exact() -> None:
    assert Budget(steps=1).exact
    assert Budget(samples=1).exact
    assert not Budget(seconds=1.0).exact
