"""DDRNet and PIDNet in the layouts of their repositories: the same logits as the original code.

The references were made once with the repositories' own code, in eval mode, from weights that `drawn_state`
draws again from the names and shapes beside them, and the image below. Every fourth row and column of the
full-size logits was kept, and the whole output of each head for training. Repository and commit stand in each
.json file.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign import from_file
from terrazzo.models.foreign.layouts import LAYOUTS
from terrazzo.models.foreign.translation import assemble
from terrazzo.models.pixels import IMAGENET_MEAN, IMAGENET_STD
from tests.models.foreign.drawn import drawn_state

REFERENCES = Path(__file__).parent / "references"
VARIANTS = {
    "ddrnet_23_slim": "23-slim",
    "ddrnet_23": "23",
    "ddrnet_39": "39",
    "pidnet_s": "s",
    "pidnet_m": "m",
    "pidnet_l": "l",
}
SMALLEST = ["ddrnet_23_slim", "pidnet_s"]
HEADS = ("seghead_extra.", "seghead_p.", "seghead_d.")


def state_of(name: str) -> dict[str, Tensor]:
    reference = json.loads((REFERENCES / f"{name}.json").read_text())
    return drawn_state(reference["shapes"], reference["seed"])


def layout_of(name: str) -> str:
    return name.partition("_")[0]


def read(name: str, state: dict[str, Tensor]) -> SegmentationModel:
    return assemble(LAYOUTS[layout_of(name)].load()(state))


def image() -> Tensor:
    pixels = np.random.default_rng(7).integers(0, 256, (1, 3, 128, 192), dtype=np.uint8)
    return torch.from_numpy(pixels)


def relative_difference(found: Tensor, expected: np.ndarray[Any, Any]) -> float:
    reference = torch.from_numpy(expected)
    return ((found - reference).abs().amax() / reference.abs().amax()).item()


def with_heads(model: SegmentationModel) -> SegmentationModel:
    """Return the model as for training, but that batch norm and dropout stay as for prediction."""
    for module in model.modules():
        module.training = not isinstance(module, nn.BatchNorm2d)
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_layout__gives_the_logits_of_the_original_code(name: str) -> None:
    model = read(name, state_of(name))
    expected = np.load(REFERENCES / f"{name}.npz")
    assert {key: model.arguments[key] for key in ("variant", "auxiliary", "num_classes", "in_channels")} == {
        "variant": VARIANTS[name],
        "auxiliary": True,
        "num_classes": 5,
        "in_channels": 3,
    }
    two = image().expand(2, -1, -1, -1)
    with torch.no_grad():
        full = model(image()).full_size()
        trained = with_heads(model)(two)
    assert relative_difference(full[:, :, ::4, ::4], expected["logits"]) < 1e-4
    assert relative_difference(trained.auxiliary[0].logits[:1], expected["auxiliary"]) < 1e-4
    assert len(trained.boundaries) == ("boundary" in expected)
    for boundary in trained.boundaries:
        assert relative_difference(boundary.logits[:1], expected["boundary"]) < 1e-4


@pytest.mark.parametrize("name", SMALLEST)
def test_layout__heads_for_training_may_be_missing(name: str) -> None:
    state = {key: tensor for key, tensor in state_of(name).items() if not key.startswith(HEADS)}
    model = read(name, state)
    assert model.arguments["auxiliary"] is False
    with torch.no_grad():
        full = model(image()).full_size()
    expected = np.load(REFERENCES / f"{name}.npz")["logits"]
    assert relative_difference(full[:, :, ::4, ::4], expected) < 1e-4


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("ddrnet_23_slim", ["loss.criterion.weight"]),
        ("pidnet_s", ["sem_loss.criterion.weight", "bd_loss.criterion.weight"]),
    ],
)
def test_layout__reads_what_training_saves(name: str, losses: list[str], tmp_path: Path) -> None:
    state = state_of(name)
    saved = {f"model.{key}": tensor for key, tensor in state.items()} | {key: torch.ones(5) for key in losses}
    torch.save({"epoch": 3, "state_dict": saved}, tmp_path / "best.pt")
    model = from_file(tmp_path / "best.pt", layout=layout_of(name))
    expected = read(name, state).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", SMALLEST)
def test_layout__prepares_images_as_the_repository_does(name: str) -> None:
    model = read(name, state_of(name))
    assert tuple(model.normalize.mean.flatten().tolist()) == pytest.approx(IMAGENET_MEAN)
    assert tuple(model.normalize.std.flatten().tolist()) == pytest.approx(IMAGENET_STD)
    assert not model.normalize.bgr
    assert model.align_corners == (layout_of(name) == "pidnet")


@pytest.mark.parametrize("name", SMALLEST)
def test_layout__names_a_tensor_that_is_missing_and_one_too_many(name: str) -> None:
    state = state_of(name)
    del state["layer4.0.conv2.weight"]
    state["wings.weight"] = torch.zeros(2)
    missing = "last_stage.coarse.0.convs.1.0.weight"
    if layout_of(name) == "pidnet":
        missing = "levels.1.context.0.convs.1.0.weight"
    with pytest.raises(RequestError, match=rf"(?s)Missing: {missing}\..*Left over: wings.weight\."):
        read(name, state)


@pytest.mark.parametrize("layout", ["ddrnet", "pidnet"])
def test_layout__says_so_when_the_file_is_of_another_layout(layout: str) -> None:
    with pytest.raises(RequestError, match=r"This is no .* of .*: it has no conv1\.0\.weight\. Check"):
        LAYOUTS[layout].load()({"wings.weight": torch.zeros(2)})
