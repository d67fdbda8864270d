"""ENet, ERFNet, ESPNet and CGNet in the layouts of their repositories: the same logits as the original code.

The references were made once with the repositories' own code, in eval mode, from weights that `drawn_state`
draws again from the names and shapes beside them, and the image below, prepared as the repository does. Every
fourth row and column of the full-size logits was kept. Repository and commit stand in each .json file.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign import from_file
from terrazzo.models.foreign.layouts import LAYOUTS
from terrazzo.models.foreign.translation import assemble
from tests.models.foreign.drawn import drawn_state

REFERENCES = Path(__file__).parent / "references"


@dataclass(frozen=True)
class Case:
    """One reference."""

    layout: str
    name: str
    """Of the files."""

    outputs: int
    arguments: dict[str, Any] = field(default_factory=dict)
    """That the translation should find."""


CASES = [
    Case("cgnet", "cgnet_camvid", 11, {"m": 2, "n": 4, "dropout": 0.0}),
    Case("cgnet", "cgnet_cityscapes", 19, {"m": 2, "n": 3, "dropout": 0.1}),
    Case("enet", "enet_2018", 12, {"window": 3}),
    Case("enet", "enet_2020", 12, {"window": 2}),
    Case("enet", "enet_2021", 12, {"window": 2}),
    Case("erfnet", "erfnet", 20),
    Case("espnet", "espnet_image", 12, {"p": 2, "q": 8, "decoder": "image"}),
    Case("espnet", "espnet_none", 20, {"p": 1, "q": 2, "decoder": "none"}),
    Case("espnet", "espnet_stem", 20, {"p": 2, "q": 3, "decoder": "stem"}),
]
parametrized = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def state_of(name: str) -> dict[str, Tensor]:
    return drawn_state(json.loads((REFERENCES / f"{name}.json").read_text())["shapes"])


def read(layout: str, state: dict[str, Tensor]) -> SegmentationModel:
    return assemble(LAYOUTS[layout].load()(state))


def image() -> Tensor:
    pixels = np.random.default_rng(7).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    return torch.from_numpy(pixels)


@parametrized
def test_layout__gives_the_logits_of_the_original_code(case: Case) -> None:
    model = read(case.layout, state_of(case.name))
    assert model.num_classes == case.outputs
    assert {key: model.arguments[key] for key in case.arguments} == case.arguments
    expected = torch.from_numpy(np.load(REFERENCES / f"{case.name}.npz")["logits"])
    with torch.no_grad():
        prediction = model(image())
    found = prediction.logits if case.arguments.get("decoder") == "none" else prediction.full_size()
    difference = (found[:, :, ::4, ::4] - expected).abs().amax()
    assert difference < 1e-4 * expected.abs().amax()


RED, GREEN, BLUE = 10.0, 100.0, 200.0
PREPARED = {
    "cgnet_camvid": (RED - 105.66, GREEN - 103.33, BLUE - 99.63),
    "cgnet_cityscapes": (RED - 72.3924, GREEN - 82.9089, BLUE - 73.1584),
    "enet_2021": (RED / 255, GREEN / 255, BLUE / 255),
    "erfnet": (RED / 255, GREEN / 255, BLUE / 255),
    "espnet_image": (
        (BLUE - 110.33) / 72.13 / 255,
        (GREEN - 108.41) / 72.69 / 255,
        (RED - 105.03) / 69.90 / 255,
    ),
    "espnet_none": (
        (BLUE - 72.3923111) / 45.3192215 / 255,
        (GREEN - 82.90893555) / 46.15289307 / 255,
        (RED - 73.15840149) / 44.91483307 / 255,
    ),
}


@pytest.mark.parametrize("name", PREPARED)
def test_layout__prepares_images_as_the_repository_does(name: str) -> None:
    model = read(name.split("_", maxsplit=1)[0], state_of(name))
    pixel = torch.tensor([RED, GREEN, BLUE]).view(1, 3, 1, 1)
    torch.testing.assert_close(model.normalize(pixel).flatten(), torch.tensor(PREPARED[name]))


@parametrized
def test_layout__names_a_tensor_that_is_missing_and_one_too_many(case: Case) -> None:
    state = state_of(case.name)
    convolutions = [name for name, tensor in state.items() if tensor.ndim == 4]
    del state[convolutions[1]]
    state["wings.weight"] = torch.zeros(2)
    with pytest.raises(
        RequestError, match=r"(?s)do not fit our .*Missing: .*weight.*Left over: wings.weight"
    ):
        read(case.layout, state)


@pytest.mark.parametrize("layout", ["cgnet", "enet", "erfnet", "espnet"])
def test_layout__says_so_when_the_file_is_of_another_layout(layout: str) -> None:
    with pytest.raises(RequestError, match=r"The weights have no '.*', which every .* has\. .*Check the lay"):
        LAYOUTS[layout].load()({"encoder.bottom.weight": torch.zeros(2)})


def test_layout__surplus_outputs_are_void(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": state_of("enet_2021")}, tmp_path / "enet.pth")
    whole = from_file(tmp_path / "enet.pth", layout="enet")
    model = from_file(tmp_path / "enet.pth", layout="enet", num_classes=11)
    assert (model.num_classes, model.arguments["void_outputs"]) == (11, [11])
    with torch.no_grad():
        assert torch.equal(model(image()).logits, whole(image()).logits[:, :11])


def test_layout__wrappers_and_prefixes_are_taken_off(tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in state_of("cgnet_camvid").items()}
    torch.save({"epoch": 3, "model": state}, tmp_path / "cgnet.pth")
    model = from_file(tmp_path / "cgnet.pth", layout="cgnet")
    assert (model.architecture, model.num_classes) == ("cgnet", 11)


def test_enet_layout__relus_are_slopes_of_0_only_where_a_whole_part_has_none() -> None:
    state = state_of("enet_2021")
    model = read("enet", state)
    slopes = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("up_4")}
    assert not slopes["up_4.extension.0.2.weight"].any()
    assert slopes["up_4.extension.2.2.weight"].eq(1).all()  # no activation
    del state["regular1_1.out_activation.weight"]
    with pytest.raises(RequestError, match=r"Missing: stage_1\.0\.activation\.weight\."):
        read("enet", state)
