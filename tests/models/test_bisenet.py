"""BiSeNet: two paths, attention over channels, and supervision of the context path."""

from typing import Any, ClassVar

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.bisenet import AttentionRefinement, FeatureFusion, SpatialPath
from tests.models.contract import ModelContract, Published, images


class TestBiSeNet(ModelContract):
    name = "bisenet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": {"channels": [8, 16, 32, 64]},
        "path_channels": 16,
        "head_channels": 16,
    }
    stride = 8
    parameters = 292_564
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "encoder": "resnet18"},
        ours=13_842_873,
        millions=49.0,
        source="table 5, BiSeNet on Res18",
        reason=(
            "ResNet-18 is 11.2 M of ours; the wiring of figure 2 leaves no room for 36 M more, and the paper "
            "does not say what it counts"
        ),
    )


def test_spatial_path__shrinks_by_eight() -> None:
    assert SpatialPath(5, 12)(torch.randn(2, 5, 40, 64)).shape == (2, 12, 5, 8)


def test_attention_refinement__weighs_channels_between_0_and_1() -> None:
    block = AttentionRefinement(4, 6).eval()
    features = torch.randn(2, 4, 8, 8)
    plain = block.conv(features)
    shares = (block(features) / plain)[plain > 0]
    assert 0 < shares.min() <= shares.max() < 1


def test_feature_fusion__adds_a_share_of_the_features_to_themselves() -> None:
    block = FeatureFusion(8, 8).eval()
    spatial, context = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)
    plain = block.conv(torch.cat([spatial, context], dim=1))
    ratio = (block(spatial, context) / plain)[plain > 0]
    assert 1 < ratio.min() <= ratio.max() < 2


def test_bisenet__supervises_both_context_maps_with_weight_one() -> None:
    options = TestBiSeNet.options
    model = build_model("bisenet", num_classes=3, encoder="resnet10t", **options)
    outputs = model(images(2, 3, 64, 96)).auxiliary
    assert [(output.stride, output.weight) for output in outputs] == [(16, 1.0), (8, 1.0)]
    plain = build_model("bisenet", num_classes=3, encoder="resnet10t", auxiliary=False, **options)
    assert plain(images(2, 3, 64, 96)).auxiliary == ()


def test_bisenet__refuses_dilated_encoders() -> None:
    with pytest.raises(RequestError, match="needs maps of strides 8, 16 and 32"):
        build_model("bisenet", num_classes=3, encoder="resnet10t", encoder_options={"output_stride": 16})
