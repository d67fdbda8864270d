"""Another card in a model folder: all else stays, damage is found, a person's README is kept."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from terrazzo.checkpoint import Card, CardCalibration, read_card, replace_card, save_model, verify_folder
from terrazzo.checkpoint.verify import read_manifest
from terrazzo.core.errors import CheckpointError
from tests.checkpoint.tiny import LABELS, TinyNet

FOUND: dict[str, Any] = {
    "temperature": 1.5,
    "tta": "none",
    "members": "one model",
    "fitted_on": "half",
    "judged_on": "the other half",
    "protocol": "0123456789ab",
    "before": {"ece": 0.05, "nll": None},
    "after": {"ece": 0.01, "nll": None},
}


def calibrated(card: Card) -> Card:
    return card.model_copy(update={"calibration": CardCalibration(**FOUND)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_model(tmp_path / "best", TinyNet(), labels=LABELS)


def test_replace_card__changes_the_card_and_its_readme_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terrazzo.checkpoint.write.current_environment", lambda: pytest.fail("not this one"))
    weights, manifest = (folder / "model.safetensors").read_bytes(), read_manifest(folder)
    card = replace_card(folder, calibrated)
    after = verify_folder(folder)
    assert read_card(folder) == card
    assert (folder / "model.safetensors").read_bytes() == weights
    assert after.environment == manifest.environment
    assert after.files["model.safetensors"] == manifest.files["model.safetensors"]
    readme = (folder / "README.md").read_text()
    assert "## Calibration" in readme
    assert "| ece | 0.0500 | 0.0100 |\n| nll | - | - |" in readme
    assert list(folder.parent.iterdir()) == [folder], "nothing is left beside it"


def test_replace_card__keeps_a_readme_that_a_person_has_edited(folder: Path) -> None:
    (folder / "README.md").write_text("my notes")
    replace_card(folder, calibrated)
    assert (folder / "README.md").read_text() == "my notes"
    verify_folder(folder)
    assert read_card(folder).calibration is not None


def test_replace_card__never_seals_damage(folder: Path) -> None:
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        replace_card(folder, calibrated)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_card__refuses_a_temperature_that_is_none() -> None:
    for temperature in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            CardCalibration(**{**FOUND, "temperature": temperature})


def test_card__without_the_field_can_still_be_read(folder: Path) -> None:
    content = (folder / "model.json").read_bytes()
    older = content.replace(b'  "calibration": null,\n', b"")
    assert older != content
    assert Card.from_bytes(older, source="model.json").calibration is None
