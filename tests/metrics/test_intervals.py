import time

import numpy as np
import pytest

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


def test_bootstrap_interval__equals_resampling_the_images_one_by_one() -> None:
    counts = drawn(3, 15, 1, named=False)
    interval = bootstrap_interval(counts, resamples=4000)
    random = np.random.default_rng(0)
    slow = []
    for _ in range(4000):
        chosen = counts.per_image[random.integers(0, 15, 15)].sum(axis=0)
        hits, union = np.diag(chosen), chosen.sum(0) + chosen.sum(1) - np.diag(chosen)
        slow.append((hits / union).mean())
    np.testing.assert_allclose((interval.low, interval.high), np.percentile(slow, (2.5, 97.5)), atol=0.008)
    assert interval.low < score(counts, NAMES).miou < interval.high


def test_bootstrap_interval__says_what_was_drawn() -> None:
    assert bootstrap_interval(drawn(0, 20, 1, named=False)).over == "images"
    assert bootstrap_interval(drawn(0, 20, 1)).over == "images"
    grouped = bootstrap_interval(drawn(0, 12, 3))
    assert (grouped.over, grouped.note) == ("groups (12)", "")
    assert grouped.method == "95 % percentile bootstrap over groups (12), 2000 resamples, seed 0"


def test_bootstrap_interval__of_one_group_is_over_images_and_says_so() -> None:
    interval = bootstrap_interval(drawn(0, 1, 12))
    assert interval.over == "images"
    assert interval.low < interval.high
    assert "All 12 images come from one group (group0)" in interval.note
    assert "lower bound" in interval.note


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
