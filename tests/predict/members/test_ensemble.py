"""Ensembles: the mean of probabilities, whatever the members' strides; unlike members are refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.checkpoint import save_model
from terrazzo.core import LabelMap
from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.predict import Predictor, load, to_probabilities
from terrazzo.predict.inference import Method
from terrazzo.predict.members.ensemble import Ensemble, ensemble_predictor, load_ensemble
from terrazzo.predict.views.tta import TestTime
from tests.predict.networks import Averages, averages


def photo(height: int = 41, width: int = 58) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mean(shares: list[NDArray[np.float32]], weights: list[float]) -> NDArray[Any]:
    return np.average(np.stack(shares).astype(np.float64), axis=0, weights=weights)


@pytest.mark.parametrize("weights", [None, [1, 2, 5]])
@pytest.mark.parametrize("strides", [(1, 1, 1), (1, 4, 8), (8, 2, 2)])
def test_ensemble__is_the_mean_of_probabilities(
    strides: tuple[int, ...], weights: list[float] | None
) -> None:
    members = [averages(stride, symmetric=False, seed=i) for i, stride in enumerate(strides)]
    shares = [to_probabilities(member(photo())) for member in members]
    result = Ensemble(members, weights)(photo())
    assert result.stride == 1
    np.testing.assert_allclose(to_probabilities(result), mean(shares, weights or [1, 1, 1]), atol=1e-5)


def test_ensemble__members_on_one_grid_are_averaged_at_their_logits() -> None:
    members = [averages(4, seed=i) for i in range(3)]
    result = Ensemble(members)(photo())
    at_logits = [replace(m(photo()), stride=1, size=(11, 15)) for m in members]
    assert (result.stride, tuple(result.size)) == (4, (41, 58))
    shares = to_probabilities(replace(result, stride=1, size=(11, 15)))
    np.testing.assert_allclose(shares, mean([to_probabilities(p) for p in at_logits], [1, 1, 1]), atol=1e-5)


def test_ensemble__aligned_and_other_corners_do_not_mix_at_the_logits() -> None:
    members = [averages(4, seed=0), averages(4, seed=1, align_corners=True)]
    result = Ensemble(members)(photo())
    assert result.stride == 1
    shares = [to_probabilities(member(photo())) for member in members]
    np.testing.assert_allclose(to_probabilities(result), mean(shares, [1, 1]), atol=1e-5)


def test_ensemble__of_one_is_that_one() -> None:
    member = averages(4)
    np.testing.assert_allclose(
        to_probabilities(Ensemble([member])(photo())), to_probabilities(member(photo())), atol=1e-6
    )


def test_ensemble__method_says_it() -> None:
    first, second = averages(4), averages(8)
    assert Ensemble([first, second]).method == Method(members="mean of 2 models")
    words = "mean of 2 models, weights 0.25:0.75"
    assert Ensemble([first, second], [1, 3]).method.members == words
    mixed = Ensemble([TestTime(first, "hflip"), second]).method
    assert mixed.tta == "hflip,merge=mean (2 views) | none"
    nested = Ensemble([Ensemble([first, second], words="two"), first]).method.members
    assert nested == "mean of 2 models (two)"


@pytest.mark.parametrize(
    ("members", "weights", "sentence"),
    [
        ([], None, "An ensemble needs at least one model; none was given"),
        ([4, 5], None, "The models of an ensemble have 4, 5 classes; expected the same for all"),
        ([4, 4], [1], r"weights are \[1\] for 2 models; expected one number above 0 for each"),
        ([4, 4], [1, 0], r"weights are \[1, 0\] for 2 models"),
    ],
)
def test_ensemble__what_does_not_fit(members: list[int], weights: list[float] | None, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        Ensemble([averages(4, classes=classes) for classes in members], weights)


def predictor(*names: str, stride: int = 4) -> Predictor:
    labels = LabelMap.of({name: (20 * k, 0, 0) for k, name in enumerate(names)})
    card: Any = None
    return Predictor(Averages(stride, classes=len(names), seed=stride), labels, card)


def test_ensemble_predictor__answers_for_all_of_them() -> None:
    members = [predictor("sky", "road", "car"), predictor("sky", "road", "car", stride=2)]
    joined = ensemble_predictor(members, [1, 3])
    shares = [member.probabilities(photo()) for member in members]
    np.testing.assert_allclose(joined.probabilities(photo()), mean(shares, [1, 3]), atol=1e-5)
    assert joined.labels is members[0].labels
    assert joined.method.members == "mean of 2 models, weights 0.25:0.75"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("sky", "car", "road"), "class 1 of model 1 is 'road', of model 2 'car'. Leave that model out"),
        (("sky", "road"), r"model 1 has 3 classes \(sky, road, car\), model 2 has 2 \(sky, road\)"),
    ],
)
def test_ensemble_predictor__unlike_classes_are_refused_by_name(
    names: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        ensemble_predictor([predictor("sky", "road", "car"), predictor(*names)])


def test_ensemble_predictor__of_nothing() -> None:
    with pytest.raises(RequestError, match="An ensemble needs at least one model"):
        ensemble_predictor([])


def test_load_ensemble__of_model_folders(tmp_path: Path) -> None:
    labels = LabelMap.of({"sky": (70, 130, 180), "road": (128, 64, 128)})
    folders = []
    for width in (1, 2):
        model = build_model("unet", num_classes=2, num_blocks=width)
        folders.append(save_model(tmp_path / f"model{width}", model, labels=labels))

    def flipped(one: Predictor) -> Predictor:
        return Predictor(one.model, one.labels, one.card, inference=TestTime(one.inference, "hflip"))

    joined = load_ensemble(folders, "cpu", wrap=flipped)
    shares = [flipped(load(folder, "cpu")).probabilities(photo()) for folder in folders]
    np.testing.assert_allclose(joined.probabilities(photo()), mean(shares, [1, 1]), atol=1e-5)
    assert joined.method == Method(tta="hflip,merge=mean (2 views)", members="mean of 2 models")
