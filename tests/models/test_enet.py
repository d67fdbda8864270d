"""ENet: its size, its bottlenecks, and unpooling with and without overlap."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.enet import ENet
from terrazzo.models.enet_blocks import (
    ASYMMETRIC,
    Bottleneck,
    Down,
    Initial,
    Style,
    Up,
    unpool_overlapping,
)
from terrazzo.models.layers import prelu, relu
from tests.models.contract import ModelContract, Published

PLAIN = Style(relu, activate_expansion=False, dropout=0.0)


def last_norm(extension: nn.Module) -> nn.BatchNorm2d:
    return [layer for layer in extension.modules() if isinstance(layer, nn.BatchNorm2d)][-1]


class TestENet(ModelContract):
    name = "enet"
    stride = 1
    parameters = 359_639
    bfloat16_outliers = 0.01
    published = Published(
        arguments={"num_classes": 20},
        ours=361_943,
        millions=0.37,
        source="table 3",
        reason="the authors' code narrows down- and upsampling blocks to a quarter of their output",
    )


class TestENet2018(ModelContract):
    name = "enet"
    options: ClassVar[dict[str, Any]] = {
        "window": 3,
        "decoder_activation": "prelu",
        "activate_expansion": True,
    }
    stride = 1
    parameters = 362_751
    bfloat16_outliers = 0.01


def test_initial__has_13_filters_beside_the_pooled_image() -> None:
    block = Initial(5)
    image = torch.randn(2, 5, 16, 24)
    both = torch.cat([block.conv(image), F.max_pool2d(image, 3, stride=2, padding=1)], dim=1)
    assert both.shape == (2, 18, 8, 12)
    torch.testing.assert_close(block(image), block.after(both))


def test_bottleneck__adds_what_came_in_before_the_activation() -> None:
    block = Bottleneck(16, style=PLAIN)
    features = torch.randn(2, 16, 6, 8)
    torch.testing.assert_close(
        block(features), (features + block.extension(features)).relu(), atol=1e-4, rtol=1e-4
    )
    assert (block.extension(features) < 0).any()


def test_bottleneck__activates_the_expansion_only_if_asked() -> None:
    features = torch.randn(2, 16, 6, 8)
    block = Bottleneck(16, style=Style(relu, activate_expansion=True, dropout=0.0))
    assert (block.extension(features) >= 0).all()


def test_bottleneck__asymmetric_convolutions_are_a_column_and_a_row_of_five() -> None:
    block = Bottleneck(16, ASYMMETRIC, style=PLAIN)
    kernels = [layer.kernel_size for layer in block.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(1, 1), (5, 1), (1, 5), (1, 1)]
    assert block(torch.randn(2, 16, 6, 8)).shape == (2, 16, 6, 8)


@pytest.mark.parametrize("window", [2, 3])
def test_down__pools_and_fills_up_with_empty_maps(window: int) -> None:
    block = Down(4, 16, window=window, style=PLAIN)
    with torch.no_grad():
        last_norm(block.extension).weight.zero_()
    features = torch.randn(2, 4, 8, 12)
    out, indices = block(features)
    pooled = F.max_pool2d(features, window, stride=2, padding=window - 2)
    assert torch.equal(out[:, :4], pooled.relu())
    assert not out[:, 4:].any()
    assert torch.equal(features.flatten(2).gather(2, indices.flatten(2)), pooled.flatten(2))


@pytest.mark.parametrize("window", [2, 3])
def test_up__puts_features_where_the_maxima_were(window: int) -> None:
    features = torch.randn(2, 4, 8, 12)
    _, indices = Down(4, 16, window=window, style=PLAIN)(features)
    block = Up(16, 4, window=window, style=Style(prelu, activate_expansion=False, dropout=0.0))
    with torch.no_grad():
        last_norm(block.extension).weight.zero_()
    given = torch.randn(2, 16, 4, 6)
    expected = nn.MaxUnpool2d(2)(block.main(given), indices)
    torch.testing.assert_close(block(given, indices), block.activation(expected))


def test_unpool_overlapping__the_last_window_wins_and_alone_gets_the_gradient() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    indices = torch.tensor([[[[5, 5], [5, 15]]]])
    out = unpool_overlapping(features, indices, like=torch.zeros(1, 7, 4, 4))
    # torch's own answer depends on its threads: on one, it is this.
    assert out.tolist() == [[[[0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 4]]]]
    torch.autograd.backward(out.sum())
    assert features.grad is not None
    assert features.grad.tolist() == [[[[0, 0], [1, 1]]]]


def test_enet__dilations_and_dropout_are_those_of_the_paper() -> None:
    model = build_model("enet", num_classes=2)
    assert isinstance(model, ENet)
    for stage in (model.stage_2, model.stage_3):
        middles = [block.extension[1] for block in stage if isinstance(block, Bottleneck)]
        convs = [[layer for layer in middle.children() if isinstance(layer, nn.Conv2d)] for middle in middles]
        dilations = [found[0].dilation[0] if len(found) == 1 else ASYMMETRIC for found in convs]
        assert dilations == [1, 2, ASYMMETRIC, 4, 1, 8, ASYMMETRIC, 16]
    shares = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout2d)]
    assert shares == [0.01] * 5 + [0.1] * 22


def test_enet__decoder_has_relus_unless_asked_otherwise() -> None:
    for activation, kinds in (("relu", {nn.ReLU}), ("prelu", {nn.PReLU})):
        model = build_model("enet", num_classes=2, decoder_activation=activation)
        assert isinstance(model, ENet)
        parts = (model.up_4, model.stage_4, model.up_5, model.stage_5)
        found = {type(layer) for part in parts for layer in part.modules()} & {nn.ReLU, nn.PReLU}
        assert found == kinds
        assert not any(isinstance(layer, nn.ReLU) for layer in model.stage_3.modules())


def test_enet__refuses_more_channels_than_it_can_pass_on() -> None:
    assert build_model("enet", num_classes=2, in_channels=51).in_channels == 51
    with pytest.raises(RequestError, match="in_channels = 52: ENet takes up to 51 channels"):
        build_model("enet", num_classes=2, in_channels=52)
