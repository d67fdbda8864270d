import time

import numpy as np
import pytest
from scipy import stats

from terrazzo.metrics import ConfusionCounts, bootstrap_interval, score
from terrazzo.metrics.scores import pixel_accuracy

NAMES = ("a", "b", "c")
POPULATION_ACCURACY = 0.7


def image(random: np.random.Generator, accuracy: float, pixels: int = 60) -> tuple[np.ndarray, np.ndarray]:
    target = random.integers(0, 3, (1, pixels)).astype(np.uint8)
    wrong = ((target + 1) % 3).astype(np.uint8)
    return np.where(random.random(target.shape) < accuracy, target, wrong), target


def drawn(
    seed: int, groups: int, per_group: int, *, named: bool = True, spread: float = 6
) -> ConfusionCounts:
    """Images whose accuracy is shared by their group and varies between groups around 0.7."""
    random = np.random.default_rng(seed)
    counts = ConfusionCounts(3)
    for g in range(groups):
        accuracy = random.beta(spread * POPULATION_ACCURACY, spread * (1 - POPULATION_ACCURACY))
        for i in range(per_group):
            counts.add(*image(random, accuracy), f"{g}-{i}", f"group{g}" if named else None)
    return counts


def covered(groups: int, per_group: int, *, named: bool, trials: int = 200) -> float:
    hits = 0
    for trial in range(trials):
        counts = drawn(trial, groups, per_group, named=named)
        interval = bootstrap_interval(counts, pixel_accuracy, resamples=300)
        hits += interval.low <= POPULATION_ACCURACY <= interval.high
    return hits / trials


def test_bootstrap_interval__contains_the_truth_about_95_times_in_100() -> None:
    assert 0.90 <= covered(40, 1, named=False) <= 0.99


def test_bootstrap_interval__covers_with_groups_and_not_without_them() -> None:
    assert covered(30, 5, named=True, trials=120) >= 0.88
    assert covered(30, 5, named=False, trials=120) <= 0.75


def test_bootstrap_interval__is_the_same_for_the_same_images_in_any_order() -> None:
    counts = drawn(0, 12, 1)
    backwards = ConfusionCounts(3)
    for i in reversed(range(len(counts))):
        part = ConfusionCounts(3)
        part._append(counts.per_image[i], counts.ids[i], counts.groups[i])
        backwards.merge(part)
    assert bootstrap_interval(counts) == bootstrap_interval(backwards)
    assert bootstrap_interval(counts, seed=1) != bootstrap_interval(counts, seed=0)


def test_bootstrap_interval__is_the_formula_worked_out_image_by_image() -> None:
    counts = drawn(3, 15, 1, named=False)

    def miou(matrix: np.ndarray) -> float:
        hits, union = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
        return float((hits / union).mean())

    per_image, whole = counts.per_image, miou(counts.pooled)
    random = np.random.default_rng(0)
    away = [abs(miou(per_image[random.integers(0, 15, 15)].sum(axis=0)) - whole) for _ in range(4000)]
    left_out = np.array([miou(counts.pooled - one) for one in per_image])
    off = left_out - left_out.mean()
    freedom = 14 * min(1, 2 / ((off**4).mean() / (off**2).mean() ** 2 - 1))
    stretch = np.sqrt(14 * (off**2).mean()) / np.sqrt(np.mean(np.square(away)))
    half = np.quantile(away, 0.95) * stretch * stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975)
    interval = bootstrap_interval(counts, resamples=4000)
    np.testing.assert_allclose((interval.low, interval.high), (whole - half, whole + half), atol=0.005)
    assert interval.low + interval.high == pytest.approx(2 * score(counts, NAMES).miou)


def test_bootstrap_interval__says_what_was_drawn() -> None:
    assert bootstrap_interval(drawn(0, 20, 1, named=False)).over == "images"
    assert bootstrap_interval(drawn(0, 20, 1)).over == "images"
    grouped = bootstrap_interval(drawn(0, 12, 3))
    assert (grouped.over, grouped.unit, grouped.note) == ("groups (12)", "group", "")
    assert grouped.method == "95 % bootstrap over groups (12), 2000 resamples, seed 0"


def test_bootstrap_interval__of_one_group_is_over_blocks_and_says_that_no_honest_one_exists() -> None:
    interval = bootstrap_interval(drawn(0, 1, 40))
    assert (interval.over, interval.unit) == ("blocks of 9 consecutive frames", "block")
    assert 0 < interval.low < interval.high < 1
    assert "All 40 images come from one group (group0): no honest interval exists" in interval.note


def test_bootstrap_interval__of_a_short_sequence_is_none() -> None:
    interval = bootstrap_interval(drawn(0, 1, 5))
    assert np.isnan(interval.low)
    assert "too short for an interval: two blocks are needed" in interval.note


def test_bootstrap_interval__stays_within_0_and_1() -> None:
    few = bootstrap_interval(drawn(1, 2, 3), pixel_accuracy)
    assert 0 <= few.low < few.high <= 1


def test_bootstrap_interval__counts_images_without_a_group_as_their_own() -> None:
    counts = drawn(0, 3, 4)
    for name in ("x", "y"):
        counts.add(*image(np.random.default_rng(1), 0.7), name)
    interval = bootstrap_interval(counts)
    assert interval.over == "groups (5)"
    assert "Only 5 groups" in interval.note


@pytest.mark.parametrize("images", [0, 1])
def test_bootstrap_interval__of_one_image_is_none(images: int) -> None:
    interval = bootstrap_interval(drawn(0, images, 1))
    assert interval.to_json()["low"] is interval.to_json()["high"] is None
    assert "no interval" in interval.note


def test_bootstrap_interval__of_void_only_is_none() -> None:
    counts = ConfusionCounts(3)
    for name in ("a", "b"):
        counts.add(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8), name)
    assert bootstrap_interval(counts).to_json()["low"] is None


def test_bootstrap_interval__is_fast_for_camvid_sized_counts() -> None:
    random = np.random.default_rng(0)
    counts = ConfusionCounts(11)
    for i in range(101):
        counts._append(random.integers(0, 1000, (11, 11)), str(i), None)
    start = time.process_time()
    bootstrap_interval(counts, resamples=2000)
    assert time.process_time() - start < 1
