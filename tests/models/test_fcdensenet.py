"""FC-DenseNet: published sizes, the number of layers in its name, and the widths of table 2."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.models import build_model
from terrazzo.models.fcdensenet import PLANS, DenseBlock, FCDenseNet, Plan, TransitionDown, TransitionUp
from tests.models.contract import ModelContract, Published


class TestFCDenseNet(ModelContract):
    name = "fcdensenet"
    options: ClassVar[dict[str, Any]] = {"layers": 56}
    stride = 1
    parameters = 46_816

    @pytest.fixture(autouse=True)
    def _shallow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One layer per block: all else is as in the variants of the paper."""
        monkeypatch.setitem(PLANS, 56, Plan(growth=4, depths=(1,) * 11))

    published = Published(arguments={"num_classes": 11}, ours=9_322_091, millions=9.4, source="table 3")


def on_paper(layers: int) -> FCDenseNet:
    with torch.device("meta"):
        model = build_model("fcdensenet", num_classes=11, layers=layers)
    assert isinstance(model, FCDenseNet)
    return model


@pytest.mark.parametrize(("layers", "ours", "published"), [(56, 1_376_795, 1.5), (67, 3_463_243, 3.5)])
def test_fcdensenet__smaller_variants_have_the_published_size(
    layers: int, ours: int, published: float
) -> None:
    model = on_paper(layers)
    assert sum(p.numel() for p in model.parameters()) == ours
    # The authors' code counts running statistics, too: 1.40 and 3.50 million; the paper has 1.5 and 3.5.
    statistics = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    assert (ours + statistics) / 1e6 == pytest.approx(published, abs=0.11)


def widest(module: nn.Module) -> int:
    """Return the width of the widest convolution's input: what is stacked before the last layer."""
    return max(layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d))


@pytest.mark.parametrize("layers", sorted(PLANS))
def test_fcdensenet__is_named_after_its_convolutions(layers: int) -> None:
    convolutions = nn.Conv2d | nn.ConvTranspose2d
    assert sum(isinstance(layer, convolutions) for layer in on_paper(layers).modules()) == layers


def test_fcdensenet__widths_are_those_of_table_2() -> None:
    model = on_paper(103)
    assert [widest(step) for step in model.down] == [112, 192, 304, 464, 656]
    # Table 2 gives 16 less from the bottleneck on, an error that the authors correct in their README.
    assert [widest(block) + 16 for block in model.blocks[5:]] == [896, 1088, 816, 576, 384, 256]
    assert [up.in_channels for up in model.up] == [240, 192, 160, 112, 80]
    assert model.classify.in_channels == 256


def test_dense_block__returns_the_new_features_and_each_layer_sees_all_before() -> None:
    torch.manual_seed(0)
    block = DenseBlock(6, 4, depth=3, dropout=0.2).eval()
    features = torch.randn(2, 6, 5, 7)
    with torch.no_grad():
        first = block.layers[0](features)
        second = block.layers[1](torch.cat([features, first], dim=1))
        third = block.layers[2](torch.cat([features, first, second], dim=1))
        torch.testing.assert_close(block(features), torch.cat([first, second, third], dim=1))
    kinds = [type(layer) for layer in block.layers[0].children()]
    assert kinds == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Dropout]


def test_transitions__halve_and_double_the_size_and_keep_the_width() -> None:
    features = torch.randn(2, 8, 6, 10)
    assert TransitionDown(8, dropout=0.2)(features).shape == (2, 8, 3, 5)
    up = TransitionUp(8)
    assert up.kernel_size == (3, 3)
    assert up(features).shape == (2, 8, 12, 20)


def test_fcdensenet__only_new_features_are_widened() -> None:
    model = build_model("fcdensenet", num_classes=2, layers=56).eval()
    assert isinstance(model, FCDenseNet)
    seen: list[int] = []
    for up in model.up:
        up.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    assert seen == [4 * 12] * 5


def test_fcdensenet__drops_a_fifth_in_training_only() -> None:
    model = build_model("fcdensenet", num_classes=2, layers=56)
    drops = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert drops == [0.2] * (11 * 4 + 5)
