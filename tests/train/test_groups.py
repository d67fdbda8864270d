"""Parameter groups: who is decayed, and who learns at which rate."""

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.train.groups import Group, parameter_groups


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.decoder = nn.Sequential(nn.ConvTranspose2d(4, 4, 2), nn.GroupNorm(2, 4), nn.Linear(4, 2))


def test_parameter_groups__decay_falls_on_conv_and_linear_weights_only() -> None:
    model = Tiny()
    groups = parameter_groups(model, lr=1.0, encoder_factor=0.1, weight_decay=0.5)
    decay_of = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    names = {name for name, p in model.named_parameters() if decay_of[id(p)]}
    assert names == {"encoder.0.weight", "decoder.0.weight", "decoder.2.weight"}


def test_parameter_groups__every_parameter_once_and_encoder_slower() -> None:
    model = Tiny()
    groups = parameter_groups(model, lr=1.0, encoder_factor=0.1)
    parameters = [p for g in groups for p in g["params"]]
    assert sorted(map(id, parameters)) == sorted(map(id, model.parameters()))
    lr_of = {id(p): g["base_lr"] for g in groups for p in g["params"]}
    assert {lr_of[id(p)] for p in model.encoder.parameters()} == {0.1}
    assert {lr_of[id(p)] for p in model.decoder.parameters()} == {1.0}


def test_parameter_groups__leaves_frozen_parameters_out() -> None:
    model = Tiny()
    model.encoder.requires_grad_(False)
    groups = parameter_groups(model, lr=1.0)
    assert {str(g["name"]).split(",")[0] for g in groups} == {"decoder"}


def vit() -> SegmentationModel:
    options = {"img_size": 64, "embed_dim": 32, "depth": 3, "num_heads": 2}
    with torch.device("meta"):
        return build_model(
            "setr",
            num_classes=3,
            encoder="vit_tiny_patch16_224",
            encoder_options=options,
            decoder="naive",
            channels=8,
        )


def rates(model: nn.Module, groups: list[Group]) -> dict[str, float]:
    of = {id(p): group["base_lr"] for group in groups for p in group["params"]}
    assert len(of) == sum(len(group["params"]) for group in groups)
    return {name: of[id(p)] for name, p in model.named_parameters()}


def test_parameter_groups__last_layers_learn_faster_than_the_rest_of_the_decoder() -> None:
    with torch.device("meta"):
        model = build_model("pspnet", num_classes=3, encoder="resnet10t")
    groups = parameter_groups(
        model, lr=1.0, encoder_factor=0.1, decoder_factor=2.0, last_layer_factor=10.0, weight_decay=0.5
    )
    found = rates(model, groups)
    last = {"classify.weight", "classify.bias", "auxiliary.2.weight", "auxiliary.2.bias"}
    assert {name for name, rate in found.items() if rate == 20.0} == last
    assert {rate for name, rate in found.items() if name.startswith("encoder.")} == {0.1}
    assert {found[name] for name in found.keys() - last if not name.startswith("encoder.")} == {2.0}
    assert [str(g["name"]) for g in groups[-3:]] == [
        "classifier, decayed",
        "decoder, not decayed",
        "decoder, decayed",
    ]


def test_parameter_groups__rates_decay_layer_by_layer_towards_the_stem() -> None:
    model = vit()
    found = rates(model, parameter_groups(model, lr=1.0, encoder_factor=0.5, layer_decay=0.1))
    depths = ["patch_embed.proj", *(f"blocks.{i}.attn.qkv" for i in range(3))]
    decayed = [found[f"encoder.body.{name}.weight"] for name in depths]
    assert decayed == pytest.approx([0.5e-4, 0.5e-3, 0.5e-2, 0.5e-1])
    assert {found[name] for name in found if not name.startswith("encoder.")} == {1.0}


def test_parameter_groups__layer_decay_of_a_network_without_layers_is_refused() -> None:
    with pytest.raises(RequestError, match="Layer-wise decay needs an encoder of timm"):
        parameter_groups(Tiny(), lr=1.0, layer_decay=0.9)
