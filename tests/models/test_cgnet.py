"""CGNet: published size, and its three contexts one by one."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.cgnet import CGNet, DownBlock, GlobalContext, Stage, Surroundings
from tests.models.contract import ModelContract, Published


class TestCGNet(ModelContract):
    name = "cgnet"
    options: ClassVar[dict[str, Any]] = {"n": 2, "dropout": 0.1}
    stride = 8
    parameters = 262_490
    published = Published(
        arguments={"num_classes": 19},
        ours=496_306,
        millions=0.5,
        source="abstract: less than 0.5 million",
    )


def test_surroundings__see_near_by_and_further_away() -> None:
    layer = Surroundings(1, dilation=4)
    with torch.no_grad():
        layer.near.weight.fill_(1.0)
        layer.far.weight.fill_(1.0)
    image = torch.zeros(1, 1, 11, 11)
    image[..., 5, 5] = 1.0
    seen = layer.eval()(image)[0]
    for channel, step in enumerate((1, 4)):
        rows, columns = torch.nonzero(seen[channel], as_tuple=True)
        assert set(rows.tolist()) == set(columns.tolist()) == {5 - step, 5, 5 + step}


def test_global_context__weighs_channels_by_their_means() -> None:
    layer = GlobalContext(4, reduction=2)
    features = torch.randn(2, 4, 6, 5)
    weights = layer.weigh(features.mean(dim=(2, 3)))
    assert weights.min() > 0
    assert weights.max() < 1
    torch.testing.assert_close(layer(features), features * weights.view(2, 4, 1, 1))


def test_stage__adds_to_every_block_but_the_first() -> None:
    stage = Stage(8, 16, 3, dilation=2, reduction=4)
    assert isinstance(stage.down, DownBlock)
    with torch.no_grad():
        for surroundings in (layer for layer in stage.blocks.modules() if isinstance(layer, Surroundings)):
            next(surroundings.join[0].parameters()).zero_()
    first, last = stage(torch.randn(2, 8, 6, 8))
    assert first.shape == (2, 16, 3, 4)
    assert torch.equal(first, last)


def test_cgnet__widths_dilations_and_reductions_are_those_of_the_paper() -> None:
    model = build_model("cgnet", num_classes=2, in_channels=5)
    assert isinstance(model, CGNet)
    joins = [layer for layer in model.joins.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [norm.num_features for norm in joins] == [32 + 5, 128 + 5, 256]
    assert (len(model.stage_2.blocks), len(model.stage_3.blocks)) == (2, 20)
    far = [layer.far.dilation[0] for layer in model.modules() if isinstance(layer, Surroundings)]
    assert far == [2] * 3 + [4] * 21
    inside = [layer.weigh[0].out_features for layer in model.modules() if isinstance(layer, GlobalContext)]
    assert inside == [8] * 24  # 64 / 8 and 128 / 16
    assert {layer.eps for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-3}


def test_cgnet__sees_the_image_again_at_both_joins() -> None:
    model = build_model("cgnet", num_classes=2, n=2).eval()
    assert isinstance(model, CGNet)
    seen: list[torch.Tensor] = []
    for join in model.joins:
        join.register_forward_hook(lambda _module, given, _out: seen.append(given[0]))
    image = torch.randn(1, 3, 64, 64) * 50
    model(image)
    half = nn.functional.avg_pool2d(model.normalize(image), 3, stride=2, padding=1)
    torch.testing.assert_close(seen[0][:, -3:], half)
    torch.testing.assert_close(seen[1][:, -3:], nn.functional.avg_pool2d(half, 3, stride=2, padding=1))


def test_cgnet__refuses_a_stage_of_one_block() -> None:
    with pytest.raises(RequestError, match="m = 1, n = 21: CGNet has 2 blocks or more in either stage"):
        build_model("cgnet", num_classes=2, m=1)
