"""Risk against coverage, and whether doubt finds errors: by hand, by loops, and against scikit-learn."""

import json
from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from terrazzo.core import DataError
from terrazzo.metrics import Judged
from terrazzo.metrics.coverage import SIZE, Coverage, bin_end, bin_of
from tests.metrics.probable import drawn, judged, valid


def sure(confidences: list[float], hits: list[int], id: str = "a") -> Judged:
    """One row of pixels of two classes, predicted 0 with these confidences, right or wrong."""
    first = np.array([confidences])
    return judged(np.stack([first, 1 - first]), 1 - np.array([hits]), id=id)


def measured(*images: Judged, **options: str) -> Coverage:
    meter = Coverage(4, **options)  # type: ignore[arg-type]
    for image in images:
        meter.add(image)
    return meter


def test_coverage__worked_by_hand() -> None:
    meter = measured(sure([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]))
    assert meter.risk([0.25, 0.5, 0.75, 1.0]).tolist() == [0, 1 / 2, 1 / 3, 1 / 2]
    assert meter.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    # A perfect order has the two errors last: 0, 0, 1/3, 2/4.
    assert meter.excess_aurc == pytest.approx(meter.aurc - (1 / 3 + 1 / 2) / 4)
    # Pairs of (wrong, right): (.8, .9) and (.6, .9) and (.6, .7) are in order, (.8, .7) is not.
    assert meter.auroc == pytest.approx(3 / 4)
    assert 0.3 <= meter.threshold(0.75) <= 0.3 * 1.004


def test_aurc__of_a_tie_is_the_mean_over_its_orders() -> None:
    hits, confidences = [1, 0, 0, 1, 1], [0.9, 0.7, 0.7, 0.7, 0.6]
    areas = []
    for order in permutations(range(1, 4)):
        errors = np.cumsum([1 - hits[i] for i in (0, *order, 4)])
        areas.append((errors / np.arange(1, 6)).mean())
    assert measured(sure(confidences, hits)).aurc == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("seed", range(3))
def test_aurc_and_auroc__equal_the_definition_and_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    confidences = 1 - 0.49 * random.permutation(np.geomspace(1e-4, 1, 400))  # further apart than a bin
    hits = (random.random(400) < confidences).astype(int)
    meter = measured(sure(confidences.tolist(), hits.tolist()))
    wrong = 1 - hits[np.argsort(-confidences)]
    assert meter.aurc == pytest.approx((np.cumsum(wrong) / np.arange(1, 401)).mean(), rel=1e-9)
    assert meter.auroc == pytest.approx(roc_auc_score(1 - hits, -confidences), rel=1e-9)
    tied = np.round(confidences, 1)
    meter = measured(sure(tied.tolist(), hits.tolist()))
    assert meter.auroc == pytest.approx(roc_auc_score(1 - hits, -tied), rel=1e-9)


@pytest.mark.parametrize("by", ["confidence", "entropy", "margin"])
def test_coverage__on_many_pixels_is_within_its_resolution(by: str) -> None:
    image = drawn(0, size=(100, 100), sharpness=2)
    meter = measured(image, by=by)
    shares, ids, truth = valid(image)
    top = np.sort(shares, axis=1)[:, ::-1]
    entropy = -(shares * np.log(shares)).sum(axis=1) / np.log(4)
    unsure = {"confidence": 1 - top[:, 0], "entropy": entropy, "margin": 1 - top[:, 0] + top[:, 1]}[by]
    assert meter.auroc == pytest.approx(roc_auc_score(ids != truth, unsure), abs=2e-4)
    wrong = (ids != truth)[np.argsort(unsure, kind="stable")]
    curve = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    assert meter.aurc == pytest.approx(curve.mean(), abs=2e-4)
    assert meter.risk([0.9])[0] == pytest.approx(curve[int(0.9 * len(wrong)) - 1], abs=1e-3)
    assert (unsure <= meter.threshold(0.9)).mean() == pytest.approx(0.9, abs=3e-3)


def test_coverage__leaving_out_the_unsure_helps_where_doubt_is_sound() -> None:
    meter = measured(*(drawn(seed) for seed in range(3)))
    data = meter.to_json()
    errors = [data["error_at_coverage"][c] for c in ("90", "95", "99")]
    assert errors == sorted(errors)
    assert errors[-1] < data["error_rate"]
    assert data["auroc"] > 0.6
    assert len(data["curve"]["coverage"]) == len(data["curve"]["risk"]) == 100
    assert data["curve"]["risk"][-1] == data["error_rate"]


def test_coverage__void_order_and_merging_change_nothing() -> None:
    images = [drawn(seed) for seed in range(4)]
    first, second = measured(*images[2:]), measured(*images[:2])
    first.merge(second)
    void = images[0].truth == 255
    spoilt, ids = images[0].probabilities.copy(), images[0].ids.copy()
    spoilt[:, void], ids[void] = np.nan, 99
    once = measured(judged(spoilt, images[0].truth, ids_HW=ids), *images[1:])
    assert first.to_json() == once.to_json()
    with pytest.raises(ValueError, match=r"'confidence', 255\) and \('margin', 255\) cannot be merged"):
        first.merge(measured(by="margin"))


def test_coverage__of_nothing_or_of_no_error_is_undefined_not_zero() -> None:
    data = measured(judged(np.ones((1, 2, 2)), np.full((2, 2), 255))).to_json()
    assert json.loads(json.dumps(data, allow_nan=False))["aurc"] is None
    assert data["error_at_coverage"] == {"90": None, "95": None, "99": None}
    perfect = measured(sure([0.9, 0.8], [1, 1]))
    assert (perfect.aurc, perfect.excess_aurc) == (0, 0)
    assert np.isnan(perfect.auroc)


def test_bin_of__rises_with_uncertainty_and_stays_inside() -> None:
    values = np.concatenate([[-6e-8, 0, 1e-12, 2.0**-30], np.geomspace(1e-8, 1, 5000)]).astype(np.float32)
    place = bin_of(np.sort(values))
    assert (np.diff(place) >= 0).all()
    assert (place[0], place[-1]) == (0, SIZE - 1)
    widths = [bin_end(m + 1) / bin_end(m) for m in range(1, SIZE - 2)]
    assert max(widths) <= 1 + 1 / 256


@pytest.mark.parametrize("bad", [np.nan, 3.0, -0.5])
def test_coverage__refuses_what_is_no_probability(bad: float) -> None:
    with pytest.raises(DataError, match=r"^a: its probabilities are no numbers in 0\.\.1"):
        measured(judged(np.full((1, 2, 2), bad), np.zeros((2, 2))))
