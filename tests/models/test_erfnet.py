"""ERFNet: published size, factorised convolutions, residual blocks."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.erfnet import Down, Factorised, NonBottleneck1D, Up
from tests.models.contract import ModelContract, Published


class TestERFNet(ModelContract):
    name = "erfnet"
    stride = 1
    parameters = 2_063_216
    published = Published(
        arguments={"num_classes": 20},
        ours=2_064_256,
        millions=2.1,
        source="the paper; 19 classes and void in the authors' code",
    )


def test_down__convolves_to_what_pooling_leaves() -> None:
    block = Down(16, 64)
    features = torch.randn(2, 16, 8, 12)
    both = torch.cat([block.conv(features), F.max_pool2d(features, 2)], dim=1)
    assert block.conv.out_channels == 48
    torch.testing.assert_close(block(features), block.norm(both).relu())


def test_factorised__is_a_dilated_cross() -> None:
    pair = Factorised(1, dilation=2)
    with torch.no_grad():
        for parameter in pair.parameters():
            parameter.fill_(1.0 if parameter.ndim == 4 else 0.0)
        next(pair[3].parameters()).fill_(1.0)
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1.0
    rows, columns = torch.nonzero(pair.eval()(image)[0, 0], as_tuple=True)
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 4, 6}
    assert len(rows) == 9


def test_non_bottleneck__adds_what_came_in_and_drops_only_the_change() -> None:
    block = NonBottleneck1D(8, dilation=4, dropout=1.0)
    features = torch.randn(2, 8, 6, 6)
    assert torch.equal(block(features), features.relu())
    change = block.second(block.first(features).relu())
    block.dropout.p = 0.0
    torch.testing.assert_close(block(features), (features + change).relu(), atol=1e-4, rtol=1e-4)


def test_up__doubles_the_size() -> None:
    assert Up(8, 4)(torch.randn(2, 8, 3, 5)).shape == (2, 4, 6, 10)


def test_erfnet__dilations_and_dropout_are_those_of_the_paper() -> None:
    model = build_model("erfnet", num_classes=2)
    blocks = [block for block in model.modules() if isinstance(block, NonBottleneck1D)]
    dilations = [
        [conv.dilation for conv in block.modules() if isinstance(conv, nn.Conv2d)] for block in blocks
    ]
    expected = [1] * 5 + [2, 4, 8, 16] * 2 + [1] * 4
    assert dilations == [[(1, 1), (1, 1), (step, 1), (1, step)] for step in expected]
    assert [block.dropout.p for block in blocks] == [0.03] * 5 + [0.3] * 8 + [0.0] * 4
    assert {layer.eps for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-3}


def test_erfnet__refuses_more_channels_than_it_can_pass_on() -> None:
    assert build_model("erfnet", num_classes=2, in_channels=50).in_channels == 50
    with pytest.raises(RequestError, match="in_channels = 51: ERFNet takes up to 50 channels"):
        build_model("erfnet", num_classes=2, in_channels=51)
