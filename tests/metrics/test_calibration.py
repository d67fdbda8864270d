"""Calibration scores, against numbers worked by hand, torchmetrics and scikit-learn."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from torchmetrics.classification import MulticlassCalibrationError

from terrazzo.core import DataError
from terrazzo.metrics import Judged
from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.probability_sums import BLOCK, bin_of
from tests.metrics.probable import drawn, judged, softmax, valid


def measured(*images: Judged, num_classes: int = 4, **options: Any) -> Calibration:
    meter = Calibration(num_classes, **options)
    for image in images:
        meter.add(image)
    return meter


def by_hand(confidence: NDArray[Any], hit: NDArray[Any], bins: int = 15) -> tuple[float, float]:
    """ECE and MCE as the paper writes them down: a loop over bins (low, high]."""
    gaps, shares = [], []
    for m in range(bins):
        inside = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        if inside.any():
            gaps.append(abs(confidence[inside].mean() - hit[inside].mean()))
            shares.append(inside.mean())
    return float(np.dot(gaps, shares)), max(gaps)


def test_scores__worked_by_hand() -> None:
    # Two bins. Of three pixels with confidences .6, .8 and .9 two are right: a gap of 2.3/3 - 2/3 = 0.1.
    shares = [[[0.6, 0.8, 0.1, 0.4]], [[0.4, 0.2, 0.9, 0.6]]]
    scores = measured(judged(np.array(shares), [[0, 1, 1, 255]]), num_classes=2, bins=2).scores()
    assert scores["ece"] == pytest.approx(0.1, abs=1e-6)
    assert scores["mce"] == pytest.approx(0.1, abs=1e-6)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["confidence"] == pytest.approx(2.3 / 3, abs=1e-6)
    assert scores["brier"] == pytest.approx(2 * (0.4**2 + 0.8**2 + 0.1**2) / 3, abs=1e-6)
    assert scores["nll"] == pytest.approx(-np.log([0.6, 0.2, 0.9]).mean(), abs=1e-6)
    # Class 0: bin 1 holds .1 (a miss of class 0), bin 2 holds .6 and .8 (one of two is of class 0).
    # Gaps: |.1 - 0| and |1.4 - 1|, over three pixels. Class 1 is its mirror image.
    assert scores["classwise_ece"] == pytest.approx(0.5 / 3, abs=1e-6)


def test_ece__equals_torchmetrics_and_the_paper() -> None:
    image = drawn(0, sharpness=2.0)
    shares, ids, truth = valid(image)
    scores = measured(image).scores()
    norms: dict[str, Any] = {"ece": "l1", "mce": "max"}
    for name, norm in norms.items():
        theirs = MulticlassCalibrationError(4, n_bins=15, norm=norm, validate_args=False)
        expected = theirs(torch.from_numpy(shares), torch.from_numpy(truth.astype(np.int64)))
        assert scores[name] == pytest.approx(float(expected), abs=2e-6)
    assert (scores["ece"], scores["mce"]) == pytest.approx(
        by_hand(shares.max(axis=1), ids == truth), abs=2e-6
    )


def test_classwise_ece__is_the_paper_class_by_class() -> None:
    image = drawn(1, sharpness=1.5)
    shares, _, truth = valid(image)
    expected = [by_hand(shares[:, k], truth == k)[0] for k in range(4)]
    assert measured(image).ece_per_class() == pytest.approx(expected, abs=2e-6)
    assert measured(image).scores()["classwise_ece"] == pytest.approx(np.mean(expected), abs=2e-6)


def test_nll_and_brier__equal_scikit_learn() -> None:
    image = drawn(2)
    shares, _, truth = valid(image)
    scores = measured(image).scores()
    wide = shares.astype(np.float64)
    expected = log_loss(truth, wide / wide.sum(axis=1, keepdims=True), labels=range(4))
    assert scores["nll"] == pytest.approx(expected, abs=2e-6)
    assert scores["brier"] == pytest.approx(np.square(wide - np.eye(4)[truth]).sum(axis=1).mean(), abs=2e-6)


def test_calibration__honest_probabilities_have_a_small_error_and_sharp_ones_a_large_one() -> None:
    honest = measured(*(drawn(seed, size=(150, 160)) for seed in range(4))).scores()
    sharp = measured(*(drawn(seed, size=(150, 160), sharpness=3) for seed in range(4))).scores()
    assert honest["ece"] < 0.01
    assert sharp["ece"] > 0.15
    assert sharp["confidence"] - sharp["accuracy"] == pytest.approx(sharp["ece"], abs=1e-3), "overconfident"
    assert sharp["accuracy"] == honest["accuracy"]
    assert sharp["nll"] > honest["nll"]
    assert sharp["brier"] > honest["brier"]


def test_calibration__nothing_under_void_changes_anything() -> None:
    image = drawn(3)
    void = image.truth == 255
    spoilt, ids = image.probabilities.copy(), image.ids.copy()
    spoilt[:, void], ids[void] = np.nan, 99
    assert (
        measured(judged(spoilt, image.truth, id=image.id, ids_HW=ids)).to_json() == measured(image).to_json()
    )
    alone = measured(judged(image.probabilities, np.full_like(image.truth, 255)))
    assert alone.scores()["ece"] != alone.scores()["ece"], "undefined"
    assert json.loads(json.dumps(alone.to_json(), allow_nan=False))["nll"] is None


def test_calibration__neither_order_nor_merging_changes_a_bit() -> None:
    images = [drawn(seed, size=(30, 20 + seed)) for seed in range(6)]
    once = measured(*images)
    first, second = measured(*images[4:][::-1]), measured(*images[:4][::-1])
    first.merge(second)
    assert first.to_json() == once.to_json()
    with pytest.raises(ValueError, match="'image0' has been counted already"):
        first.merge(second)
    with pytest.raises(ValueError, match=r"\(4, 255, 15\) and \(4, 255, 10\) cannot be merged"):
        first.merge(Calibration(4, bins=10))


def test_calibration__blocks_of_pixels_do_not_show() -> None:
    image = drawn(4, size=(1, 2 * BLOCK + 100), void=0.3)
    shares, ids, truth = valid(image)
    meter = measured(image)
    assert meter.scores()["ece"] == pytest.approx(by_hand(shares.max(axis=1), ids == truth)[0], abs=2e-6)
    assert sum(row["pixels"] for row in meter.reliability()) == len(truth)
    per_class = meter._classes_KM3[..., 0]
    assert (per_class.sum(axis=1) == len(truth)).all()
    assert (per_class >= 0).all()


def test_calibration__the_confidence_is_that_of_the_class_that_is_predicted() -> None:
    shares = np.array([[[0.9]], [[0.1]]])
    row = measured(judged(shares, [[1]], ids_HW=np.array([[1]])), num_classes=2, bins=2).reliability()[0]
    assert (row["pixels"], row["accuracy"]) == (1, 1.0)
    assert row["confidence"] == pytest.approx(0.1, abs=1e-6)


def test_reliability__bins_are_closed_above() -> None:
    assert bin_of(np.array([0, 0.25, 0.2500001, 0.5, 1.0], np.float32), 4).tolist() == [0, 0, 1, 1, 3]


def test_calibration__an_impossible_truth_costs_a_bounded_amount() -> None:
    scores = measured(judged(np.array([[[1.0]], [[0.0]]]), [[1]]), num_classes=2).scores()
    assert scores["nll"] == pytest.approx(-np.log(np.finfo(np.float32).tiny), rel=1e-6)
    assert scores["brier"] == 2


def test_interval__is_over_groups_where_known() -> None:
    images = [drawn(seed, sharpness=1 + 0.1 * (seed // 4), group=f"g{seed // 4}") for seed in range(48)]
    meter = measured(*images)
    data = meter.to_json()
    low, high = data["ece_interval"]
    assert 0 < low < data["ece"] < high < 1
    assert "over groups (12)" in data["interval"]["method"]
    single = measured(images[0]).to_json()
    assert single["nll_interval"] == [None, None]
    assert "no interval" in single["interval"]["note"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3.0])
def test_calibration__refuses_what_is_no_probability(bad: float) -> None:
    shares = softmax(np.zeros((2, 3, 3)))
    shares[0, 1, 1] = bad
    with pytest.raises(DataError, match=r"^a: The probabilities of this image are no numbers in 0\.\.1.*NaN"):
        measured(judged(shares, np.zeros((3, 3))), num_classes=2)


def test_calibration__refuses_another_size() -> None:
    with pytest.raises(DataError, match=r"^a: Probabilities \(2, 3, 3\), labels \(3, 3\) and truth \(2, 3\)"):
        measured(judged(softmax(np.zeros((2, 3, 3))), np.zeros((2, 3))), num_classes=2)
