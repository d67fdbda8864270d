"""MaxF against the development kit's steps, written down on their own."""

from typing import Any

import numpy as np
import pytest
import torch

from terrazzo.core import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.datasets.kitti_road import road_labels
from terrazzo.metrics import Judged
from terrazzo.metrics.road import RoadMaxF
from tests.metrics.judging import grid, judge, labels_of


def judged(probability: Any, truth: Any, id: str = "um_000000") -> Judged:
    p = torch.as_tensor(probability, dtype=torch.float64)[None].clamp(1e-12, 1 - 1e-12)
    logits = torch.stack([(1 - p).log(), p.log()], dim=1)
    return Judged(id, None, truth, (p[0] > 0.5).numpy().astype(np.uint8), Prediction(logits, 1, truth.shape))


def kit(grey: Any, truth: Any) -> dict[str, float]:
    """Histograms over thresholds, F at each, the best: in the kit's order and number types."""
    thresholds = np.array(range(256)) / 255.0
    edges = np.concatenate(([-np.inf], thresholds, [np.inf]))
    probability = np.clip(grey.astype("f4") / np.iinfo(np.uint8).max, 0.0, 1.0)
    positive, negative = probability[truth == 1], probability[truth == 0]
    missed = np.cumsum(np.histogram(positive, bins=edges)[0])[:256]
    false = np.flipud(np.cumsum(np.flipud(np.histogram(negative, bins=edges)[0])))[1:257]
    right = len(positive) - missed
    recall = right / float(len(positive))
    precision = right / (right + false + 1e-10)
    keep = ~((recall == 0) & (precision == 0))
    recall, precision = recall[keep], precision[keep]
    average = sum(max(precision[np.where(recall >= i)]) for i in np.arange(0, 1.1, 0.1)) / 11
    f = 2 * (precision * recall) / (precision + recall + 1e-10)
    best = f.argmax()
    return {
        "max_f": f[best],
        "average_precision": average,
        "precision": right[best] / (right[best] + false[best]),
        "recall": recall[best],
        "fpr": false[best] / len(negative),
        "fnr": missed[best] / len(positive),
        "threshold": thresholds[best],
    }


@pytest.mark.parametrize("seed", range(5))
def test_road_maxf__equals_the_development_kit(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.choice(np.array([0, 1, 255], dtype=np.uint8), (2, 30, 40), p=[0.6, 0.3, 0.1])
    chance = np.where(truth == 1, random.beta(4, 2, truth.shape), random.beta(2, 4, truth.shape))
    grey = np.rint(255 * chance).astype(np.uint8)
    meter = RoadMaxF(road_labels("road"))
    for image in range(2):
        meter.add(judged(grey[image] / 255, truth[image], f"{('um', 'uu')[image]}_00000{image}"))
    found = meter.to_json()
    expected = kit(grey, truth)
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    assert list(found["categories"]) == ["um", "uu"]
    assert found["categories"]["uu"] == pytest.approx(kit(grey[1], truth[1]), rel=1e-9)
    assert found["space"] == "perspective"


def test_road_maxf__worked_by_hand() -> None:
    # From 0.4 on: two right, one false, none missed; from 0.6 on: one right, one missed.
    truth = grid("11000")
    meter = RoadMaxF(road_labels("road"))
    meter.add(judged(np.array([[0.8, 0.4, 0.6, 0.2, 0.2]]), truth))
    found = meter.to_json()
    assert found["max_f"] == pytest.approx(0.8)
    assert (found["precision"], found["recall"]) == pytest.approx((2 / 3, 1))
    assert (found["fpr"], found["fnr"]) == pytest.approx((1 / 3, 0))
    assert found["average_precision"] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_road_maxf__is_undefined_without_road() -> None:
    meter = RoadMaxF(road_labels("lane"))
    assert meter.to_json()["max_f"] is None
    meter.add(judged(np.full((1, 2), 0.5), grid("00")))
    assert meter.to_json()["max_f"] is None


def test_road_maxf__needs_two_classes_and_probabilities() -> None:
    with pytest.raises(
        RequestError, match=r"two classes, road and the rest; these labels have 3 \(c0, c1, c2\)"
    ):
        RoadMaxF(labels_of(3))
    with pytest.raises(RequestError, match="There is no class 'street' here; choose one of other, road"):
        RoadMaxF(road_labels("road"), road="street")
    with pytest.raises(RequestError, match="Only labels are known here, no probabilities"):
        RoadMaxF(road_labels("road")).add(judge(grid("01"), grid("01")))


def test_road_maxf__may_look_for_the_first_class() -> None:
    meter = RoadMaxF(road_labels("road"), road="other")
    meter.add(judged(np.array([[0.1, 0.9]]), grid("01")))
    assert meter.to_json()["max_f"] == pytest.approx(1)
