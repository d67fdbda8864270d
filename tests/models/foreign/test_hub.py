"""Models by name and from folders of other libraries."""

import json
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from huggingface_hub.errors import EntryNotFoundError

from terrazzo.core.errors import MissingExtraError, RequestError
from terrazzo.models.foreign import from_hub, hub


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    peer = smp.FPN("resnet18", encoder_weights=None, classes=3)
    peer.save_pretrained(str(tmp_path / "peer"))
    return tmp_path / "peer"


def test_from_hub__reads_a_folder_of_segmentation_models_pytorch(saved: Path) -> None:
    peer = smp.from_pretrained(str(saved)).eval()
    found = from_hub(saved, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    image = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = peer(found.model.normalize(image))
        torch.testing.assert_close(found.model(image).full_size(), expected, atol=1e-4, rtol=1e-4)
    assert found.class_names is None
    assert found.model.arguments["mean"] == [1.0, 2.0, 3.0]


def test_from_hub__takes_statistics_from_an_image_processor(saved: Path) -> None:
    processor = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1], "rescale_factor": 1 / 255}
    (saved / "preprocessor_config.json").write_text(json.dumps(processor))
    model = from_hub(saved).model
    assert model.normalize.mean.flatten().tolist() == pytest.approx([127.5, 102.0, 76.5])
    assert model.normalize.std.flatten().tolist() == pytest.approx([51.0, 51.0, 25.5])


def test_from_hub__says_what_to_do_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: Any, **_kwargs: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    with pytest.raises(RequestError, match=r"lab/net is not on this machine, and the hub cannot give it"):
        from_hub("lab/net")
    with pytest.raises(RequestError, match=r"save it where there is one with save_pretrained\(FOLDER\)"):
        from_hub("lab/net")


def test_from_hub__tells_a_missing_file_from_a_missing_network(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remote(name: str, file: str) -> str:
        return str(saved / file)

    def metadata(url: str, **_kwargs: Any) -> None:
        if url.endswith("preprocessor_config.json"):
            raise EntryNotFoundError("no such file")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", metadata)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", remote)
    monkeypatch.setattr(hub, "_load", lambda _library, _kind, _name: smp.from_pretrained(str(saved)))
    assert from_hub("lab/net").model.num_classes == 3


def test_from_hub__refuses_what_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is neither a file, a folder, nor a model's name on the hub"):
        from_hub("no such/thing/at all.pth")
    with pytest.raises(RequestError, match=r"has no config\.json"):
        from_hub(tmp_path)


def test_from_hub__refuses_other_kinds_and_missing_libraries(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = saved / "config.json"
    config.write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(RequestError, match=r"No translation for a transformers\.BertForMaskedLM"):
        from_hub(saved)
    config.write_text("{}")
    with pytest.raises(RequestError, match="names no class"):
        from_hub(saved)
    config.write_text(json.dumps({"_model_class": "FPN"}))
    monkeypatch.setattr(hub, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match="pip install segmentation-models-pytorch"):
        from_hub(saved)
