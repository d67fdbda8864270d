"""DeepLabv3+: published size, rates that follow the stride, and the parts that are optional."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.aspp import SeparableConv
from terrazzo.models.base import SegmentationModel
from tests.models.contract import ModelContract, Published, images

SMALL = {"channels": [8, 16, 32, 64]}


class TestDeepLabV3Plus(ModelContract):
    name = "deeplabv3plus"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "channels": 16}
    stride = 4
    parameters = 119_388
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "encoder": "xception71"},
        ours=43_477_323,
        millions=43.5,
        source="Sun et al. 2019, https://arxiv.org/abs/1904.04514, results on Cityscapes val",
    )


class TestDeepLabV3PlusAsSmp(ModelContract):
    name = "deeplabv3plus"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL | {"output_stride": 8, "dilate_first": True},
        "channels": 16,
        "rates": (12, 24, 36),
        "decoder_convs": 1,
        "depthwise_norm": False,
        "refine": True,
        "align_corners": True,
    }
    stride = 4
    parameters = 118_844
    needs_two_images = True


class TestDeepLabV3PlusDense(ModelContract):
    name = "deeplabv3plus"
    encoder = "mobilenetv3_small_050"
    options: ClassVar[dict[str, Any]] = {"channels": 16, "separable": "nowhere"}
    stride = 4
    parameters = 419_524
    needs_two_images = True


def small(**options: Any) -> SegmentationModel:
    encoder_options = SMALL | options.pop("encoder_options", {})
    torch.manual_seed(0)
    return build_model(
        "deeplabv3plus",
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


@pytest.mark.parametrize("separable", ["everywhere", "nowhere"])
@pytest.mark.parametrize(("stride", "rates"), [(8, {12, 24, 36}), (16, {6, 12, 18}), (32, {3, 6, 9})])
def test_deeplabv3plus__rates_follow_the_output_stride(stride: int, rates: set[int], separable: str) -> None:
    model = small(encoder_options={"output_stride": stride}, separable=separable)
    assert (model.stride, model.multiple) == (4, stride)
    assert dilations(model) == rates


def separable_parts(model: SegmentationModel) -> list[int]:
    """Return how many separable convolutions there are: in the ASPP, after it, in the decoder."""
    return [
        sum(isinstance(part, SeparableConv) for part in model.get_submodule(name).modules())
        for name in ("aspp", "refine", "decoder")
    ]


def test_deeplabv3plus__separable_says_where() -> None:
    assert separable_parts(small()) == [3, 0, 2]
    assert separable_parts(small(separable="decoder", refine=True)) == [0, 1, 2]
    assert separable_parts(small(separable="nowhere", refine=True)) == [0, 0, 0]


def test_deeplabv3plus__norms_between_the_parts_of_a_separable_convolution() -> None:
    def norms(model: SegmentationModel) -> int:
        return sum(isinstance(part, nn.BatchNorm2d) for part in model.get_submodule("decoder").modules())

    assert norms(small()) == 4
    assert norms(small(depthwise_norm=False)) == 2


def test_deeplabv3plus__the_finer_level_reaches_the_logits() -> None:
    model = small().eval()
    with torch.no_grad():
        for parameter in model.get_submodule("aspp").parameters():
            parameter.zero_()
    image = images(1, 3, 64, 64)
    other = image.clone()
    other[..., :4] = 0
    with torch.no_grad():
        changed = (model(image).logits - model(other).logits).abs().amax(dim=(0, 1, 2))
    assert changed[0] > 0


def test_deeplabv3plus__refuses_no_convolution_and_an_encoder_without_a_fine_level() -> None:
    with pytest.raises(RequestError, match="decoder_convs = 0: give 1 or more; the paper has 2"):
        small(decoder_convs=0)
    with pytest.raises(
        RequestError, match="encoder's strides are 2, 4: DeepLabv3\\+ joins a level of stride 4"
    ):
        small(encoder_options={"out_indices": [0, 1]})
