"""The Predictor as a person meets it: load a folder, give it a file or an array."""

from pathlib import Path

import numpy as np
import pytest
import torch

import terrazzo
from terrazzo.checkpoint import save_model
from terrazzo.core.errors import CheckpointError, DataError, RequestError
from terrazzo.core.images import write_png
from terrazzo.core.labels import LabelMap
from terrazzo.figures import overlay
from terrazzo.models import build_model
from terrazzo.predict.segment import probabilities, segment

LABELS = LabelMap.of({"sky": (70, 130, 180), "road": (128, 64, 128), "car": (0, 0, 142)})
IMAGE = np.random.default_rng(0).integers(0, 256, (37, 52, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    model = build_model("unet", num_classes=3, num_blocks=1)
    return save_model(tmp_path_factory.mktemp("run") / "best", model, labels=LABELS)


@pytest.fixture(scope="module")
def predictor(folder: Path) -> terrazzo.Predictor:
    return terrazzo.load(folder, device="cpu")


def test_load__a_saved_model_predicts_what_the_model_did(folder: Path) -> None:
    torch.manual_seed(1)
    model = build_model("unet", num_classes=3, num_blocks=1)
    predictor = terrazzo.load(str(folder))
    np.testing.assert_array_equal(predictor.predict(IMAGE), segment(model.to(predictor.device), IMAGE))
    assert predictor.labels == LABELS
    assert predictor.card.architecture == "unet"
    assert repr(predictor).startswith("Predictor('unet', 3 classes, on c")


def test_predict__a_file_and_its_pixels_agree(predictor: terrazzo.Predictor, tmp_path: Path) -> None:
    write_png(tmp_path / "street.png", IMAGE)
    expected = predictor.predict(IMAGE)
    assert expected.shape == (37, 52)
    assert expected.dtype == np.uint8
    np.testing.assert_array_equal(predictor.predict(tmp_path / "street.png"), expected)
    np.testing.assert_array_equal(predictor.predict(str(tmp_path / "street.png")), expected)


def test_probabilities__through_the_same_path(predictor: terrazzo.Predictor) -> None:
    np.testing.assert_array_equal(predictor.probabilities(IMAGE), probabilities(predictor.model, IMAGE))


def test_overlay__the_labels_over_the_image(predictor: terrazzo.Predictor) -> None:
    painted = predictor.overlay(IMAGE, alpha=0.25)
    np.testing.assert_array_equal(painted, overlay(IMAGE, predictor.predict(IMAGE), LABELS, 0.25))


def test_predict__a_file_that_does_not_fit_is_named(predictor: terrazzo.Predictor, tmp_path: Path) -> None:
    write_png(tmp_path / "grey.png", IMAGE[:, :, 0])
    with pytest.raises(DataError, match=r"grey\.png: The image has 1 channel, but the model takes 3"):
        predictor.predict(tmp_path / "grey.png")
    with pytest.raises(DataError, match=r"none\.png"):
        predictor.predict(tmp_path / "none.png")


def test_load__no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no folder"):
        terrazzo.load(tmp_path / "best")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_load__no_such_device(folder: Path, name: str) -> None:
    with pytest.raises(RequestError, match=f"There is no device '{name}' here; expected one of: auto, cpu"):
        terrazzo.load(folder, device=name)
