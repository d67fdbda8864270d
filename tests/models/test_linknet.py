"""LinkNet: published size, and what is linked to what."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.linknet import LinkBlock, LinkNet, UpConv
from tests.models.contract import ModelContract, Published

TINY: dict[str, Any] = {"encoder_options": {"channels": [8, 16, 32, 64]}}


class TestLinkNet(ModelContract):
    name = "linknet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = TINY
    stride = 1
    parameters = 141_784
    published = Published(
        arguments={"num_classes": 20, "encoder": "resnet18"},
        ours=11_535_764,
        millions=11.5,
        source="section 1 and table 3",
    )


class TestLinkNetOfSmp(ModelContract):
    name = "linknet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {**TINY, "decoder": "smp"}
    stride = 1
    parameters = 121_810


class TestLinkNetWithoutFineLinks(ModelContract):
    name = "linknet"
    encoder = "convnext_atto"
    stride = 1
    parameters = 3_524_200


def build(encoder: str = "resnet18", **options: Any) -> LinkNet:
    model = build_model("linknet", num_classes=3, encoder=encoder, **options).eval()
    assert isinstance(model, LinkNet)
    return model


@pytest.mark.parametrize(("factor", "kernel_size"), [(1, 3), (2, 3), (4, 3), (2, 4)])
def test_up_conv__multiplies_the_size(factor: int, kernel_size: int) -> None:
    up = UpConv(4, 6, factor=factor, kernel_size=kernel_size, bias=False)
    assert up(torch.zeros(2, 4, 5, 7)).shape == (2, 6, 5 * factor, 7 * factor)


def test_link_block__narrows_widens_and_projects() -> None:
    block = LinkBlock(16, 8, factor=2, decoder="paper")
    shapes = [tuple(p.shape) for p in block.parameters() if p.ndim == 4]
    assert shapes == [(4, 16, 1, 1), (4, 4, 3, 3), (8, 4, 1, 1)]


def test_linknet__blocks_are_as_wide_as_table_1() -> None:
    widths = [(block[0][0].in_channels, block[2][0].out_channels) for block in build().decoder]  # type: ignore[index]
    assert widths == [(512, 256), (256, 128), (128, 64), (64, 64)]


def silence(module: nn.Module) -> None:
    """Let the decoder blocks return zeros, so that the links alone are seen."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)


def test_linknet__the_last_link_is_the_pooled_stem() -> None:
    model = build()
    silence(model.decoder)
    image = torch.rand(1, 3, 64, 64) * 255
    body = model.encoder.body
    normal = model.normalize(image)
    stem = body.maxpool(body.act1(body.bn1(body.conv1(normal))))  # type: ignore[operator]
    with torch.no_grad():
        torch.testing.assert_close(model(image).logits, model.classify(stem))


def test_linknet__links_reach_every_block() -> None:
    model = build()
    image = torch.rand(1, 3, 64, 64) * 255
    levels = model.encoder(model.normalize(image))
    linked = [F.max_pool2d(levels[0], 3, stride=2, padding=1), *levels[1:-1]][::-1]
    given: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    for block in model.decoder:
        block.register_forward_pre_hook(lambda _block, inputs: given.append(inputs[0]))
        block.register_forward_hook(lambda _block, _inputs, output: after.append(output))
    with torch.no_grad():
        model(image)
    for out, link, following in zip(after[:-1], linked[:-1], given[1:], strict=True):
        torch.testing.assert_close(out + link, following)


def test_linknet__takes_dilated_encoders() -> None:
    model = build("resnet10t", encoder_options={"output_stride": 16})
    assert model(torch.zeros(1, 3, 48, 64)).logits.shape == (1, 3, 48, 64)


def test_linknet__smp_refuses_encoders_that_do_not_double() -> None:
    with pytest.raises(RequestError, match="encoder's strides are 2, 4, 8, 16, 16"):
        build("resnet10t", encoder_options={"output_stride": 16}, decoder="smp")
