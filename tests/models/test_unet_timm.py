"""U-Net on a timm encoder; that it equals another library's is shown in foreign/test_smp.py."""

from typing import Any, ClassVar

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from tests.models.contract import ModelContract


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


def test_unet_timm__fewer_levels_end_it_earlier() -> None:
    model = build_model("unet-timm", num_classes=3, encoder="resnet10t", decoder_channels=[32, 16, 8])
    assert model.stride == 4
    assert model.eval()(torch.zeros(1, 3, 64, 64)).logits.shape == (1, 3, 16, 16)


def test_unet_timm__keeps_the_size_where_strides_repeat() -> None:
    model = build_model("unet-timm", num_classes=3, encoder="resnet10t", encoder_options={"output_stride": 8})
    assert model.multiple == 8
    assert model.eval()(torch.zeros(1, 3, 40, 48)).logits.shape == (1, 3, 40, 48)


@pytest.mark.parametrize("widths", [[], [64] * 6, [64, 0]])
def test_unet_timm__refuses_impossible_decoder_channels(widths: list[int]) -> None:
    with pytest.raises(RequestError, match="leaves room for 1 to 5 levels of at least 1 channel each"):
        build_model("unet-timm", num_classes=3, encoder="resnet10t", decoder_channels=widths)
