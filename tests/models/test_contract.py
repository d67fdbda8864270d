"""Every architecture, with a small encoder, against the contract."""

from typing import Any, ClassVar

from terrazzo.models import MODELS
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


class TestUNet(ModelContract):
    name = "unet"
    options: ClassVar[dict[str, Any]] = {"num_blocks": 2}
    stride = 1
    parameters = 2_070_788


class TestUNetTimm(ModelContract):
    name = "unet-timm"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"decoder_channels": [64, 32, 16, 16, 8]}
    stride = 1
    parameters = 5_498_748


class TestUNetTimmWithoutFineSkips(ModelContract):
    name = "unet-timm"
    encoder = "convnext_atto"
    options: ClassVar[dict[str, Any]] = {"decoder_channels": [32, 16, 16, 8]}
    stride = 2
    parameters = 3_552_444


def test_contract__covers_every_model() -> None:
    covered = {contract.name for contract in ModelContract.__subclasses__()}
    assert covered == set(MODELS)
