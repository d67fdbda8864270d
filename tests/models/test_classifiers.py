"""The layers that turn features into class scores, found in every architecture."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.classifiers import classifiers
from tests.models.contract import ModelContract, images

for file in sorted(Path(__file__).parent.glob("test_*.py")):
    if file != Path(__file__):
        import_module(f"tests.models.{file.stem}")


@pytest.mark.parametrize("contract", ModelContract.__subclasses__(), ids=lambda c: c.__name__)
def test_classifiers__without_their_weights_no_output_tells_classes_apart(
    contract: type[ModelContract],
) -> None:
    model = contract().build()
    found = classifiers(model)
    size = contract().size(64, 96)
    with torch.no_grad():
        before = model(images(2, 3, *size)).logits
        for layer in found:
            for parameter in layer.parameters():
                parameter.zero_()
        prediction = model(images(2, 3, *size))
    assert before.std(dim=1).max() > 0
    outputs = [prediction.logits, *(output.logits for output in prediction.auxiliary)]
    outputs += [query.class_logits.movedim(-1, 1) for query in prediction.queries]
    assert max(output.std(dim=1).max() for output in outputs) < 1e-6


@pytest.mark.parametrize("contract", ModelContract.__subclasses__(), ids=lambda c: c.__name__)
def test_classifiers__are_a_small_part_that_is_not_in_the_encoder(contract: type[ModelContract]) -> None:
    with torch.device("meta"):
        model = contract().build()
    found = classifiers(model)
    assert found
    last = {id(p) for layer in found for p in layer.parameters()}
    assert not last & {id(p) for p in getattr(model, "encoder", nn.Module()).parameters()}


def test_classifiers__are_not_taken_for_layers_that_happen_to_be_as_wide() -> None:
    with torch.device("meta"):
        model = build_model("fpn", num_classes=32, encoder="resnet10t", segmentation_channels=32)
    assert [id(layer) for layer in classifiers(model)] == [id(model.get_submodule("classify"))]


def test_classifiers__know_outputs_for_void() -> None:
    with torch.device("meta"):
        model = build_model("unet", num_classes=3, num_blocks=2, void_outputs=(0,))
    assert [id(layer) for layer in classifiers(model)] == [id(model.get_submodule("decoder.classify"))]


def test_classifiers__of_a_network_of_ones_own_cannot_be_told() -> None:
    with pytest.raises(RequestError, match=r"The last layers of a Conv2d cannot be told"):
        classifiers(nn.Conv2d(3, 2, 1))
