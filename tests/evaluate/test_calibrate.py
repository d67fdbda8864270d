"""Calibration from end to end: a model that is overconfident by a known factor, its folder, its predictor."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import terrazzo
from terrazzo.checkpoint import read_card, save_model, verify_folder
from terrazzo.checkpoint.save import make_card
from terrazzo.core import DataError, RequestError
from terrazzo.evaluate import calibrate, evaluate, store
from terrazzo.metrics import Calibration, Coverage
from terrazzo.models import build_model
from terrazzo.predict import Predictor, Tempered, TorchBackend, WholeImage
from tests.evaluate.made import SIZES, Made, NearestColor

PLANTED = 2.5
NOISE = 120.0


class Noisy(Made):
    """Class colours under strong noise: how likely each class is follows from the distances."""

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        random = np.random.default_rng(index)
        mask = random.integers(0, 3, SIZES[index % len(SIZES)]).astype(np.uint8)
        image = self.labels.palette[mask] + NOISE * random.standard_normal((*mask.shape, 3))
        mask[:3] = 255
        return image.astype(np.float32), mask, f"{self.ids[index]}.png"


class Overconfident(NearestColor):
    """The exact log-likelihoods of `Noisy`, times PLANTED."""

    def __init__(self) -> None:
        super().__init__()
        self.architecture, self.arguments = "nearest", {"num_classes": 3, "in_channels": 3}

    def logits(self, image_BCHW: Tensor) -> Tensor:
        return super().logits(image_BCHW) * (PLANTED / NOISE**2)


def overconfident() -> Predictor:
    model, labels = Overconfident().eval(), Made().labels
    return Predictor(model, labels, make_card(model, labels))


@pytest.fixture(scope="module")
def found() -> terrazzo.evaluate.TemperatureScaling:
    return calibrate(overconfident(), Noisy(8, groups=[f"g{i // 2}" for i in range(8)]))


def test_calibrate__recovers_the_planted_temperature(found: terrazzo.evaluate.TemperatureScaling) -> None:
    assert found.temperature == pytest.approx(PLANTED, rel=0.1)
    assert found.after["ece"] < 0.03 < found.before["ece"]
    assert found.after["nll"] < found.before["nll"]
    assert found.after["accuracy"] == found.before["accuracy"]
    assert found.gain.low > 0
    assert found.halves.by == "whole groups (4)"
    assert "overconfident" in found.verdict
    assert "lowers the calibration error of images it was not fitted on" in found.verdict


def test_calibrate__judges_on_images_it_was_not_fitted_on() -> None:
    class Lying(Noisy):
        """Half of the images have their classes exchanged: only what is fitted on them may be fooled."""

        def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
            image, mask, name = super().read(index)
            return image, np.where(mask == 255, 255, 2 - mask).astype(np.uint8) if index < 4 else mask, name

    groups = ["a"] * 4 + ["b"] * 4
    found = calibrate(overconfident(), Lying(8, groups=groups))
    assert found.halves.fitted == (0, 1, 2, 3)
    assert found.temperature > 5, "fooled by what it was fitted on"
    assert found.before["accuracy"] > 0.7, "judged on the honest half"


def test_calibrate__is_the_same_every_time_and_leaves_an_earlier_temperature_out() -> None:
    data, predictor = Noisy(4), overconfident()
    seen: list[tuple[int, int]] = []
    first = calibrate(predictor, data, pixels=1000, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert 996 <= first.pixels <= 1000
    card = predictor.card.model_copy(update={"calibration": first.to_card()})
    again = calibrate(Predictor(predictor.model, predictor.labels, card), data, pixels=1000)
    assert again.to_json() == first.to_json()
    assert calibrate(predictor, data, pixels=1000, seed=1).temperature != first.temperature


def test_calibrate__its_report_is_plain_and_names_what_must_be_known() -> None:
    found = calibrate(overconfident(), Noisy(4, split="train", groups=["one"] * 4))
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["halves"]["fitted_images"] == data["halves"]["judged_images"] == 2
    assert [len(data["bins"][when]) for when in ("before", "after")] == [15, 15]
    assert any("both halves show the same scene" in note for note in data["notes"])
    assert any("seen in training" in note for note in data["notes"])
    expected = evaluate(overconfident(), Noisy(4, split="train", groups=["one"] * 4)).protocol.fingerprint
    assert data["protocol"]["fingerprint"] == expected


def test_calibrate__refuses_other_labels_and_nothing_but_void() -> None:
    class Void(Noisy):
        def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
            image, mask, name = super().read(index)
            return image, np.full_like(mask, 255), name

    with pytest.raises(DataError, match="The 2 images to fit the temperature on are void throughout"):
        calibrate(overconfident(), Void(4))
    with pytest.raises(RequestError, match="class 2 is 'car', but the data's is 'bus'"):
        calibrate(overconfident(), Noisy(4, names=("sky", "road", "bus")))
    with pytest.raises(RequestError, match="at least two are needed"):
        calibrate(overconfident(), Noisy(1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    model = build_model("unet", num_classes=3, num_blocks=1)
    return save_model(tmp_path / "best", model, labels=Made().labels)


def test_store__the_folder_stays_whole_and_its_predictor_is_calibrated(
    folder: Path, found: terrazzo.evaluate.TemperatureScaling
) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    before = terrazzo.load(folder, device="cpu")
    card = store(folder, found)
    verify_folder(folder)
    assert (folder / "model.safetensors").read_bytes() == weights
    assert read_card(folder) == card
    assert card.calibration == found.to_card()
    assert card.model_copy(update={"calibration": None}) == before.card
    assert f"temperature **{found.temperature:.4g}**" in (folder / "README.md").read_text()
    assert "temperature" in card.facts()["Probabilities"]

    after = terrazzo.load(folder, device="cpu")
    image = Noisy()[0]["image"].clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(after.predict(image), before.predict(image))
    plain, tempered = before.infer(image).logits, after.infer(image).logits
    torch.testing.assert_close(tempered, plain / found.temperature)
    torch.testing.assert_close(after.answer(image).prediction.logits, tempered)
    assert after.probabilities(image).max() < before.probabilities(image).max()


def test_evaluate__meters_see_the_temperature_and_the_scores_do_not() -> None:
    plain, data = overconfident(), Noisy(6)
    card = plain.card.model_copy(update={"calibration": calibrate(plain, data).to_card()})
    tempered = Predictor(plain.model, plain.labels, card)
    results = [
        evaluate(predictor, data, meters={"calibration": Calibration(3), "coverage": Coverage(3)})
        for predictor in (plain, tempered)
    ]
    before, after = results
    assert np.array_equal(before.counts.per_image, after.counts.per_image)
    assert before.protocol == after.protocol
    assert after.details["calibration"]["ece"] < 0.3 * before.details["calibration"]["ece"]
    assert after.details["coverage"]["auroc"] == pytest.approx(before.details["coverage"]["auroc"], abs=0.02)


def test_predictor__a_temperature_holds_for_what_it_was_fitted_with_alone() -> None:
    class Flipped(WholeImage):
        method = WholeImage.method.__class__(tta="hflip")

    plain = overconfident()
    card = plain.card.model_copy(update={"calibration": calibrate(plain, Noisy(4)).to_card()})
    backend = TorchBackend(plain.model)
    assert isinstance(Predictor(plain.model, plain.labels, card).inference, Tempered)
    assert isinstance(
        Predictor(plain.model, plain.labels, card, inference=Flipped(backend)).inference, Flipped
    )
    given = Tempered(WholeImage(backend), 3.0)
    assert Predictor(plain.model, plain.labels, card, inference=given).inference is given


def test_store__refuses_a_temperature_that_the_data_did_not_tell(folder: Path) -> None:
    class Easy(Noisy):
        def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
            _, mask, name = super().read(index)
            return self.labels.palette[np.where(mask == 255, 0, mask)], mask, name

    found = calibrate(overconfident(), Easy(2))
    before = (folder / "model.json").read_bytes()
    with pytest.raises(
        RequestError, match=r"at the end of the range .* \(0\.05\).* Nothing was written; fit"
    ):
        store(folder, found)
    assert (folder / "model.json").read_bytes() == before
