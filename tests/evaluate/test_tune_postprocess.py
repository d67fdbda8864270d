"""Choosing post-processing: what is counted, how it is judged, and that noise is not taken for a gain."""

from typing import Any

import numpy as np
import pytest

from terrazzo.core import DataError, RequestError
from terrazzo.evaluate import Tuning, evaluate, tune
from terrazzo.evaluate.folds import divide
from terrazzo.evaluate.tune_postprocess import CANDIDATES, judge, widened
from terrazzo.metrics.paired import Paired
from terrazzo.metrics.scores import Margins, mean_iou
from terrazzo.metrics.units import find_units
from terrazzo.predict import Predictor, parse_postprocess
from tests.evaluate.made import Made, NearestColor
from tests.predict.small import predictor

TRIED = ("drop-clusters=3", "drop-clusters=20", "guided=2", "drop-clusters=20")


class Mild(Made):
    """Only the easier images, again and again."""

    def read(self, index: int) -> Any:
        image, mask, _ = super().read(index % 4)
        return image, mask, f"{self.ids[index]}.png"


def model(data: Made) -> Predictor:
    return predictor(NearestColor(), data.labels)


def test_tune__counts_what_evaluate_counts_and_predicts_each_image_once() -> None:
    data = Made(6)
    some = model(data)
    calls: list[Any] = []
    inner = some.inference

    class Watched:
        backend, method = inner.backend, inner.method

        def __call__(self, image: Any) -> Any:
            calls.append(image)
            return inner(image)

    watched: Any = Watched()
    some.inference = watched
    seen: list[tuple[int, int]] = []
    found = tune(some, data, TRIED, progress=lambda done, total: seen.append((done, total)))
    assert len(calls) == 6
    assert seen == [(i, 6) for i in range(1, 7)]
    assert found.candidates == ("none", "drop-clusters=3", "drop-clusters=20", "guided=radius:2,eps:0.0001")
    for words, miou in zip(found.candidates, found.miou, strict=True):
        assert miou == pytest.approx(evaluate(some.with_postprocess(words), data).scores.miou, abs=1e-12)


def test_tune__a_gain_that_is_there() -> None:
    data = Mild(12)
    found = tune(model(data), data, TRIED[:2])
    assert (found.best, found.chosen, found.real) == ("drop-clusters=20",) * 2 + (True,)
    assert found.fold_choices == ("drop-clusters=20",) * 5
    assert found.difference == pytest.approx(found.miou[2] - found.miou[0], abs=1e-12)
    assert found.words.startswith("drop-clusters=20 gains ")
    assert found.words.endswith("on images that it was not chosen on.")
    facts = found.to_json()
    assert facts["interval"][0] > 0
    assert facts["folds"] == {
        "by": "5 folds of runs of consecutive images",
        "chose": list(found.fold_choices),
    }
    assert facts["candidates"][0] == {"postprocess": "none", "miou": found.miou[0], "difference": 0.0}
    assert facts["data_fingerprint"] == data.fingerprint


def test_tune__its_own_post_processing_is_left_out() -> None:
    data = Made(4)
    plain = tune(model(data), data, TRIED)
    assert tune(model(data).with_postprocess("drop-clusters=9"), data, TRIED).miou == plain.miou


def test_tune__nothing_helps() -> None:
    data = Made(6)
    found = tune(model(data), data, ["drop-clusters=999"])
    assert (found.best, found.chosen, found.real) == ("none", "none", False)
    assert found.words == "No gain shown: none of the candidates is better than none on these images."
    assert (found.low, found.high) == (0, 0)


def test_tune__the_usual_candidates_can_be_read() -> None:
    data = Made(3)
    words = [parse_postprocess(text, data.labels).words for text in CANDIDATES]
    assert len(set(words)) == len(CANDIDATES)
    assert "none" not in words


def test_tune__what_cannot_be() -> None:
    data = Made(3)
    with pytest.raises(
        RequestError, match="nothing to choose from: give candidates, such as 'drop-clusters=70'"
    ):
        tune(model(data), data, ["none"])
    with pytest.raises(RequestError, match="Unknown post-processing step 'drop'"):
        tune(model(data), data, ["drop=3"])
    with pytest.raises(RequestError, match="5 folds and 1 image were given"):
        tune(model(data), Made(1), TRIED)

    class Undeclared(Made):
        def read(self, index: int) -> Any:
            image, mask, name = super().read(index)
            return image[:, :-1], mask, name

    with pytest.raises(DataError):
        tune(model(data), Undeclared(3), TRIED)


def made_margins(hits_NK: Any, pixels: float = 1000) -> Margins:
    """Two classes or more of equally many pixels; what is missed of one is taken for another."""
    hits = np.asarray(hits_NK, dtype=np.float64)
    truth = np.full(hits.shape, pixels)
    return Margins(hits, truth, hits + np.roll(truth - hits, 1, axis=1))


def judged(margins: list[Margins], groups: list[str | None], folds: int) -> Tuning:
    ids = [f"{i:03}" for i in range(len(groups))]
    units = find_units(ids, groups)
    names = ["none", *(f"candidate {i}" for i in range(1, len(margins)))]
    return judge(names, margins, units, divide(units, folds), resamples=300)


def test_judge__a_fold_is_scored_with_what_the_others_chose() -> None:
    """Two groups: candidate 1 is best on the first, 2 on the second; so each is judged where it fails."""
    none = made_margins([[500, 500]] * 4)
    first = made_margins([[800, 800]] * 2 + [[300, 300]] * 2)
    second = made_margins([[400, 400]] * 2 + [[900, 900]] * 2)
    found = judged([none, first, second], ["a", "a", "b", "b"], 2)
    assert found.fold_choices == ("candidate 2", "candidate 1")
    assert found.best == "candidate 2"
    held_out = made_margins([[400, 400]] * 2 + [[300, 300]] * 2)
    expected = float(mean_iou(held_out.total()) - mean_iou(none.total()))
    assert found.difference == pytest.approx(expected)
    assert expected < 0
    assert found.chosen == "none"
    assert "changes mIoU by -" in found.words
    assert found.notes[0] == "The folds chose differently: candidate 2 (1 of 2), candidate 1 (1 of 2)."


def test_judge__pure_noise_is_no_gain() -> None:
    """Eight candidates that change every image by chance: the best looks better, and the interval holds 0.

    Without its correction the interval lies above 0 in 13 of these hundred, and below it in 12.
    """
    random = np.random.default_rng(11)
    below = above = looks_better = 0
    for _ in range(100):
        base = random.uniform(300, 900, (60, 3))
        noise = random.normal(0, 20, (9, 60, 3))
        noise[0] = 0
        margins = [made_margins(np.clip(base + each, 0, 1000)) for each in noise]
        found = judged(margins, [f"scene {i % 20}" for i in range(60)], 5)
        looks_better += found.best != "none"
        below, above = below + (found.high < 0), above + (found.low > 0)
    assert looks_better > 95
    assert above <= 5
    assert below <= 5


def test_widened__by_what_the_folds_share() -> None:
    units = find_units(["a", "b"], [None, None])
    half, nothing = np.array(0.02), np.array(np.nan)
    gain = Paired(
        half, half, np.array(0.01), -np.array(0.01), np.array(0.03), nothing, nothing, nothing, units
    )
    assert widened(gain, 5) == pytest.approx((0.01 - 0.03, 0.01 + 0.03))


def test_tuning__training_images_are_named_as_such() -> None:
    data = Made(4, split="train")
    assert "trained on" in " ".join(tune(model(data), data, TRIED).notes)
