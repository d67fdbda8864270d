"""`terrazzo import`: a foreign file becomes a model folder that says how it wants its images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from terrazzo import load
from terrazzo.cli.main import app
from terrazzo.core.errors import RequestError
from terrazzo.core.images import write_png
from tests.models.foreign.reference import read_reference


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    state, _, _ = read_reference("fastscnn")  # four outputs
    save_file(state, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    file = tmp_path / "classes.json"
    file.write_text(json.dumps({"classes": ["road", "tree", "sky"]}))
    return file


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["import", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_import__makes_a_folder_that_predicts(weights: Path, classes: Path, tmp_path: Path) -> None:
    out, facts = tmp_path / "model", tmp_path / "facts.json"
    output = invoke(weights, "--layout", "fastscnn", "--classes", classes, "--out", out, "--json", facts)
    assert "Outputs left out as void: 3" in output
    predictor = load(out)
    write_png(tmp_path / "photo.png", np.zeros((40, 52, 3), dtype=np.uint8))
    ids = predictor.predict(tmp_path / "photo.png")
    assert ids.shape == (40, 52)
    assert ids.max() <= 2
    assert predictor.labels.names == ("road", "tree", "sky")
    assert json.loads(facts.read_text())["arguments"]["void_outputs"] == [3]


def test_import__keeps_the_input_convention_in_the_card(weights: Path, classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    arguments = ("--mean", "1,2,3", "--std", "4,5,6", "--bgr", "--void-outputs", "0")
    invoke(weights, "--layout", "fastscnn", "--classes", classes, "--out", out, *arguments)
    card = json.loads((out / "model.json").read_text())
    assert card["mean"] == [1, 2, 3]
    assert card["std"] == [4, 5, 6]
    assert card["arguments"]["bgr"] is True
    assert card["arguments"]["void_outputs"] == [0]
    assert card["training"]["imported from"] == "net.safetensors"
    assert card["training"]["licence"] == "Apache-2.0"
    readme = (out / "README.md").read_text()
    assert "minus (1, 2, 3), over (4, 5, 6), in pixel units, then blue first" in readme
    image = torch.full((1, 3, 33, 33), 7.0)
    assert load(out).model.normalize(image)[0, :, 0, 0].tolist() == pytest.approx([4 / 6, 5 / 5, 6 / 4])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--layout", "fastscn"], r"Unknown layout 'fastscn': did you mean 'fastscnn'\?"),
        (["--layout", "fastscnn"], "What do the outputs mean"),
        ([], "is a file: whose names do its tensors have"),
        (["--layout", "fastscnn", "--classes", "camvid"], "have 4 outputs, and 11 classes were asked for"),
        (["--layout", "fastscnn", "--classes", "folder"], "labels of a 'folder' dataset are its own"),
        (["--layout", "fastscnn", "--mean", "a,b"], "--mean is 'a,b'; expected numbers with commas"),
        (["--bgr"], "--bgr/--rgb is for files with --layout"),
    ],
)
def test_import__says_what_is_missing(
    weights: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        invoke(weights, "--out", tmp_path / "model", *arguments)
    assert not (tmp_path / "model").exists()
