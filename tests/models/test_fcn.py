"""FCN on any encoder: torchvision's size, dilation, and its second head."""

from typing import Any, ClassVar

import pytest
import torch

from terrazzo.models import build_model
from terrazzo.models.fcn import FCN
from tests.models.contract import ModelContract, Published, images

SMALL = {"channels": [8, 16, 32, 64]}


class TestFCN(ModelContract):
    name = "fcn"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL}
    stride = 8
    parameters = 119_584
    published = Published(
        arguments={"num_classes": 21},
        ours=35_322_218,
        millions=35.322218,
        source="torchvision, FCN_ResNet50_Weights",
    )


class TestFCNWithoutDilation(ModelContract):
    name = "fcn"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": {**SMALL, "output_stride": 32},
        "auxiliary": False,
        "channels": 24,
    }
    stride = 32
    parameters = 121_884


def test_fcn__the_second_head_stands_on_the_last_stage_but_one() -> None:
    torch.manual_seed(0)
    model = build_model(
        "fcn", num_classes=3, encoder="resnet10t", encoder_options={"output_stride": 32}, dropout=0.0
    )
    assert isinstance(model, FCN)
    image = images(2, 3, 64, 96)
    (second,) = model(image).auxiliary
    assert (second.stride, second.weight, second.align_corners) == (16, 0.5, False)
    levels = model.encoder(model.normalize(image))
    assert model.auxiliary_head is not None
    torch.testing.assert_close(second.logits, model.auxiliary_head(levels[3]))
    torch.testing.assert_close(model(image).logits, model.head(levels[4]))


def test_fcn__without_the_second_head_none_is_built() -> None:
    with_head = build_model("fcn", num_classes=3, encoder="resnet10t")
    without = build_model("fcn", num_classes=3, encoder="resnet10t", auxiliary=False)
    extra = {name for name in with_head.state_dict() if name not in without.state_dict()}
    assert extra
    assert all(name.startswith("auxiliary_head.") for name in extra)
    assert without(images(2, 3, 64, 64)).auxiliary == ()


def test_fcn__the_width_of_the_head_is_a_quarter_or_as_given() -> None:
    for channels, expected in [(None, 128), (40, 40)]:
        model = build_model("fcn", num_classes=3, encoder="resnet10t", channels=channels)
        assert isinstance(model, FCN)
        assert model.head[2].in_channels == expected
        assert model.auxiliary_head is not None
        assert model.auxiliary_head[2].in_channels == 64


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_fcn__logits_have_the_encoders_stride(output_stride: int) -> None:
    model = build_model(
        "fcn", num_classes=2, encoder="resnet10t", encoder_options={"output_stride": output_stride}
    )
    assert (model.stride, model.multiple) == (output_stride, output_stride)
