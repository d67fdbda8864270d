"""Fast-SCNN: bottlenecks, fusion and auxiliary heads."""

from typing import Any, ClassVar

import torch

from terrazzo.models import build_model
from terrazzo.models.fastscnn import Bottleneck, FeatureFusion
from tests.models.contract import ModelContract, Published, images


class TestFastSCNN(ModelContract):
    name = "fastscnn"
    options: ClassVar[dict[str, Any]] = {
        "downsample_channels": (8, 8, 16),
        "bottleneck_channels": (8, 8, 16),
        "channels": 16,
    }
    stride = 8
    parameters = 33_988
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "auxiliary": "none"},
        ours=1_138_051,
        millions=1.11,
        source="table 6",
        reason=(
            "the paper does not list the widths inside its pyramid pooling; Tramac/Fast-SCNN-pytorch has our "
            "count"
        ),
    )


class TestFastSCNNAsTrainedElsewhere(ModelContract):
    name = "fastscnn"
    options: ClassVar[dict[str, Any]] = {
        "downsample_channels": (8, 8, 16),
        "bottleneck_channels": (8, 8, 16),
        "channels": 16,
        "auxiliary": "first",
        "pad_first": False,
        "align_corners": True,
    }
    stride = 8
    parameters = 29_184
    needs_two_images = True


def test_bottleneck__adds_its_input_where_it_can() -> None:
    block = Bottleneck(4, 4).eval()
    torch.nn.init.zeros_(dict(block.named_parameters())["convs.2.1.weight"])
    features = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(block(features), features)
    assert Bottleneck(4, 6, stride=2)(features.repeat(2, 1, 1, 1)).shape == (2, 6, 3, 3)


def test_feature_fusion__has_the_size_of_the_fine_branch() -> None:
    fuse = FeatureFusion(6, 8, align_corners=False)
    assert fuse(torch.randn(2, 6, 16, 20), torch.randn(2, 8, 4, 5)).shape == (2, 8, 16, 20)


def test_fastscnn__supervises_both_modules_with_weight_04() -> None:
    model = build_model("fastscnn", num_classes=3, **TestFastSCNN.options)
    outputs = model(images(2, 3, 64, 96)).auxiliary
    assert [(output.stride, output.weight) for output in outputs] == [(8, 0.4), (32, 0.4)]
    plain = build_model("fastscnn", num_classes=3, auxiliary="none", **TestFastSCNN.options)
    assert plain(images(2, 3, 64, 96)).auxiliary == ()
