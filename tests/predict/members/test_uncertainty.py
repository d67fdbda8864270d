"""Maps of uncertainty and of confidence, against plain numpy at full size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core.errors import RequestError, TerrazzoError
from terrazzo.core.images import read_image
from terrazzo.core.prediction import Prediction
from terrazzo.predict import rows as full_rows
from terrazzo.predict import to_probabilities
from terrazzo.predict.confidence import DEFINITIONS, confidence_map, write_confidence
from terrazzo.predict.members.ensemble import Ensemble
from terrazzo.predict.members.uncertainty import entropy_map, uncertainty
from terrazzo.predict.rows import FullRows, blocks
from terrazzo.predict.views.tta import TestTime
from tests.predict.networks import averages


def photo(height: int = 41, width: int = 58) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def entropy(shares_KHW: NDArray[Any]) -> NDArray[np.float64]:
    wide = shares_KHW.astype(np.float64)
    return np.asarray(-(wide * np.log(np.maximum(wide, 1e-300))).sum(axis=0))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks even of a small image."""
    monkeypatch.setattr(full_rows, "CPU_BLOCK", 4 * 58 * 7)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_full_rows__are_the_one_definition_of_full_size(stride: int, align_corners: bool) -> None:
    prediction = averages(stride, align_corners=align_corners)(photo())
    rows = FullRows(prediction)
    parts = [rows.block(*block) for block in blocks((4, 41, 58), torch.device("cpu"))]
    assert len(parts) == 6
    torch.testing.assert_close(torch.cat(parts, dim=1), prediction.full_size()[0], rtol=1e-4, atol=1e-5)


def test_full_rows__of_volumes() -> None:
    logits = torch.randn(1, 3, 4, 5, 6)
    prediction = Prediction(logits, 2, (7, 10, 11))
    got = FullRows(prediction).block(0, 7)
    torch.testing.assert_close(got, prediction.full_size()[0], rtol=1e-4, atol=1e-5)


def test_uncertainty__of_members_is_entropy_and_mutual_information() -> None:
    members = [averages(stride, symmetric=False, seed=stride) for stride in (1, 4, 4)]
    weights = np.array([0.5, 0.25, 0.25])
    maps = uncertainty(Ensemble(members, list(weights)), photo())
    shares = np.stack([to_probabilities(member(photo())) for member in members])
    total = entropy(np.tensordot(weights, shares, axes=1))
    expected = np.tensordot(weights, [entropy(each) for each in shares], axes=1)
    np.testing.assert_allclose(maps["entropy"], total, atol=2e-5)
    np.testing.assert_allclose(maps["expected_entropy"], expected, atol=2e-5)
    np.testing.assert_allclose(maps["mutual_information"], total - expected, atol=4e-5)
    assert maps["mutual_information"].max() > 0.1
    assert all(part.shape == (41, 58) and part.dtype == np.float32 for part in maps.values())


def test_uncertainty__members_that_agree_know_the_model() -> None:
    maps = uncertainty(Ensemble([averages(4), averages(4)]), photo())
    np.testing.assert_allclose(maps["mutual_information"], 0, atol=1e-5)
    assert maps["mutual_information"].min() >= 0


def test_uncertainty__without_members_there_is_the_entropy() -> None:
    inner = averages(4)
    assert list(uncertainty(inner, photo())) == ["entropy"]
    maps = uncertainty(TestTime(inner, "hflip"), photo())
    np.testing.assert_allclose(maps["entropy"], entropy(to_probabilities(inner(photo()))), atol=2e-5)


def test_entropy_map__classes_that_cannot_be_add_nothing() -> None:
    logits = torch.full((1, 3, 2, 2), -torch.inf)
    logits[:, :2] = 0
    np.testing.assert_allclose(entropy_map(Prediction(logits, 1, (2, 2))), np.log(2), rtol=1e-6)


def test_confidence_map__is_the_largest_probability() -> None:
    prediction = averages(4, symmetric=False)(photo())
    confidence = confidence_map(prediction)
    expected = 255 * to_probabilities(prediction).max(axis=0)
    assert confidence.dtype == np.uint8
    assert confidence.shape == (41, 58)
    assert np.abs(confidence - expected).max() <= 0.51


def test_confidence_map__or_one_minus_the_entropy() -> None:
    prediction = averages(4, symmetric=False)(photo())
    expected = 255 * (1 - entropy(to_probabilities(prediction)) / np.log(4))
    confidence = confidence_map(prediction, "entropy")
    assert confidence.dtype == np.uint8
    assert np.abs(confidence - expected).max() <= 0.51
    assert np.ptp(confidence) > 50


def test_confidence_map__the_two_ends() -> None:
    logits = torch.tensor([[[[0.0, 90.0]], [[0.0, 0.0]]]])
    assert confidence_map(Prediction(logits, 1, (1, 2)), "entropy").tolist() == [[0, 255]]
    assert confidence_map(Prediction(logits, 1, (1, 2)), "max").tolist() == [[128, 255]]
    one_class = Prediction(torch.zeros(1, 1, 2, 2), 1, (2, 2))
    assert confidence_map(one_class, "entropy").min() == 255


def test_confidence_map__unknown_kind() -> None:
    wrong: Any = "entropie"
    with pytest.raises(RequestError, match="Unknown kind of confidence 'entropie': did you mean 'entropy'"):
        confidence_map(averages(4)(photo()), wrong)


@pytest.mark.parametrize("kind", ["max", "entropy"])
def test_write_confidence__says_what_its_values_mean(tmp_path: Path, kind: Any) -> None:
    confidence = confidence_map(averages(4)(photo()), kind)
    write_confidence(tmp_path / "a.png", confidence, kind)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert image.info["Description"] == DEFINITIONS[kind]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], confidence)


def test_write_confidence__a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TerrazzoError, match=r"a\.png cannot be written: .*Check that the folder exists"):
        write_confidence(tmp_path / "none" / "a.png", np.zeros((2, 2), np.uint8))
