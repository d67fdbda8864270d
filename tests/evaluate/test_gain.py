"""The gain of test-time augmentation: a paired difference, its interval and its cost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from terrazzo.core.errors import RequestError
from terrazzo.evaluate import Evaluation, evaluate_with, tta_gain
from terrazzo.metrics import ConfusionCounts
from terrazzo.metrics.paired import paired_difference
from terrazzo.metrics.scores import mean_iou
from terrazzo.predict import Method
from tests.evaluate.made import Made

HFLIP = Method(tta="hflip,merge=mean (2 views)")


def evaluated(share: float, data: Made, method: Method | None = None) -> Evaluation:
    """Score labels of which a share is right everywhere, the same pixels for every share."""
    answers = iter(data[index] for index in range(len(data)))

    def predict(_: Any) -> Any:
        truth = next(answers)["mask"]
        chance = np.random.default_rng(7).random(truth.shape)
        return np.where((chance < share) & (truth != 255), truth, 0).astype(np.uint8)

    return evaluate_with(predict, data, method=lambda: method or Method())


def test_gain__is_the_paired_difference() -> None:
    data = Made(12)
    gain = tta_gain(evaluated(0.7, data), evaluated(0.8, data, HFLIP), seconds=([1.0, 2.0], [3.0, 3.6]))
    assert gain.difference == gain.miou_tta - gain.miou_plain > 0
    assert 0 < gain.interval.low < gain.difference < gain.interval.high
    assert gain.time_ratio == pytest.approx(2.2)
    facts = gain.to_json()
    assert facts["interval"] == [gain.interval.low, gain.interval.high]
    assert facts["tta"] == HFLIP.tta
    assert gain.words.endswith("2.20 times the time per image")
    assert "no difference" not in gain.words


def test_gain__paired_is_narrower_than_apart() -> None:
    data = Made(12)
    before, after = evaluated(0.7, data), evaluated(0.71, data, HFLIP)
    gain = tta_gain(before, after)
    assert gain.interval.high - gain.interval.low < (before.interval.high - before.interval.low) / 2
    assert gain.time_ratio is None


def test_gain__of_nothing_is_nothing() -> None:
    data = Made(12)
    gain = tta_gain(evaluated(0.7, data), evaluated(0.7, data, HFLIP))
    assert (gain.difference, gain.interval.low, gain.interval.high) == (0, 0, 0)
    assert "no difference is shown" in gain.words


def test_gain__unlike_evaluations_are_refused() -> None:
    before = evaluated(0.7, Made(12))
    for other in (
        evaluated(0.7, Made(11), HFLIP),
        evaluated(0.7, Made(12), Method(tta="hflip", tiles="512")),
        evaluated(0.7, Made(12, ids=[f"other{i}" for i in range(12)]), HFLIP),
    ):
        with pytest.raises(RequestError, match="of test-time augmentation alone, but these evaluations"):
            tta_gain(before, other)


def test_gain__the_interval_is_the_paired_one_whatever_the_order_of_images() -> None:
    data = Made(6)
    before, after = evaluated(0.6, data), evaluated(0.9, data, HFLIP)
    turned = ConfusionCounts(3)
    for index in reversed(range(6)):
        truth = data[index]["mask"]
        chance = np.random.default_rng(7).random(truth.shape)
        turned.add(np.where((chance < 0.9) & (truth != 255), truth, 0), truth, data.ids[index])
    gain = tta_gain(before, replace(after, counts=turned), resamples=200, seed=3)
    paired = paired_difference([before.counts], [after.counts], mean_iou, resamples=200, seed=3)
    assert (gain.interval.low, gain.interval.high) == (float(paired.low), float(paired.high))
    assert gain.interval.low < gain.difference < gain.interval.high
    assert gain.difference == pytest.approx(float(paired.difference))


def test_gain__one_scene_alone_is_noted() -> None:
    data = Made(12, groups=["street"] * 12)
    gain = tta_gain(evaluated(0.7, data), evaluated(0.8, data, HFLIP))
    assert "All 12 images come from one group (street)" in gain.words
    assert gain.to_json()["note"] == gain.interval.note
