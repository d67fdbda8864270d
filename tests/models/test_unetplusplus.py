"""U-Net++: the grid of nodes, deep supervision, and where it ends."""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.unetplusplus import NestedSkips, UNetPlusPlus
from tests.models.contract import ModelContract, Published

TINY: dict[str, Any] = {"encoder_options": {"channels": [8, 16, 32, 64]}}


class TestUNetPlusPlus(ModelContract):
    name = "unetplusplus"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {**TINY, "decoder_channels": [32, 16, 16, 8, 8]}
    stride = 1
    parameters = 547_960
    published = Published(
        arguments={"num_classes": 1, "encoder": "resnet34", "deep_supervision": False},
        ours=26_078_609,
        millions=None,
        source="the paper's encoder is no timm network; this is segmentation_models_pytorch's count",
    )


class TestUNetPlusPlusWithoutFineSkips(ModelContract):
    name = "unetplusplus"
    encoder = "convnext_atto"
    options: ClassVar[dict[str, Any]] = {"decoder_channels": [32, 16, 16, 8], "deep_supervision": False}
    stride = 2
    parameters = 3_936_124


def build(**options: Any) -> UNetPlusPlus:
    model = build_model("unetplusplus", num_classes=3, encoder="resnet10t", **TINY, **options)
    assert isinstance(model, UNetPlusPlus)
    return model


def test_nested_skips__every_node_sees_its_level_and_the_node_below() -> None:
    skips = NestedSkips((2, 3, 5), (2, 4, 8), (7, 11))
    inputs = {name: node.conv1[0].in_channels for name, node in skips.nodes.items()}  # type: ignore[union-attr,index]
    outputs = {name: node.conv2[0].out_channels for name, node in skips.nodes.items()}  # type: ignore[union-attr,index]
    # X^{0,1}: X^{1,0} and X^{0,0}; X^{1,1}: X^{2,0} and X^{1,0}; X^{0,2}: X^{1,1}, X^{0,1} and X^{0,0}.
    assert inputs == {"0_1": 3 + 2, "1_1": 5 + 3, "0_2": 11 + 2 + 2}
    assert outputs == {"0_1": 2, "1_1": 11, "0_2": 7}


def test_nested_skips__an_inner_node_does_not_see_the_coarser_levels() -> None:
    torch.manual_seed(0)
    skips = NestedSkips((2, 3, 5), (2, 4, 8), (7, 11)).eval()
    levels = [torch.randn(1, width, side, side) for width, side in ((2, 8), (3, 4), (5, 2))]
    first, last = skips(levels)
    levels[2] = levels[2] + 1
    first_again, last_again = skips(levels)
    assert torch.equal(first, first_again)
    assert not torch.equal(last, last_again)


def test_unetplusplus__supervises_the_inner_nodes_of_the_finest_level() -> None:
    auxiliary = build()(images := torch.zeros(2, 3, 64, 96)).auxiliary
    assert [(output.stride, output.weight) for output in auxiliary] == [(2, 1.0)] * 3
    assert all(output.logits.shape == (2, 3, 32, 48) for output in auxiliary)
    assert build(deep_supervision=False)(images).auxiliary == ()


def test_unetplusplus__each_head_reads_its_own_node() -> None:
    model = build()
    seen: list[Tensor] = []
    model.skips.register_forward_hook(lambda _module, _given, nodes: seen.extend(nodes))
    auxiliary = model(torch.rand(2, 3, 64, 64) * 255).auxiliary
    for node, classify, output in zip(seen, model.auxiliary, auxiliary, strict=False):
        assert torch.equal(classify(node), output.logits)


def test_unetplusplus__fewer_widths_end_it_earlier() -> None:
    model = build(decoder_channels=[32, 16, 16, 8])
    assert model.stride == 2
    assert model.eval()(torch.zeros(1, 3, 64, 64)).logits.shape == (1, 3, 32, 32)


def test_unetplusplus__keeps_the_size_where_strides_repeat() -> None:
    options = {"output_stride": 8, **TINY["encoder_options"]}
    model = build_model("unetplusplus", num_classes=3, encoder="resnet10t", encoder_options=options)
    assert model.multiple == 8
    assert model.eval()(torch.zeros(1, 3, 40, 48)).logits.shape == (1, 3, 40, 48)


@pytest.mark.parametrize("widths", [[64] * 3, [64] * 6, [64, 64, 64, 64, 0]])
def test_unetplusplus__refuses_impossible_decoder_channels(widths: list[int]) -> None:
    with pytest.raises(RequestError, match="this encoder needs 4 levels and leaves room for 5"):
        build(decoder_channels=widths)
