"""V-Net: on images and on volumes, and the stages of its paper."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.losses.region import dice
from terrazzo.models import build_model
from terrazzo.models.vnet import Layers, Stage, VNet
from tests.models.contract import ModelContract, Published


class TestVNet(ModelContract):
    name = "vnet"
    options: ClassVar[dict[str, Any]] = {"first_width": 4}
    learning_rate = 1e-3  # without norms, as published, larger steps overshoot
    stride = 1
    parameters = 831_312


class TestVNetOnVolumes(ModelContract):
    name = "vnet"
    options: ClassVar[dict[str, Any]] = {"dimensions": 3, "first_width": 2}
    learning_rate = 1e-3  # without norms, as published, larger steps overshoot
    stride = 1
    sides = 3
    parameters = 1_019_858
    published = Published(
        arguments={"num_classes": 2, "in_channels": 1, "dimensions": 3},
        ours=65_175_314,
        millions=None,
        source="the paper counts no parameters; test_vnet__convolutions_are_those_of_table_1 follows it",
    )


class TestVNetWithBatchNorm(ModelContract):
    name = "vnet"
    options: ClassVar[dict[str, Any]] = {"first_width": 4, "norm": "batch"}
    stride = 1
    parameters = 833_040


def build(**options: Any) -> VNet:
    torch.manual_seed(0)
    model = build_model("vnet", num_classes=2, **options)
    assert isinstance(model, VNet)
    return model


def test_vnet__convolutions_are_those_of_table_1() -> None:
    with torch.device("meta"):
        model = build(in_channels=1, dimensions=3)
    convs = [conv for conv in model.modules() if isinstance(conv, nn.Conv3d)]
    widths = {(conv.out_channels, conv.kernel_size): 0 for conv in convs}
    for conv in convs:
        widths[conv.out_channels, conv.kernel_size] += 1
    large, down = (5, 5, 5), (2, 2, 2)
    assert widths == {
        (16, large): 1,
        (32, large): 2 + 1,  # stage 2 of the way down, stage 1 of the way back
        (64, large): 3 + 2,
        (128, large): 3 + 3,
        (256, large): 3 + 3,
        (32, down): 1,
        (64, down): 1,
        (128, down): 1,
        (256, down): 1,
        (2, (1, 1, 1)): 1,
    }


def test_stage__without_convolutions_is_its_input_through_prelu() -> None:
    stage = Stage(Layers(2, "none"), 3, 3, 2)
    for parameter in stage.convs.parameters():
        nn.init.zeros_(parameter)
    image = torch.tensor([-4.0, 2.0, 8.0]).view(1, 3, 1, 1).expand(1, 3, 5, 5)
    expected = torch.tensor([-1.0, 2.0, 8.0]).view(1, 3, 1, 1).expand(1, 3, 5, 5)  # slope 0.25
    assert torch.equal(stage(image), expected)


@pytest.mark.parametrize(
    ("in_channels", "expected"), [(1, [1, 1, 1, 1]), (3, [1, 2, 3, 1]), (6, [1, 2, 3, 4])]
)
def test_stage__the_first_adds_the_image_channel_by_channel_in_turn(
    in_channels: int, expected: list[int]
) -> None:
    stage = Stage(Layers(2, "none"), in_channels, 4, 1)
    for parameter in stage.convs.parameters():
        nn.init.zeros_(parameter)
    image = torch.arange(1.0, 1 + in_channels).view(1, -1, 1, 1)
    assert stage(image).flatten().tolist() == expected


def test_vnet__forwards_the_features_of_each_level() -> None:
    model = build(first_width=2).eval()
    for up in model.up:
        for parameter in up.parameters():
            nn.init.zeros_(parameter)
    forwarded: list[torch.Tensor] = []
    given: list[torch.Tensor] = []
    for stage in model.encoder:
        stage.register_forward_hook(lambda _stage, _given, output: forwarded.append(output))
    for stage in model.decoder:
        stage.register_forward_hook(lambda _stage, inputs, _output: given.append(inputs[0]))
    model(torch.rand(1, 3, 48, 48) * 255)
    for features, level in zip(given, forwarded[-2::-1], strict=True):
        half = features.shape[1] // 2
        assert not features[:, :half].any()
        assert torch.equal(features[:, half:], level)


def test_vnet__a_volume_of_equal_slices_is_no_image() -> None:
    model = build(dimensions=3, first_width=2)
    with pytest.raises(RequestError, match=r"this model takes \(B, 3, D, H, W\)"):
        model(torch.zeros(2, 3, 64, 64))


def test_vnet__learns_a_ball_with_dice() -> None:
    model = build(in_channels=1, dimensions=3, first_width=2, norm="batch")
    grid = torch.stack(torch.meshgrid(*(torch.arange(33.0),) * 3, indexing="ij"))
    ball = ((grid - 16).square().sum(0) < 100).to(torch.uint8)[None]
    volume = (ball * 120 + 60)[:, None].float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(15):
        loss = dice(model(volume).logits, ball, stride=1)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 < losses[0]


def test_vnet__refuses_no_width() -> None:
    with pytest.raises(RequestError, match="first_width = 0"):
        build(first_width=0)
