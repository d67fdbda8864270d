"""Conv blocks, initialisation and resizing."""

from math import sqrt

import pytest
import torch
from torch import nn

from terrazzo.models.layers import (
    ConvNormAct,
    NormPReLU,
    halve,
    initialise,
    initialise_classifier,
    max_unpool_2x2,
    resize_like,
)


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


def test_norms__have_the_eps_that_is_asked_for() -> None:
    for block in (NormPReLU(4, eps=1e-3), ConvNormAct(3, 4, eps=1e-3)):
        assert [layer.eps for layer in block if isinstance(layer, nn.BatchNorm2d)] == [1e-3]


def test_norm_prelu__has_one_slope_per_channel() -> None:
    block = NormPReLU(2).eval()
    with torch.no_grad():
        next(block[1].parameters()).copy_(torch.tensor([0.5, 1.0]))
    features = torch.tensor([-1.0, -1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(block(features).flatten(), torch.tensor([-0.5, -1.0]), atol=1e-4, rtol=0)


def test_halve__averages_3_x_3_pixels_with_zeros_outside() -> None:
    assert halve(torch.full((1, 1, 4, 5), 9.0)).tolist() == [[[[4, 6, 4], [6, 9, 6]]]]


def test_max_unpool_2x2__puts_values_back_where_the_maxima_were() -> None:
    features = torch.randn(2, 3, 6, 8)
    pooled, indices = nn.functional.max_pool2d(features, 2, return_indices=True)
    values = torch.randn_like(pooled)
    filled = max_unpool_2x2(values, indices, like=torch.zeros(1, 1, 6, 8))
    assert torch.equal(filled, nn.MaxUnpool2d(2)(values, indices))
    assert filled.count_nonzero() == values.numel()
