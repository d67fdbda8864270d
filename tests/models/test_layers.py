"""Conv blocks, initialisation and resizing."""

from math import sqrt

import pytest
import torch
from torch import nn

from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, resize_like


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
