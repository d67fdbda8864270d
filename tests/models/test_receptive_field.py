"""Receptive fields, measured, against those worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.receptive_field import measure_receptive_field


class Stack(SegmentationModel):
    """Convolutions, one after the other."""

    def __init__(self, *layers: nn.Module, stride: int = 1) -> None:
        super().__init__(num_classes=2, in_channels=1, stride=stride, multiple=stride)
        self.layers = nn.Sequential(*layers)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.layers(image_BCHW)
        return out


def conv(fan_in: int, fan_out: int, *, dilation: int = 1, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=stride, padding=dilation, dilation=dilation)


@pytest.mark.parametrize(
    ("layers", "stride", "extent"),
    [
        ([conv(1, 2)], 1, 3),
        ([conv(1, 4), conv(4, 2)], 1, 5),
        ([conv(1, 4, dilation=4), conv(4, 2)], 1, 11),
        ([conv(1, 4, stride=2), conv(4, 2)], 2, 7),
    ],
)
def test_measure__extent_is_that_of_the_kernels(layers: list[nn.Module], stride: int, extent: int) -> None:
    field = measure_receptive_field(Stack(*layers, stride=stride), (64, 64), draws=1)
    assert field.extent == (extent, extent)
    assert not field.whole_image
    assert field.effective <= extent
    assert field.gradient_hw.sum() == pytest.approx(1, rel=1e-4)


def test_measure__effective_side_holds_the_share_of_the_gradient() -> None:
    layer = conv(1, 2)
    with torch.no_grad():
        layer.weight[0].fill_(0.0001)  # class 1 counts negatively: alike, they would cancel
        layer.weight[1].fill_(0.0003)
        layer.weight[0, :, 1, 1] = 1.0
    assert measure_receptive_field(Stack(layer), (64, 64)).effective == 1
    with torch.no_grad():
        layer.weight[1, :, 0, 0] = 1.0
    assert measure_receptive_field(Stack(layer), (64, 64)).effective == 3


def test_measure__opens_branches_that_start_closed() -> None:
    norm = nn.BatchNorm2d(2)
    nn.init.zeros_(norm.weight)
    model = Stack(conv(1, 2), norm, conv(2, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert measure_receptive_field(model, (64, 64)).extent == (5, 5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training


def test_measure__an_average_over_the_image_reaches_everywhere() -> None:
    field = measure_receptive_field(build_model("fpn", num_classes=3, encoder="pvt_v2_b0"), (64, 64), draws=1)
    assert field.whole_image
