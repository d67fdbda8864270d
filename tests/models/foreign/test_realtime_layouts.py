"""Weights in the layouts of original repositories give the numbers that the original code gives."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign import from_file
from tests.models.foreign.reference import STEP, drawn_image, read_reference

REFERENCES = ["bisenetv2", "bisenetv2-with-boosters", "fastscnn", "fastscnn-with-auxiliary"]


@pytest.mark.parametrize("name", REFERENCES)
def test_layout__gives_the_numbers_of_the_original_code(name: str, tmp_path: Path) -> None:
    state, size, expected = read_reference(name)
    save_file(state, tmp_path / "weights.safetensors")
    model = from_file(
        tmp_path / "weights.safetensors", layout=name.partition("-")[0], mean=(0, 0, 0), std=(1, 1, 1)
    )
    assert (len(model.state_dict()) - 2) == len(state)  # every tensor, beside our mean and std
    with torch.no_grad():
        ours = model(drawn_image(size)).full_size()[..., ::STEP, ::STEP]
    assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


def test_layout__keeps_the_heads_that_are_there_and_names_what_does_not_fit(tmp_path: Path) -> None:
    state, _, _ = read_reference("fastscnn-with-auxiliary")
    file = tmp_path / "weights.safetensors"
    save_file(state, file)
    assert from_file(file, layout="fastscnn").arguments["auxiliary"] == "first"
    state.pop("classifier.dsconv1.conv.0.weight")
    state["classifier.extra.weight"] = torch.zeros(1)
    save_file(state, file)
    with pytest.raises(RequestError, match=r"Missing: head\.0\.0\.0\.weight\.\nLeft over: classifier\.extra"):
        from_file(file, layout="fastscnn")


def test_layout__brings_the_statistics_of_its_repository(tmp_path: Path) -> None:
    state, _, _ = read_reference("bisenetv2")
    save_file(state, tmp_path / "weights.safetensors")
    model = from_file(tmp_path / "weights.safetensors", layout="bisenetv2")
    assert model.normalize.mean.flatten().tolist() == pytest.approx([83.0535, 94.095, 82.1865])
