"""Parameter groups: who is decayed, and who learns at which rate."""

import torch
from torch import nn

from terrazzo.train.groups import parameter_groups
from terrazzo.train.optimizer import OptimizerConfig, build_optimizer


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


def test_build_optimizer__one_adamw_step_decays_weights_and_spares_biases() -> None:
    model = nn.Conv2d(1, 1, 1)
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    optimizer = build_optimizer(model, OptimizerConfig(lr=0.1, weight_decay=0.5))
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    decayed = {name: parameter.item() for name, parameter in model.named_parameters()}
    assert decayed == {"weight": torch.tensor(1.0 - 0.1 * 0.5).item(), "bias": 1.0}


def test_build_optimizer__sgd_without_momentum_is_plain_descent() -> None:
    model = nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    optimizer = build_optimizer(model, OptimizerConfig(kind="sgd", lr=0.1, momentum=0.0, weight_decay=0.0))
    model.weight.grad = torch.full_like(model.weight, 2.0)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), torch.full_like(model.weight, 0.8))
