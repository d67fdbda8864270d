import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as sk

from terrazzo.metrics import ConfusionCounts, score, score_matrix
from terrazzo.metrics.scores import Margins, iou, mean_iou

K = 5
NAMES = tuple("abcde")


def pair(seed: int, present: int = K) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A prediction that is right about half the time, and a truth with void, over the first classes only."""
    random = np.random.default_rng(seed)
    target = random.choice(present, size=(40, 50), p=random.dirichlet(np.ones(present))).astype(np.uint8)
    guess = random.integers(0, present, target.shape).astype(np.uint8)
    prediction = np.where(random.random(target.shape) < 0.5, target, guess).astype(np.uint8)
    target[:5] = 255
    return prediction, target


def counted(prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> ConfusionCounts:
    counts = ConfusionCounts(K)
    counts.add(prediction, target, "only")
    return counts


def test_score__hand_worked_example() -> None:
    # truth a: 3 right, 1 taken for b; truth b: 2 right, 2 taken for a; c neither true nor predicted.
    scores = score_matrix(np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]]), ("a", "b", "c"))
    a, b, c = scores.per_class
    assert (a.iou, a.f1, a.precision, a.recall) == (3 / 6, 6 / 9, 3 / 5, 3 / 4)
    assert (b.iou, b.f1, b.precision, b.recall) == (2 / 5, 4 / 7, 2 / 3, 2 / 4)
    assert (a.pixels, b.pixels, c.pixels) == (4, 4, 0)
    assert (a.predicted_pixels, b.predicted_pixels) == (5, 3)
    assert all(math.isnan(v) for v in (c.iou, c.f1, c.precision, c.recall))
    assert scores.miou == pytest.approx((3 / 6 + 2 / 5) / 2)
    assert scores.macro_f1 == pytest.approx((6 / 9 + 4 / 7) / 2)
    assert scores.fwiou == pytest.approx(4 / 8 * 3 / 6 + 4 / 8 * 2 / 5)
    assert scores.pixel_accuracy == 5 / 8
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert scores.absent_classes == ("c",)


def test_score__a_class_predicted_but_not_there_counts_with_iou_zero() -> None:
    scores = score_matrix(np.array([[3, 1], [0, 0]]), ("a", "b"))
    assert scores.absent_classes == ()
    assert scores.per_class[1].iou == scores.per_class[1].f1 == scores.per_class[1].precision == 0
    assert math.isnan(scores.per_class[1].recall)
    assert scores.miou == pytest.approx((3 / 4 + 0) / 2)
    assert scores.mean_accuracy == 3 / 4


def test_score__a_class_never_predicted_counts_with_iou_zero() -> None:
    scores = score_matrix(np.array([[3, 0], [1, 0]]), ("a", "b"))
    assert scores.per_class[1].iou == scores.per_class[1].recall == 0
    assert math.isnan(scores.per_class[1].precision)
    assert scores.miou == pytest.approx((3 / 4 + 0) / 2)


def test_score__of_nothing_is_none_in_json() -> None:
    data = score(ConfusionCounts(2), ("a", "b")).to_json()
    assert data["miou"] is data["pixel_accuracy"] is data["fwiou"] is data["macro_f1"] is None
    assert data["absent_classes"] == ["a", "b"]
    json.dumps(data, allow_nan=False)


def test_score__refuses_names_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) does not fit 3 class names"):
        score_matrix(np.eye(2), ("a", "b", "c"))


def test_score__is_the_pooled_matrix_and_not_the_mean_of_images() -> None:
    counts = ConfusionCounts(2)
    counts.add(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), "tiny and right")
    counts.add(np.ones((3, 3), np.uint8), np.zeros((3, 3), np.uint8), "large and wrong")
    assert score(counts, ("a", "b")).per_class[0].iou == 1 / 10


@pytest.mark.parametrize("present", [K, K - 2])
@pytest.mark.parametrize("seed", range(3))
def test_score__equals_scikit_learn(seed: int, present: int) -> None:
    prediction, target = pair(seed, present)
    y_true, y_pred = target[target != 255], prediction[target != 255]
    scores = score(counted(prediction, target), NAMES)
    labels = list(range(present))
    per_class = scores.per_class[:present]
    expected = {
        "iou": sk.jaccard_score(y_true, y_pred, labels=labels, average=None),
        "f1": sk.f1_score(y_true, y_pred, labels=labels, average=None),
        "precision": sk.precision_score(y_true, y_pred, labels=labels, average=None),
        "recall": sk.recall_score(y_true, y_pred, labels=labels, average=None),
    }
    for name, values in expected.items():
        np.testing.assert_allclose([getattr(entry, name) for entry in per_class], values, rtol=1e-12)
    assert scores.miou == pytest.approx(sk.jaccard_score(y_true, y_pred, average="macro"), rel=1e-12)
    assert scores.macro_f1 == pytest.approx(sk.f1_score(y_true, y_pred, average="macro"), rel=1e-12)
    assert scores.fwiou == pytest.approx(sk.jaccard_score(y_true, y_pred, average="weighted"), rel=1e-12)
    assert scores.pixel_accuracy == pytest.approx(sk.accuracy_score(y_true, y_pred), rel=1e-12)
    assert scores.mean_accuracy == pytest.approx(sk.balanced_accuracy_score(y_true, y_pred), rel=1e-12)
    assert scores.absent_classes == NAMES[present:]


@pytest.mark.parametrize("present", [K, K - 2])
def test_score__equals_torchmetrics(present: int) -> None:
    from torchmetrics import classification as tm

    prediction, target = pair(7, present)
    scores = score(counted(prediction, target), NAMES)
    guess, truth = torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(target.astype(np.int64))

    def theirs(metric: type, average: str) -> float:
        return float(metric(num_classes=K, average=average, ignore_index=255)(guess, truth))

    assert scores.miou == pytest.approx(theirs(tm.MulticlassJaccardIndex, "macro"), abs=1e-6)
    assert scores.fwiou == pytest.approx(theirs(tm.MulticlassJaccardIndex, "weighted"), abs=1e-6)
    assert scores.pixel_accuracy == pytest.approx(theirs(tm.MulticlassAccuracy, "micro"), abs=1e-6)
    assert scores.mean_accuracy == pytest.approx(theirs(tm.MulticlassAccuracy, "macro"), abs=1e-6)
    assert scores.macro_f1 == pytest.approx(theirs(tm.MulticlassF1Score, "macro"), abs=1e-6)


def test_margins__score_many_matrices_as_one_by_one() -> None:
    matrices = np.random.default_rng(0).integers(0, 3, (6, K, K))
    together = mean_iou(Margins.of(matrices))
    assert together.tolist() == [score_matrix(m, NAMES).miou for m in matrices]
    assert iou(Margins.of(matrices)).shape == (6, K)


def test_room__imports_without_torch() -> None:
    code = "import sys, terrazzo.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
