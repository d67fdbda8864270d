"""ESPNet: published sizes, both decoders and none, and the pyramid of dilations."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.espnet import ESP, ESPNet
from tests.models.contract import ModelContract, Published


class TestESPNet(ModelContract):
    name = "espnet"
    options: ClassVar[dict[str, Any]] = {"q": 3}
    stride = 1
    parameters = 185_709
    published = Published(
        arguments={"num_classes": 20},
        ours=364_569,
        millions=0.364,
        source="the paper's ESPNet on Cityscapes, 19 classes and void",
    )


class TestESPNetImage(ModelContract):
    name = "espnet"
    options: ClassVar[dict[str, Any]] = {"p": 1, "q": 1, "decoder": "image"}
    num_classes = 7
    stride = 1
    parameters = 114_900


class TestESPNetC(ModelContract):
    name = "espnet"
    options: ClassVar[dict[str, Any]] = {"q": 1, "decoder": "none"}
    stride = 8
    parameters = 118_665
    published = Published(
        arguments={"num_classes": 20, "decoder": "none"},
        ours=349_449,
        millions=None,
        source="ESPNet_Encoder of the authors' code counts as many",
    )


def test_esp__adds_dilations_up_from_the_second_on() -> None:
    block = ESP(6, 12, residual=False)
    convs = [conv for conv in block.pyramid if isinstance(conv, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [4, 2, 2, 2, 2]
    assert [conv.dilation[0] for conv in convs] == [1, 2, 4, 8, 16]
    features = torch.randn(2, 6, 20, 20)
    first, second, third, fourth, fifth = [conv(block.reduce(features)) for conv in convs]
    sums = [first, second, second + third, second + third + fourth, second + third + fourth + fifth]
    torch.testing.assert_close(block(features), block.after(torch.cat(sums, dim=1)), atol=1e-4, rtol=1e-4)


def test_esp__halves_the_size_or_adds_its_input() -> None:
    assert ESP(6, 10, stride=2)(torch.randn(1, 6, 8, 12)).shape == (1, 10, 4, 6)
    block = ESP(10, 10, residual=True)
    with torch.no_grad():
        for parameter in block.pyramid.parameters():
            parameter.zero_()
    features = torch.randn(1, 10, 8, 12)
    torch.testing.assert_close(block(features), block.after(features))


@pytest.mark.parametrize(("decoder", "place", "width"), [("stem", 0, 16), ("image", 1, 19)])
def test_espnet__decoders_differ_in_what_they_join_at_stride_2(decoder: str, place: int, width: int) -> None:
    model = build_model("espnet", num_classes=7, p=1, q=1, decoder=decoder).eval()
    assert isinstance(model, ESPNet)
    assert model.decoder is not None
    given: list[tuple[torch.Tensor, ...]] = []
    model.decoder.register_forward_hook(lambda _module, features, _out: given.append(features))
    image = torch.randn(1, 3, 64, 64) * 50
    model(image)
    *fine, middle, coarse = model.encoder(model.normalize(image))
    assert fine[place].shape[1] == width
    for found, expected in zip(given[0], (coarse, middle, fine[place]), strict=True):
        torch.testing.assert_close(found, expected)


def test_espnet__sees_the_image_again_at_strides_2_and_4() -> None:
    model = build_model("espnet", num_classes=7, p=1, q=1).eval()
    assert isinstance(model, ESPNet)
    seen: list[torch.Tensor] = []
    for join in (model.encoder.join_1, model.encoder.join_2):
        join.register_forward_hook(lambda _module, given, _out: seen.append(given[0]))
    image = torch.randn(1, 3, 64, 64) * 50
    model(image)
    half = F.avg_pool2d(model.normalize(image), 3, stride=2, padding=1)
    torch.testing.assert_close(seen[0][:, -3:], half)
    torch.testing.assert_close(seen[1][:, -3:], F.avg_pool2d(half, 3, stride=2, padding=1))


def test_espnet__decoder_is_as_wide_as_there_are_classes_but_5_at_least() -> None:
    for num_classes, width in ((2, 5), (5, 5), (12, 12)):
        model = build_model("espnet", num_classes=num_classes, p=1, q=1)
        assert isinstance(model, ESPNet)
        assert model.decoder is not None
        assert tuple(model.decoder.classify.weight.shape) == (width, num_classes, 2, 2)


def test_espnet__refuses_a_stride_without_blocks_and_other_decoders() -> None:
    with pytest.raises(RequestError, match="p = 2, q = 0: ESPNet has 1 block or more at either stride"):
        build_model("espnet", num_classes=2, q=0)
    with pytest.raises(RequestError, match="decoder"):
        build_model("espnet", num_classes=2, decoder="both")
