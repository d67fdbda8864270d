"""Normalisation, initialisation, padding and resizing."""

from math import sqrt

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.layers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvNormAct,
    Normalize,
    crop,
    initialise,
    initialise_classifier,
    pad_to_multiple,
    resize_like,
)


def test_normalize__is_imagenet_for_rgb_and_the_middle_otherwise() -> None:
    assert Normalize(3).mean.flatten().tolist() == pytest.approx(IMAGENET_MEAN)
    assert Normalize(3).std.flatten().tolist() == pytest.approx(IMAGENET_STD)
    assert Normalize(2).mean.flatten().tolist() == [127.5, 127.5]
    assert Normalize(2).std.flatten().tolist() == [64.0, 64.0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.float64])
def test_normalize__takes_raw_pixels_of_any_dtype(dtype: torch.dtype) -> None:
    normalize = Normalize(2, mean=[10.0, 20.0], std=[2.0, 4.0])
    out = normalize(torch.tensor([[[[12]], [[12]]]]).to(dtype))
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == [1.0, -2.0]


def test_normalize__follows_the_dtype_of_the_network_but_computes_wide() -> None:
    normalize = Normalize(1, mean=[60000.0], std=[1000.0]).bfloat16()
    out = normalize(torch.tensor([[[[61000]]]], dtype=torch.uint16))
    assert out.dtype == torch.bfloat16
    assert out.item() == pytest.approx(1.0, abs=0.2)  # the mean itself has three digits in bfloat16
    # 65535 would overflow in float16 before the mean is taken off
    assert torch.isfinite(Normalize(1, [30000.0], [20000.0]).half()(torch.full((1, 1, 1, 1), 65535.0))).all()


def test_normalize__keeps_channels_last() -> None:
    image = torch.zeros(2, 3, 4, 5, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert Normalize(3)(image).is_contiguous(memory_format=torch.channels_last)


def test_normalize__refuses_statistics_that_do_not_fit() -> None:
    with pytest.raises(RequestError, match="mean has 3 values for 4 channels"):
        Normalize(4, mean=[1.0, 2.0, 3.0])
    with pytest.raises(RequestError, match="every value must be above 0"):
        Normalize(1, std=[0.0])


def test_initialise__is_kaiming_by_fan_out_within_each_group() -> None:
    torch.manual_seed(0)
    plain, grouped, norm = nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 5, groups=64), nn.BatchNorm2d(64)
    net = nn.Sequential(plain, grouped, norm)
    norm.weight.data.fill_(0.5)
    initialise(net)
    assert plain.weight.std().item() == pytest.approx(sqrt(2 / (64 * 9)), rel=0.05)
    assert grouped.weight.std().item() == pytest.approx(sqrt(2 / 25), rel=0.1)
    assert plain.bias is not None
    assert not plain.bias.any()
    assert norm.weight.eq(0.5).all()


def test_initialise_classifier__starts_near_zero() -> None:
    layer = nn.Conv2d(64, 10, 1)
    initialise_classifier(layer)
    assert layer.weight.std().item() == pytest.approx(0.01, rel=0.15)
    assert layer.bias is not None
    assert not layer.bias.any()
    initialise_classifier(nn.Conv2d(2, 2, 1, bias=False))


@pytest.mark.parametrize(
    ("size", "expected"), [((33, 64), (64, 64)), ((32, 32), (32, 32)), ((97, 1), (128, 32))]
)
def test_pad_to_multiple__adds_zeros_at_the_bottom_and_right(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    padded = pad_to_multiple(torch.ones(1, 2, *size), 32)
    assert padded.shape[-2:] == expected
    assert padded[..., : size[0], : size[1]].eq(1).all()
    assert padded.sum() == 2 * size[0] * size[1]


def test_crop__keeps_the_top_left() -> None:
    features = torch.arange(12.0).view(1, 1, 3, 4)
    assert crop(features, 2, 3).tolist() == [[[[0, 1, 2], [4, 5, 6]]]]


def test_resize_like__repeats_or_interpolates_or_does_nothing() -> None:
    features = torch.tensor([[[[0.0, 4.0]]]])
    like = torch.zeros(1, 7, 1, 4)
    assert resize_like(features, like).tolist() == [[[[0, 0, 4, 4]]]]
    assert resize_like(features, like, mode="bilinear").tolist() == [[[[0, 1, 3, 4]]]]
    assert resize_like(features, features) is features


def test_conv_norm_act__keeps_the_size_and_is_not_negative() -> None:
    block = ConvNormAct(3, 5)
    out = block(torch.randn(2, 3, 6, 7))
    assert out.shape == (2, 5, 6, 7)
    assert out.amin() == 0
    assert block[0].bias is None
