"""DDRNet: the published sizes, and what is special about it: bilateral fusion and deep aggregation."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.prediction import Auxiliary
from terrazzo.models import build_model
from terrazzo.models.ddrnet import BilateralStage, DDRNet
from terrazzo.models.dual_resolution import DAPPM, basic_block, bottleneck, residual_stage
from tests.models.contract import ModelContract, Published, images


class TestDDRNet23Slim(ModelContract):
    name = "ddrnet"
    options: ClassVar[dict[str, Any]] = {"channels": 8}
    stride = 8
    parameters = 1_015_104
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "auxiliary": False},
        ours=5_695_923,
        millions=5.7,
        source="the comparison on Cityscapes, without the extra head",
    )


class TestDDRNet39(ModelContract):
    name = "ddrnet"
    options: ClassVar[dict[str, Any]] = {"variant": "39", "channels": 8, "auxiliary": False}
    stride = 8
    parameters = 1_249_244
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "variant": "39", "auxiliary": False},
        ours=32_360_147,
        millions=32.3,
        source="the comparison on Cityscapes, without the extra head",
    )


def test_ddrnet__23_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build_model("ddrnet", num_classes=19, variant="23", auxiliary=False)
    count = sum(p.numel() for p in model.parameters())
    assert count == 20_148_819
    assert count / 1e6 == pytest.approx(20.1, rel=0.01)


def test_ddrnet__trains_an_extra_head_at_stride_8() -> None:
    model = build_model("ddrnet", num_classes=3, channels=4)
    (extra,) = model(images(2, 3, 64, 96)).auxiliary
    assert isinstance(extra, Auxiliary)
    assert (extra.stride, extra.weight, extra.align_corners) == (8, 0.4, False)
    assert extra.logits.shape == (2, 3, 8, 12)
    without = build_model("ddrnet", num_classes=3, channels=4, auxiliary=False)
    assert without(images(2, 3, 64, 96)).auxiliary == ()


def test_ddrnet__39_fuses_twice_at_stride_16() -> None:
    slim, large = (build_model("ddrnet", num_classes=3, channels=4, variant=name) for name in ("23", "39"))
    assert isinstance(slim, DDRNet)
    assert isinstance(large, DDRNet)
    assert (len(slim.stages), len(large.stages)) == (1, 2)


def test_bilateral_stage__each_branch_gets_the_others_features() -> None:
    torch.manual_seed(0)
    stage: Any = BilateralStage(8, 16, 4, blocks=(1, 1), stride=2, halvings=2).eval()
    coarse, fine = torch.randn(1, 8, 8, 12), torch.randn(1, 4, 16, 24)
    with torch.no_grad():
        one, two = stage(coarse, fine)
        assert (one.shape, two.shape) == ((1, 16, 4, 6), (1, 4, 16, 24))
        nn.init.zeros_(stage.down[-1][0].weight)
        nn.init.zeros_(stage.compress[0].weight)
        alone, alone_fine = stage(coarse, fine)
        torch.testing.assert_close(alone, stage.coarse(coarse.relu()))
        torch.testing.assert_close(alone_fine, stage.fine(fine.relu()))
    assert not torch.allclose(one, alone)
    assert not torch.allclose(two, alone_fine)
    assert (one < 0).any()
    assert (two < 0).any()


def test_residual_stage__ends_before_its_relu() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 4, 8, 8)
    for stage in (residual_stage(4, 6, 2), residual_stage(4, 4, 1), bottleneck(4, 4), basic_block(4, 4)):
        assert (stage(features) < 0).any()
    first, second = list[Any](residual_stage(4, 6, 2))
    assert (first(features) >= 0).all()
    assert (second.activate, basic_block(4, 4, activate=True).activate) == (False, True)


def test_bottleneck__doubles_the_channels() -> None:
    assert bottleneck(4, 6, stride=2)(torch.randn(2, 4, 8, 8)).shape == (2, 12, 4, 4)


def test_dappm__its_pools_see_further_and_further() -> None:
    pools = DAPPM(8, 4, 6).pools
    local = [
        (pool.kernel_size, pool.stride, pool.padding) for pool in pools if isinstance(pool, nn.AvgPool2d)
    ]
    assert local == [(5, 2, 2), (9, 4, 4), (17, 8, 8)]
    assert isinstance(pools[-1], nn.AdaptiveAvgPool2d)


def test_dappm__every_scale_reaches_the_coarser_ones() -> None:
    torch.manual_seed(0)
    context: Any = DAPPM(8, 4, 6).eval()
    features = torch.randn(1, 8, 5, 7)
    with torch.no_grad():
        before = context(features)
        assert before.shape == (1, 6, 5, 7)
        kept = context.compress
        context.compress = nn.Identity()
        context.shortcut = nn.Sequential(nn.ZeroPad2d(0), nn.Conv2d(8, 20, 1))
        nn.init.zeros_(context.shortcut[1].weight)
        nn.init.zeros_(context.shortcut[1].bias)
        scales = context(features).split(4, dim=1)
        nn.init.zeros_(context.scales[2][2].weight)  # the second average
        changed = context(features).split(4, dim=1)
        context.compress = kept
    same = [torch.equal(one, other) for one, other in zip(scales, changed, strict=True)]
    assert same == [True, True, False, False, False]


def test_dappm__takes_a_map_of_one_pixel() -> None:
    context = DAPPM(8, 4, 6).eval()
    assert context(torch.randn(1, 8, 1, 1)).shape == (1, 6, 1, 1)
