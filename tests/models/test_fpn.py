"""The semantic FPN: published size; that it equals another library's is shown in foreign/test_smp.py."""

from typing import Any, ClassVar

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from tests.models.contract import ModelContract


class TestFPN(ModelContract):
    name = "fpn"
    encoder = "mobilenetv3_small_050"
    options: ClassVar[dict[str, Any]] = {"pyramid_channels": 32, "segmentation_channels": 32}
    stride = 4
    parameters = 348_260


class TestFPNResNet(ModelContract):
    name = "fpn"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": {"channels": [8, 16, 32, 64]},
        "segmentation_channels": 32,
        "align_corners": True,
    }
    stride = 4
    parameters = 462_796


class TestFPNBatchNorm(ModelContract):
    name = "fpn"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": {"channels": [8, 16, 32, 64]},
        "pyramid_channels": 24,
        "segmentation_channels": 24,
        "norm": "batch",
    }
    stride = 4
    parameters = 147_612


def test_fpn__has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build_model("fpn", num_classes=8, encoder="resnext50_32x4d")
    assert sum(p.numel() for p in model.parameters()) == 25_588_808


def test_fpn__drops_maps_in_training_only() -> None:
    model = build_model("fpn", num_classes=2, encoder="resnet10t", dropout=0.5)
    image = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8)
    assert not torch.equal(model(image).logits, model(image).logits)
    model.eval()
    assert torch.equal(model(image).logits, model(image).logits)


def test_fpn__takes_dilated_encoders() -> None:
    model = build_model(
        "fpn", num_classes=2, encoder="resnet10t", encoder_options={"output_stride": 16}
    ).eval()
    assert model.multiple == 16
    assert model(torch.zeros(1, 3, 48, 64)).logits.shape == (1, 2, 12, 16)


def test_fpn__refuses_widths_that_group_norm_cannot_split() -> None:
    with pytest.raises(RequestError, match="segmentation_channels = 100: give a multiple of 32"):
        build_model("fpn", num_classes=2, encoder="resnet10t", segmentation_channels=100)
