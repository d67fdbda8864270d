"""PSPNet: published size, deep supervision, and the options for other libraries' weights."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from tests.models.contract import ModelContract, Published, images

SMALL = {"channels": [8, 16, 32, 64]}


class TestPSPNet(ModelContract):
    name = "pspnet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "channels": 32}
    stride = 8
    parameters = 151_552
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "encoder": "resnet101s", "auxiliary": False},
        ours=65_707_475,
        millions=65.9,
        source="Sun et al. 2019, https://arxiv.org/abs/1904.04514, results on Cityscapes val",
    )


class TestPSPNetAsSmp(ModelContract):
    name = "pspnet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL | {"out_indices": [0, 1, 2], "output_stride": None},
        "channels": 32,
        "kernel_sizes": (1, 3),
        "auxiliary": False,
        "norm_single": False,
        "align_corners": True,
    }
    stride = 8
    parameters = 38_184


class TestPSPNetWithoutNorm(ModelContract):
    name = "pspnet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL | {"output_stride": 16},
        "channels": 32,
        "bins": (1, 3),
        "norm": False,
    }
    stride = 16
    parameters = 151_456


def small(**options: Any) -> SegmentationModel:
    encoder_options = SMALL | options.pop("encoder_options", {})
    torch.manual_seed(0)
    return build_model(
        "pspnet",
        num_classes=4,
        encoder="resnet10t",
        encoder_options=encoder_options,
        channels=32,
        **options,
    )


def test_pspnet__auxiliary_head_stands_on_the_stage_before_the_last() -> None:
    model = small(encoder_options={"output_stride": 16}, align_corners=True)
    (head,) = model(images(2, 3, 64, 96)).auxiliary
    assert (head.stride, head.weight, head.align_corners) == (16, 0.4, True)
    assert model.get_parameter("auxiliary.0.0.weight").shape[1] == 32
    assert small(auxiliary=False)(images(2, 3, 64, 96)).auxiliary == ()


def test_pspnet__every_pixel_sees_the_whole_image() -> None:
    model = small(encoder_options={"output_stride": 8}).eval()
    image = images(1, 3, 512, 64)
    other = image.clone()
    other[..., 448:, :] = 0
    with torch.no_grad():
        changed = (model(image).logits - model(other).logits).abs().amax(dim=(0, 1, 3))
        levels = model.get_submodule("encoder")
        seen = (levels(model.normalize(image))[-1] - levels(model.normalize(other))[-1]).abs()
    assert seen.amax(dim=(0, 1, 3))[0] == 0  # the encoder alone does not reach that far
    assert changed[0] > 0


def test_pspnet__drops_whole_maps_in_training_only() -> None:
    model = small(dropout=0.5)
    assert isinstance(model.get_submodule("dropout"), nn.Dropout2d)
    image = images(2, 3, 64, 64)
    assert not torch.equal(model(image).logits, model(image).logits)


def test_pspnet__trains_on_one_image_where_the_single_bin_has_no_norm() -> None:
    assert torch.isfinite(small(norm_single=False)(images(1, 3, 64, 64)).logits).all()
    assert torch.isfinite(small(bins=(2, 3))(images(1, 3, 64, 64)).logits).all()


def test_pspnet__refuses_bins_and_kernels_that_cannot_be() -> None:
    with pytest.raises(RequestError, match=r"bins = \[0, 2\]: give the pooled sizes"):
        small(bins=(0, 2))
    with pytest.raises(RequestError, match=r"kernel_sizes = \[2, 1\]: give odd sizes"):
        small(kernel_sizes=(2, 1))
