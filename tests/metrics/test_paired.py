import time

import numpy as np
import pytest
from scipy import stats

from terrazzo.metrics import ConfusionCounts, paired_difference
from terrazzo.metrics.scores import iou, mean_iou, pixel_accuracy

K = 3


def counted(
    rates: np.ndarray, *, ids: list[str] | None = None, groups: list[str | None] | None = None
) -> ConfusionCounts:
    """One image for each rate: 1000 pixels of each class, of which this share is right."""
    matrices = []
    for rate in rates:
        wrong = round(1000 * (1 - rate))
        matrices.append(np.diag([1000 - wrong] * K) + np.roll(np.diag([wrong] * K), 1, axis=1))
    names = ids or [f"{i:04d}" for i in range(len(rates))]
    return ConfusionCounts.of(np.array(matrices), names, groups or [None] * len(rates))


def rates(seed: int, images: int = 60, middle: float = 0.7) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(middle, 0.1, images), 0, 1)


def test_paired_difference__of_a_mean_is_a_paired_t_test() -> None:
    a = rates(0)
    b = a + np.random.default_rng(1).uniform(
        -0.03, 0.05, 60
    )  # short tails, so t has all 59 degrees of freedom
    found = paired_difference([counted(a)], [counted(b)], pixel_accuracy, resamples=4000)
    step = np.round(b, 3) - np.round(a, 3)
    test = stats.ttest_1samp(step, 0)
    low, high = test.confidence_interval(0.95)
    assert found.difference == pytest.approx(step.mean(), abs=1e-9)
    np.testing.assert_allclose((found.low, found.high), (low, high), atol=0.05 * (high - low))
    assert found.p == pytest.approx(test.pvalue, rel=1e-3)


def test_paired_difference__pairing_cancels_what_is_hard_for_both() -> None:
    a = rates(0)
    paired = paired_difference([counted(a)], [counted(a + 0.02)], pixel_accuracy)
    assert paired.low == pytest.approx(0.02, abs=2e-3)
    assert paired.high == pytest.approx(0.02, abs=2e-3)


def test_paired_difference__turns_round_with_the_sides() -> None:
    one, other = [counted(rates(0))], [counted(rates(1, middle=0.75))]
    there, back = paired_difference(one, other, mean_iou), paired_difference(other, one, mean_iou)
    assert there.difference == pytest.approx(-back.difference)
    assert there.low == pytest.approx(-back.high)
    assert there.p == pytest.approx(back.p)


def test_paired_difference__of_a_model_and_itself_is_exactly_0() -> None:
    same = paired_difference([counted(rates(0))], [counted(rates(0))], iou)
    assert same.difference.tolist() == same.low.tolist() == same.high.tolist() == [0] * K
    assert same.p.tolist() == [1] * K


def test_paired_difference__matches_images_by_id() -> None:
    a, b = rates(0), rates(1)
    names = [f"{i:04d}" for i in range(60)]
    turned = counted(b[::-1], ids=names[::-1])
    straight = paired_difference([counted(a)], [counted(b)], mean_iou)
    assert paired_difference([counted(a)], [turned], mean_iou).low == straight.low
    with pytest.raises(ValueError, match="different images"):
        paired_difference([counted(a)], [counted(b, ids=[*names[1:], "other"])], mean_iou)


def test_paired_difference__is_wider_over_groups_of_equal_images() -> None:
    step = np.repeat(np.random.default_rng(0).normal(0.01, 0.03, 12), 5)
    a = np.full(60, 0.7)
    groups: list[str | None] = [f"g{i // 5}" for i in range(60)]
    by_image = paired_difference([counted(a)], [counted(a + step)], pixel_accuracy)
    by_group = paired_difference(
        [counted(a, groups=groups)], [counted(a + step, groups=groups)], pixel_accuracy
    )
    assert by_group.units.kind == "group"
    assert by_group.high - by_group.low > 1.8 * (by_image.high - by_image.low)


def test_paired_difference__runs_are_a_second_level() -> None:
    base = rates(0)
    runs_a, runs_b = ([counted(base + shift) for shift in shifts] for shifts in ((0.0, 0.04), (0.05, 0.07)))
    found = paired_difference(runs_a, runs_b, pixel_accuracy)
    # Images cancel here; what is left are the runs, as in Welch's test of two against two.
    welch = stats.ttest_ind([0.05, 0.07], [0.0, 0.04], equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert found.difference == pytest.approx(0.04, abs=2e-3)
    assert found.p == pytest.approx(welch.pvalue, rel=0.05)
    assert found.run_variance == pytest.approx(0.0008 / 2 + 0.0002 / 2, rel=0.1)
    assert found.low < 0.6 * low
    assert found.high > 0.6 * high


def test_more_units__follows_the_formula_of_power() -> None:
    a = rates(0)
    b = np.clip(a + np.random.default_rng(1).normal(0, 0.05, 60), 0, 1)
    found = paired_difference([counted(a)], [counted(b)], pixel_accuracy)
    error = float(np.sqrt(found.unit_variance))
    assert found.more_units(0.01) == int(np.ceil(60 * (error * 2.8016 / 0.01) ** 2 - 60))
    assert found.more_units(0.5) == 0


def test_more_units__shows_the_difference_as_often_as_promised() -> None:
    random = np.random.default_rng(3)
    a = np.full(40, 0.7)
    pilot = paired_difference([counted(a)], [counted(a + random.normal(0, 0.04, 40))], pixel_accuracy)
    more = pilot.more_units(0.01)
    assert more is not None
    step = random.normal(0.01, np.sqrt(40 * float(pilot.unit_variance)), (2000, 40 + more))
    shown = stats.ttest_1samp(step, 0, axis=1).pvalue < 0.05
    assert 0.77 < shown.mean() < 0.83


def test_more_units__none_would_do_where_runs_vary_too_much() -> None:
    base = rates(0)
    wild = [counted(base), counted(base + 0.1)]
    assert paired_difference(wild, wild, pixel_accuracy).more_units(0.01) is None


def test_paired_difference__of_a_class_in_one_image_only_has_no_interval() -> None:
    matrices = np.tile(np.diag([50, 50, 0]), (20, 1, 1)) + np.array([[0, 5, 0], [5, 0, 0], [0, 0, 0]])
    matrices[3, 2, 2] = 9
    names = [f"{i:02d}" for i in range(20)]
    once = ConfusionCounts.of(matrices, names, [None] * 20)
    found = paired_difference([once], [once], iou)
    assert np.isnan(found.low[2])
    assert np.isnan(found.p[2])
    assert found.difference[2] == 0
    assert not np.isnan(found.low[:2]).any()


def test_paired_difference__of_one_image_has_no_interval() -> None:
    one = paired_difference([counted(rates(0, 1))], [counted(rates(1, 1))], mean_iou)
    assert np.isnan(one.low)
    assert not np.isnan(one.difference)


def test_paired_difference__of_500_images_and_19_classes_is_quick() -> None:
    random = np.random.default_rng(0)
    names = [f"{i:04d}" for i in range(500)]
    a, b = (ConfusionCounts.of(random.integers(0, 999, (500, 19, 19)), names, [None] * 500) for _ in range(2))
    start = time.process_time()
    paired_difference([a], [b], mean_iou, resamples=2000)
    assert time.process_time() - start < 2
