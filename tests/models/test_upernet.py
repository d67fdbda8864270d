"""UPerNet: its size, its second head, and how context comes down the pyramid."""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from terrazzo.models import build_model
from terrazzo.models.upernet import LevelNorm, UPerNet
from tests.models.contract import ModelContract, Published

SMALL_CONVNEXT: dict[str, Any] = {"dims": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
SMALL_RESNET: dict[str, Any] = {"channels": [8, 16, 32, 64]}


class TestUPerNet(ModelContract):
    name = "upernet"
    encoder = "convnext_tiny"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL_CONVNEXT,
        "channels": 16,
        "auxiliary_channels": 12,
    }
    stride = 4
    parameters = 61_744
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 150},
        ours=60_242_636,
        millions=60,
        source="ConvNeXt paper, table 4",
    )


class TestUPerNetResNet(ModelContract):
    name = "upernet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL_RESNET,
        "channels": 16,
        "bins": (1, 3),
        "level_norm": False,
        "auxiliary": False,
        "align_corners": True,
    }
    stride = 4
    parameters = 141_196
    needs_two_images = True


def upernet(**options: Any) -> UPerNet:
    torch.manual_seed(0)
    given = {"encoder": "convnext_tiny", "encoder_options": SMALL_CONVNEXT, "channels": 16, **options}
    model = build_model("upernet", num_classes=3, **given)
    assert isinstance(model, UPerNet)
    return model


@pytest.mark.parametrize(
    ("encoder", "count", "millions"),
    [("convnext_small", 81_877_196, 82), ("convnext_base", 122_102_956, 122)],
)
def test_upernet__has_the_published_number_of_parameters(encoder: str, count: int, millions: float) -> None:
    with torch.device("meta"):
        model = build_model("upernet", num_classes=150, encoder=encoder)
    assert sum(p.numel() for p in model.parameters()) == count
    assert count / 1e6 == pytest.approx(millions, abs=0.5)


def test_upernet__the_second_head_is_at_stride_16_and_weighs_less() -> None:
    (auxiliary,) = upernet()(torch.zeros(2, 3, 96, 128)).auxiliary
    assert (auxiliary.stride, auxiliary.weight) == (16, 0.4)
    assert auxiliary.logits.shape == (2, 3, 6, 8)
    assert upernet(auxiliary=False)(torch.zeros(2, 3, 96, 128)).auxiliary == ()


def test_upernet__the_second_head_sees_the_normed_level() -> None:
    model: Any = upernet()
    given: list[Tensor] = []
    model.auxiliary.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    model(torch.randint(256, (2, 3, 96, 128), dtype=torch.uint8))
    assert given[0].mean(1).abs().max() < 1e-5


def test_level_norm__takes_the_mean_and_spread_of_every_pixel() -> None:
    features = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1) * torch.tensor([1.0, 10.0]).view(1, 1, 1, 2)
    normed = LevelNorm(2)(features)
    torch.testing.assert_close(normed, torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2))


def test_upernet__context_is_added_to_every_level_and_comes_last_itself() -> None:
    model: Any = upernet(auxiliary=False, level_norm=False).eval()
    levels = [
        torch.zeros(1, width, 32 // s, 64 // s)
        for width, s in zip((8, 16, 24, 32), (1, 2, 4, 8), strict=True)
    ]
    model.context = torch.nn.Conv2d(32, 16, 1)
    torch.nn.init.ones_(model.context.bias)
    model.lateral = torch.nn.ModuleList(torch.nn.Conv2d(width, 16, 1) for width in (8, 16, 24))
    model.smooth = torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))
    for value, lateral in zip((100.0, 10.0, 5.0), model.lateral, strict=True):
        torch.nn.init.constant_(lateral.bias, value)
    pyramid = model._top_down(levels)
    assert [tuple(level.shape[-2:]) for level in pyramid] == [(32, 64), (16, 32), (8, 16), (4, 8)]
    assert [level.unique().tolist() for level in pyramid] == [[116.0], [16.0], [6.0], [1.0]]


def test_upernet__uses_levels_from_stride_4_and_any_number_of_them() -> None:
    options = {**SMALL_RESNET, "out_indices": [0, 1, 2, 3]}
    model = upernet(encoder="resnet10t", encoder_options=options).eval()
    assert (model.multiple, len(model.lateral)) == (16, 2)
    logits = model.logits(torch.zeros(1, 3, 64, 96))
    assert isinstance(logits, Tensor)
    assert logits.shape == (1, 3, 16, 24)


def test_upernet__drops_maps_in_training_only() -> None:
    model = upernet(dropout=0.5)
    image = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    assert not torch.equal(model(image).logits, model(image).logits)
    model.eval()
    assert torch.equal(model(image).logits, model(image).logits)
