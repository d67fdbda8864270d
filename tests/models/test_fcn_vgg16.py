"""FCN as published: sizes, which poolings are scored, and the widening in between."""

from typing import Any, ClassVar

import pytest
import torch
from timm.models import vgg
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.encoder import Encoder
from terrazzo.models.fcn_vgg16 import FCNVGG16, DoubleScores
from terrazzo.models.vgg import STRIDES, require_vgg
from tests.models.contract import ModelContract, Published, images

LIGHT = {"mlp_ratio": 1 / 4096}
"""timm builds the classifier, too, before it takes the pyramid: keep it light."""


@pytest.fixture(autouse=True)
def _narrow_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = [8, "M", 8, "M", 12, 12, "M", 16, 16, "M", 16, 16, "M"]
    monkeypatch.setitem(vgg.cfgs, "vgg11", narrow)


class TestFCN8s(ModelContract):
    name = "fcn-vgg16"
    encoder = "vgg11"
    options: ClassVar[dict[str, Any]] = {"fc_channels": 32, "encoder_options": LIGHT}
    stride = 8
    parameters = 38_636
    published = Published(
        arguments={"num_classes": 21},
        ours=134_376_863,
        millions=134.5,
        source="Jegou et al. 2017 (FC-DenseNet), table 3",
    )


class TestFCN32s(ModelContract):
    name = "fcn-vgg16"
    encoder = "vgg11_bn"
    options: ClassVar[dict[str, Any]] = {"fc_channels": 32, "variant": "32s", "encoder_options": LIGHT}
    stride = 32
    parameters = 38_212
    published = Published(
        arguments={"num_classes": 21, "variant": "32s"}, ours=134_346_581, millions=134, source="table 1"
    )


def small(**options: Any) -> FCNVGG16:
    torch.manual_seed(0)
    model = build_model(
        "fcn-vgg16", num_classes=3, encoder="vgg11", fc_channels=32, encoder_options=LIGHT, **options
    )
    assert isinstance(model, FCNVGG16)
    return model.eval()


def pools(model: FCNVGG16, image: Tensor) -> list[Tensor]:
    """Return what the encoder's five poolings give, by running its layers one by one."""
    given, features = [], image
    for layer in model.encoder.body.children():
        features = layer(features)
        if isinstance(layer, nn.MaxPool2d):
            given.append(features.clone())
    return given


def test_double_scores__widen_bilinearly_inside() -> None:
    scores = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(scores, scale_factor=2, mode="bilinear", align_corners=False)
    doubled = DoubleScores(3)(scores)
    assert doubled.shape == expected.shape
    torch.testing.assert_close(doubled[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_double_scores__can_learn_to_mix_classes() -> None:
    layer = DoubleScores(3)
    assert layer.weight.requires_grad
    assert layer.weight.shape == (3, 3, 4, 4)


@pytest.mark.parametrize(("variant", "stride"), [("32s", 32), ("16s", 16), ("8s", 8)])
@torch.no_grad()
def test_fcn_vgg16__adds_the_scores_of_pool4_and_pool3(variant: str, stride: int) -> None:
    model = small(variant=variant)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    *_, pool3, pool4, pool5 = pools(model, image)
    expected = model.classify(model.fully(pool5))
    for step, pool in enumerate([pool4, pool3][: len(model.skips)]):
        expected = model.widen[step](expected) + model.classify_skips[step](pool)
    logits = model.logits(image)
    assert model.stride == stride
    assert logits.shape == (1, 3, 64 // stride, 96 // stride)
    torch.testing.assert_close(logits, expected)


def test_fcn_vgg16__fc6_sees_seven_by_seven_and_both_are_followed_by_dropout() -> None:
    fc6, _, drop6, fc7, _, drop7 = small().fully
    assert isinstance(fc6, nn.Conv2d)
    assert isinstance(fc7, nn.Conv2d)
    assert (fc6.kernel_size, fc6.out_channels, fc7.kernel_size) == ((7, 7), 32, (1, 1))
    assert isinstance(drop6, nn.Dropout)
    assert isinstance(drop7, nn.Dropout)
    assert drop6.p == drop7.p == 0.5


def test_fcn_vgg16__drops_in_training_only() -> None:
    model = small()
    image = images(1, 3, 64, 64)
    assert torch.equal(model(image).logits, model(image).logits)
    model.train()
    assert not torch.equal(model(image).logits, model(image).logits)


def test_fcn_vgg16__refuses_encoders_other_than_vgg() -> None:
    sentence = "fcn-vgg16 works on what a VGG pools: .* encoder's are at 2, 4, 8, 16, 32. Choose vgg11"
    with pytest.raises(RequestError, match=sentence):
        build_model("fcn-vgg16", num_classes=2, encoder="resnet10t")


def test_require_vgg__wants_the_last_level_pooled_from_the_one_before() -> None:
    widths = (8, 16, 32, 64, 128)
    require_vgg("fcn-vgg16", Encoder(nn.Identity(), channels=(*widths, 128), strides=STRIDES))
    with pytest.raises(RequestError, match="the last of them pooled from the one before"):
        require_vgg("fcn-vgg16", Encoder(nn.Identity(), channels=(*widths, 256), strides=STRIDES))
