"""SegNet: published size, the unpooling number by number, and the mirrored decoder."""

from typing import Any, ClassVar

import pytest
import torch
from timm.models import vgg
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.segnet import SegNet, unpool
from tests.models.contract import ModelContract, Published, images

LIGHT = {"mlp_ratio": 1 / 4096}
"""timm builds the classifier, too, before it takes the pyramid: keep it light."""


@pytest.fixture(autouse=True)
def _narrow_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = [8, "M", 12, "M", 16, 16, "M", 16, 16, "M", 16, 16, "M"]
    monkeypatch.setitem(vgg.cfgs, "vgg11", narrow)


class TestSegNet(ModelContract):
    name = "segnet"
    encoder = "vgg11_bn"
    options: ClassVar[dict[str, Any]] = {"depths": [1, 1, 2, 2, 2], "encoder_options": LIGHT}
    stride = 1
    parameters = 29_280
    published = Published(
        arguments={"num_classes": 11},
        ours=29_445_643,
        millions=29.5,
        source="Jegou et al. 2017 (FC-DenseNet), table 3",
    )

    def test_works_in_bfloat16_and_channels_last(self) -> None:
        """In bf16 the larger of two near values is sometimes the other one, and its place changes."""
        model = self.build().eval().to(memory_format=torch.channels_last)
        image = images(2, 3, 64, 64)
        with torch.no_grad():
            expected = model(image).logits
            with torch.autocast("cpu", torch.bfloat16):
                narrow = model(image.contiguous(memory_format=torch.channels_last)).logits
        assert narrow.dtype == torch.bfloat16
        far = (narrow.float() - expected).abs() > 0.1 * expected.abs().amax()
        assert far.float().mean() < 0.01


def test_unpool__puts_values_back_to_the_maxima() -> None:
    pooled = torch.tensor([[[[5.0, -6.0]]]])
    like = torch.tensor([[[[1.0, 4.0, 0.0, 0.0], [2.0, 3.0, 7.0, 0.0]]]])
    assert unpool(pooled, like).tolist() == [[[[0.0, 5.0, 0.0, 0.0], [0.0, 0.0, -6.0, 0.0]]]]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_unpool__equals_torch(memory_format: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    like = torch.randn(2, 3, 8, 12, generator=generator).relu().to(memory_format=memory_format)
    features = torch.randn(2, 3, 4, 6, generator=generator).to(memory_format=memory_format)
    places = F.max_pool2d(like, 2, return_indices=True)[1]
    assert torch.equal(unpool(features, like), F.max_unpool2d(features, places, [2, 2]))


def test_unpool__gradients_go_to_the_values_alone() -> None:
    like = torch.randn(1, 2, 4, 4, requires_grad=True)
    features = torch.randn(1, 2, 2, 2, requires_grad=True)
    torch.autograd.backward(unpool(features, like).sum())
    assert like.grad is None
    assert features.grad is not None
    assert torch.equal(features.grad, torch.ones_like(features))


def test_segnet__the_decoder_mirrors_vgg16() -> None:
    with torch.device("meta"):
        model = build_model("segnet", num_classes=11)
    assert isinstance(model, SegNet)

    def widths(module: nn.Module) -> list[tuple[int, int]]:
        convs = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
        return [(conv.in_channels, conv.out_channels) for conv in convs]

    down = widths(model.encoder)
    up = widths(model.decoder) + widths(model.classify)
    assert [(fan_out, fan_in) for fan_in, fan_out in reversed(down[1:])] == up[:-1]
    assert (down[0], up[-1]) == ((3, 64), (64, 11))


@torch.no_grad()
def test_segnet__each_stage_unpools_where_its_own_level_was_pooled() -> None:
    torch.manual_seed(0)
    model = build_model(
        "segnet", num_classes=3, encoder="vgg11", depths=[1, 1, 2, 2, 2], encoder_options=LIGHT
    ).eval()
    assert isinstance(model, SegNet)
    image = torch.randn(1, 3, 64, 96)
    features, places, sizes = image, [], []
    for layer in model.encoder.body.children():
        if isinstance(layer, nn.MaxPool2d):
            sizes.append(features.shape)
            features, index = F.max_pool2d(features, 2, return_indices=True)
            places.append(index)
        else:
            features = layer(features)
    for stage in model.decoder:
        features = stage(F.max_unpool2d(features, places.pop(), [2, 2], output_size=sizes.pop()))
    torch.testing.assert_close(model.logits(image), model.classify(features))


@pytest.mark.parametrize("depths", [[2, 2, 3, 3], [2, 2, 3, 3, 0]])
def test_segnet__refuses_depths_that_are_not_one_per_stage(depths: list[int]) -> None:
    with pytest.raises(RequestError, match=r"depths = .*: give the number .* each of the 5 stages, finest"):
        build_model("segnet", num_classes=2, encoder="vgg11", depths=depths, encoder_options=LIGHT)


def test_segnet__refuses_encoders_other_than_vgg() -> None:
    with pytest.raises(RequestError, match="segnet works on what a VGG pools"):
        build_model("segnet", num_classes=2, encoder="resnet10t")
