"""BiSeNet V2: branches, layers and booster heads."""

from typing import Any, ClassVar

import torch

from terrazzo.models import build_model
from terrazzo.models.bisenetv2_parts import (
    ContextEmbedding,
    DetailBranch,
    GatherExpand,
    GuidedAggregation,
    SemanticBranch,
)
from tests.models.contract import ModelContract, Published, images


class TestBiSeNetV2(ModelContract):
    name = "bisenetv2"
    options: ClassVar[dict[str, Any]] = {
        "detail_channels": (8, 8, 16),
        "semantic_channels": (4, 8, 16),
        "expansion": 2,
        "head_channels": 32,
    }
    stride = 8
    parameters = 1_670_768
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "auxiliary": False},
        ours=3_358_627,
        millions=None,
        source="the paper gives no count; that of CoinCheung/BiSeNet in evaluation is the same",
    )


def test_detail_branch__has_a_convolution_of_stride_two_per_stage() -> None:
    assert DetailBranch(3, (4, 6, 8))(torch.randn(2, 3, 32, 48)).shape == (2, 8, 4, 6)


def test_semantic_branch__gives_its_stages() -> None:
    levels = SemanticBranch(3, (4, 6, 8, 10), expansion=2)(torch.randn(2, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [(4, 16, 24), (6, 8, 12), (8, 4, 6), (10, 2, 3)]


def test_gather_expand__adds_its_shortcut() -> None:
    layer = GatherExpand(4, 4, stride=1, expansion=2).eval()
    torch.nn.init.zeros_(dict(layer.named_parameters())["project.1.weight"])
    features = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(layer(features), features.relu())
    assert GatherExpand(4, 6, stride=2, expansion=2)(features.repeat(2, 1, 1, 1)).shape == (2, 6, 3, 3)


def test_context_embedding__sees_the_whole_image_from_everywhere() -> None:
    torch.manual_seed(0)
    block = ContextEmbedding(4).eval()
    features = torch.randn(1, 4, 12, 12)
    changed = features.clone()
    changed[..., -1, -1] += 10
    assert not torch.equal(block(features)[..., 0, 0], block(changed)[..., 0, 0])


def test_guided_aggregation__lets_each_branch_gate_the_other() -> None:
    block = GuidedAggregation(4).eval()
    detail, semantic = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 2, 2)
    assert block(detail, semantic).shape == (1, 4, 8, 8)
    assert not torch.equal(block(detail, semantic), block(detail, -semantic))
    torch.testing.assert_close(block(detail * 0, semantic), block(detail * 0, -semantic))


def test_bisenetv2__boosts_every_stage_of_the_semantic_branch() -> None:
    model = build_model("bisenetv2", num_classes=3, **TestBiSeNetV2.options)
    outputs = model(images(2, 3, 64, 96)).auxiliary
    assert [(output.stride, output.weight) for output in outputs] == [(2, 1), (4, 1), (8, 1), (16, 1)]
    plain = build_model("bisenetv2", num_classes=3, auxiliary=False, **TestBiSeNetV2.options)
    assert plain(images(2, 3, 64, 96)).auxiliary == ()
