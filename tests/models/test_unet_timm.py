"""U-Net on a timm encoder equals segmentation_models_pytorch's Unet, weight by weight."""

from typing import Any, ClassVar

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.unet_timm import UNetTimm
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


def randomise(module: nn.Module) -> None:
    """Give weights and running statistics random values, so that no error hides behind a 0 or 1."""
    generator = torch.Generator().manual_seed(11)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            scale = 0.05 if tensor.ndim == 4 else 0.2
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale + (tensor.ndim == 1))
            if tensor.ndim == 1:
                tensor.abs_()


@pytest.mark.parametrize("size", [(64, 96), (160, 64)])
def test_unet_timm__resnet18_equals_smp(size: tuple[int, int]) -> None:
    peer = smp.Unet("resnet18", encoder_weights=None, classes=11).eval()
    randomise(peer)
    ours = build_model("unet-timm", num_classes=11, encoder="resnet18").eval()
    assert isinstance(ours, UNetTimm)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in peer.parameters())
    ours.encoder.body.load_state_dict(peer.encoder.state_dict())
    ours.decoder.load_state_dict(
        dict(zip(ours.decoder.state_dict(), peer.decoder.state_dict().values(), strict=True))
    )
    ours.classify.load_state_dict(peer.segmentation_head[0].state_dict())
    image = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        expected = peer(ours.normalize(image))
        prediction = ours(image)
    assert prediction.stride == 1
    torch.testing.assert_close(prediction.logits, expected, atol=1e-4, rtol=1e-4)


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
