"""Save and load a model: the same network back, the same bytes for the same weights, clear errors."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from terrazzo.checkpoint import load_model, read_card, save_model, verify_folder, write_folder
from terrazzo.core.errors import CheckpointError
from tests.checkpoint.tiny import LABELS, TinyNet, build_tiny


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terrazzo.models.build_model", build_tiny)


@pytest.fixture
def model() -> TinyNet:
    torch.manual_seed(0)
    return TinyNet(width=5)


@pytest.fixture
def folder(tmp_path: Path, model: TinyNet) -> Path:
    return save_model(tmp_path / "run" / "best", model, labels=LABELS)


def rewrite(folder: Path, **card: Any) -> None:
    """Write the folder again with another card, manifest and all."""
    data = json.loads((folder / "model.json").read_bytes()) | card
    weights = (folder / "model.safetensors").read_bytes()
    write_folder(folder, {"model.json": json.dumps(data).encode(), "model.safetensors": weights})


def test_save_model__files(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "manifest.json",
        "model.json",
        "model.safetensors",
    }
    verify_folder(folder)


def test_load_model__the_same_network(folder: Path, model: TinyNet) -> None:
    loaded: nn.Module
    loaded, card = load_model(folder)
    image = torch.randint(0, 256, (1, 3, 41, 50), dtype=torch.uint8)
    assert torch.equal(loaded(image).logits, model.eval()(image).logits)
    assert not any(module.training for module in loaded.modules())
    assert card == read_card(folder)
    assert card.label_map == LABELS


def test_save_model__same_weights_same_bytes(tmp_path: Path, model: TinyNet) -> None:
    def digest(name: str, model: nn.Module) -> str:
        content = (save_model(tmp_path / name, model, labels=LABELS) / "model.safetensors").read_bytes()
        return hashlib.sha256(content).hexdigest()

    first = digest("a", model)
    assert digest("b", model) == first
    other = TinyNet(width=5).to(memory_format=torch.channels_last)
    other.load_state_dict(model.state_dict())
    assert other.classify.weight.is_contiguous(memory_format=torch.channels_last)
    assert digest("c", other) == first
    with torch.no_grad():
        other.classify.weight[0] += 1e-6
    assert digest("d", other) != first


def test_save_model__compiled_parts_leave_no_mark(tmp_path: Path, model: TinyNet) -> None:
    class Compiled(nn.Module):
        """What `torch.compile` makes of a module, without the seconds that it takes to import."""

        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self._orig_mod = module

    names = set(model.state_dict())
    setattr(model, "encoder", Compiled(model.encoder))  # noqa: B010 - of another type than declared
    assert set(model.state_dict()) != names
    folder = save_model(tmp_path / "best", model, labels=LABELS)
    assert set(safetensors.torch.load_file(folder / "model.safetensors")) == names


def test_save_model__does_not_touch_the_model(tmp_path: Path, model: TinyNet) -> None:
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_model(tmp_path / "best", model, labels=LABELS)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "manifest.json"])
def test_load_model__truncated(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=rf"{name} is (truncated|damaged)"):
        load_model(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "manifest.json"])
def test_load_model__one_flipped_bit(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-40] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{name} is damaged"):
        load_model(folder)


def test_load_model__missing_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_model(folder)


def test_load_model__a_readme_edited_by_a_person_is_fine(folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    load_model(folder)


def test_load_model__the_folder_of_a_run(folder: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"run is the folder of a run, not of a model .* Did you mean .*run/best"
    ):
        load_model(folder.parent)


def test_load_model__another_librarys_folder(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"is not a Terrazzo folder: it has no manifest\.json .*model\.safetens"
    ):
        load_model(tmp_path)


def test_load_model__folder_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no folder"):
        load_model(tmp_path / "best")


def test_load_model__found_where_a_crash_left_it(folder: Path) -> None:
    folder.rename(folder.parent / ".best.old-1a2b3c4d")
    assert load_model(folder)[1].architecture == "tiny"


def test_load_model__weights_of_another_network(folder: Path) -> None:
    rewrite(folder, arguments={"width": 6})
    with pytest.raises(
        CheckpointError, match=r"do not fit .*7 tensors differ, first 'classify\.weight' \(3 x 5 x 3 x 3"
    ):
        load_model(folder)


def test_load_model__arguments_nobody_knows(folder: Path) -> None:
    rewrite(folder, arguments={"depth": 6})
    with pytest.raises(CheckpointError, match=r"cannot be rebuilt: .*depth.* It was written by Terrazzo \d"):
        load_model(folder)


def test_load_model__not_safetensors(folder: Path) -> None:
    files = {"model.json": (folder / "model.json").read_bytes(), "model.safetensors": b"PK\x03\x04 pickled"}
    write_folder(folder, files)
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_model(folder)
