"""DeepLabv3: published sizes, rates that follow the stride, and an auxiliary head on request."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from tests.models.contract import ModelContract, Published, images

SMALL = {"channels": [8, 16, 32, 64]}
DILATED_RESNET101 = {"num_classes": 19, "encoder": "resnet101"}


class TestDeepLabV3(ModelContract):
    name = "deeplabv3"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "channels": 16}
    stride = 16
    parameters = 139_148
    needs_two_images = True
    published = Published(
        arguments=DILATED_RESNET101,
        ours=58_040_147,
        millions=58.0,
        source="Sun et al. 2019, https://arxiv.org/abs/1904.04514, results on Cityscapes val",
    )


class TestDeepLabV3AsTorchvision(ModelContract):
    name = "deeplabv3"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL | {"output_stride": 8},
        "channels": 16,
        "refine": True,
        "auxiliary": True,
    }
    stride = 8
    parameters = 143_840
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 21, "encoder": "resnet50", "refine": True, "auxiliary": True},
        ours=42_004_074,
        millions=42.004074,
        source="torchvision, DeepLabV3_ResNet50_Weights",
    )


class TestDeepLabV3Separable(ModelContract):
    name = "deeplabv3"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL | {"dilate_first": True},
        "channels": 16,
        "separable": True,
        "depthwise_norm": False,
        "align_corners": True,
    }
    stride = 16
    parameters = 116_300
    needs_two_images = True


def small(**options: Any) -> SegmentationModel:
    encoder_options = SMALL | options.pop("encoder_options", {})
    torch.manual_seed(0)
    return build_model(
        "deeplabv3",
        num_classes=4,
        encoder="resnet10t",
        encoder_options=encoder_options,
        channels=16,
        **options,
    )


def dilations(model: SegmentationModel) -> set[int]:
    """Return the dilations of the ASPP's 3x3 convolutions."""
    aspp = model.get_submodule("aspp")
    return {int(conv.dilation[0]) for conv in aspp.modules() if isinstance(conv, nn.Conv2d)} - {1}


@pytest.mark.parametrize(("stride", "rates"), [(8, {12, 24, 36}), (16, {6, 12, 18}), (32, {3, 6, 9})])
def test_deeplabv3__rates_follow_the_output_stride(stride: int, rates: set[int]) -> None:
    model = small(encoder_options={"output_stride": stride})
    assert model.stride == stride
    assert dilations(model) == rates


def test_deeplabv3__rates_can_be_given() -> None:
    model = small(rates=(2, 5))
    assert dilations(model) == {2, 5}
    assert model.arguments["rates"] == [2, 5]


def test_deeplabv3__refuses_rates_below_one() -> None:
    with pytest.raises(RequestError, match=r"rates = \[0, 6\]: give at least one dilation, each from 1 on"):
        small(rates=(0, 6))


def test_deeplabv3__auxiliary_head_stands_on_the_stage_before_the_last() -> None:
    model = small(auxiliary=True, encoder_options={"output_stride": 32}, align_corners=True)
    (head,) = model(images(2, 3, 64, 96)).auxiliary
    assert (head.stride, head.weight, head.align_corners) == (16, 0.5, True)
    assert head.logits.shape == (2, 4, 4, 6)


def test_deeplabv3__has_no_auxiliary_head_unless_asked() -> None:
    assert small()(images(2, 3, 64, 96)).auxiliary == ()
