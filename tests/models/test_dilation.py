"""dilate_first: which convolutions it changes, and where it is refused."""

from typing import Any

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models.encoder import Encoder, build_encoder


def dilations_of(encoder: Encoder) -> dict[str, list[int]]:
    """Return the dilations of the 3x3 convolutions, stage by stage."""
    return {
        name: [
            conv.dilation[0]
            for conv in stage.modules()
            if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)
        ]
        for name, stage in encoder.body.named_children()
        if name.startswith("layer")
    }


def build(name: str, **options: Any) -> Encoder:
    return build_encoder(name, in_channels=3, options=options)


def test_dilate_first__without_it_first_blocks_keep_the_dilation_before() -> None:
    assert dilations_of(build("resnet18", output_stride=8)) == {
        "layer1": [1, 1, 1, 1],
        "layer2": [1, 1, 1, 1],
        "layer3": [1, 2, 2, 2],
        "layer4": [2, 4, 4, 4],
    }


@pytest.mark.parametrize(
    ("output_stride", "layer3", "layer4"),
    [(8, [2, 2, 2, 2], [4, 4, 4, 4]), (16, [1, 1, 1, 1], [2, 2, 2, 2]), (32, [1] * 4, [1] * 4)],
)
def test_dilate_first__dilates_whole_stages(output_stride: int, layer3: list[int], layer4: list[int]) -> None:
    dilations = dilations_of(build("resnet18", output_stride=output_stride, dilate_first=True))
    assert (dilations["layer3"], dilations["layer4"]) == (layer3, layer4)
    assert dilations["layer1"] == dilations["layer2"] == [1, 1, 1, 1]


def test_dilate_first__keeps_the_sizes_of_the_levels() -> None:
    encoder = build("resnext50_32x4d", output_stride=8, dilate_first=True).eval()
    with torch.no_grad():
        levels = encoder(torch.zeros(1, 3, 40, 56))
    assert [tuple(level.shape[2:]) for level in levels] == [(20, 28), (10, 14), (5, 7), (5, 7), (5, 7)]


def test_dilate_first__does_with_fewer_stages_and_without_a_stride() -> None:
    encoder = build("resnet18", output_stride=8, out_indices=[0, 1, 2, 3], dilate_first=True)
    assert dilations_of(encoder)["layer3"] == [2, 2, 2, 2]
    assert dilations_of(build("resnet18", dilate_first=True))["layer4"] == [1, 1, 1, 1]


def test_dilate_first__refuses_other_networks() -> None:
    with pytest.raises(
        RequestError, match="'mobilenetv3_small_050' has no residual stages that dilate_first"
    ):
        build("mobilenetv3_small_050", output_stride=16, dilate_first=True)
