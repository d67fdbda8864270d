"""The learning rate and the budget as pure functions of progress."""

import pytest

from terrazzo.train.schedule import Budget, ScheduleConfig, lr_factor


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
    ],
)
def test_lr_factor__values_worked_out_by_hand(
    schedule: ScheduleConfig, progress: float, factor: float
) -> None:
    assert lr_factor(progress, schedule) == pytest.approx(factor, abs=1e-9)


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
