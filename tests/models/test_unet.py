"""The teaching U-Net's four public classes, shape by shape."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.unet import UNetConvBlock, UNetDecoder, UNetEncoder, UNetUpConvBlock
from tests.models.contract import ModelContract


class TestUNet(ModelContract):
    name = "unet"
    options: ClassVar[dict[str, Any]] = {"num_blocks": 2}
    stride = 1
    parameters = 2_070_788


def test_unet_conv_block__returns_the_pooled_tensor_and_the_skip() -> None:
    block = UNetConvBlock(3, 8)
    pooled, skip = block(torch.randn(2, 3, 16, 12))
    assert pooled.shape == (2, 8, 8, 6)
    assert skip.shape == (2, 8, 16, 12)
    torch.testing.assert_close(pooled, nn.functional.max_pool2d(skip, 2))


def test_unet_encoder__doubles_channels_from_64_and_halves_the_size() -> None:
    output, skips = UNetEncoder(5, 3)(torch.randn(2, 5, 32, 16))
    assert output.shape == (2, 64 * 2**3, 4, 2)
    assert [tuple(skip.shape) for skip in skips] == [(2, 64, 32, 16), (2, 128, 16, 8), (2, 256, 8, 4)]


def test_unet_up_conv_block__doubles_the_size_and_halves_the_channels() -> None:
    block = UNetUpConvBlock(16)
    assert block(torch.randn(2, 16, 4, 3), torch.randn(2, 8, 8, 6)).shape == (2, 8, 8, 6)


def test_unet_decoder__returns_class_scores_at_full_size() -> None:
    encoder, decoder = UNetEncoder(3, 2), UNetDecoder(256, 2, 14)
    assert decoder(*encoder(torch.randn(2, 3, 16, 24))).shape == (2, 14, 16, 24)


def test_unet__every_convolution_is_followed_by_relu_and_batch_norm_but_the_last() -> None:
    model = build_model("unet", num_classes=14, num_blocks=2)
    kinds = [type(layer) for layer in model.modules() if not list(layer.children())]
    convs = [position for position, kind in enumerate(kinds) if kind is nn.Conv2d]
    # encoder: 2 per block and the bottom; decoder: the bottom, 3 per block, the classes
    assert len(convs) == (2 * 2 + 1) + (1 + 3 * 2 + 1)
    assert all(kinds[position + 1 : position + 3] == [nn.ReLU, nn.BatchNorm2d] for position in convs[:-1])
    assert convs[-1] == len(kinds) - 1


def test_unet__weights_of_four_blocks_counted_by_hand() -> None:
    def conv(fan_in: int, width: int) -> int:
        return 9 * fan_in * width + width + 2 * width  # weights, bias, batch norm

    widths = [64, 128, 256, 512]
    down = sum(conv(a, b) + conv(b, b) for a, b in zip([3, *widths[:-1]], widths, strict=True))
    up = sum(conv(2 * b, b) + conv(2 * b, b) + conv(b, b) for b in widths)
    bottoms = conv(512, 1024) + conv(1024, 1024)
    model = build_model("unet", num_classes=14)
    assert sum(p.numel() for p in model.parameters()) == down + bottoms + up + (64 * 14 + 14)


def test_unet__has_no_other_encoder() -> None:
    with pytest.raises(
        RequestError, match=r"encoder = 'resnet18': model 'unet' has its own encoder .* fpn, .*unet-timm"
    ):
        build_model("unet", num_classes=2, encoder="resnet18")
    with pytest.raises(RequestError, match="pretrained = True: model 'unet' has its own encoder"):
        build_model("unet", num_classes=2, pretrained=True)
