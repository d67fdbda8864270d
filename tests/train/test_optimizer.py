"""Optimisers: one step of each worked out by hand, and Muon's division of the parameters."""

import math

import pytest
import torch
from torch import nn

from terrazzo.models import build_model
from terrazzo.train.optimizer import Kind, OptimizerConfig, build_optimizer


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


def one_step(config: OptimizerConfig, *, gradient: float, weight: float = 1.0) -> float:
    """Step a single weight once."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, weight)
    optimizer = build_optimizer(model, config)
    model.weight.grad = torch.full_like(model.weight, gradient)
    optimizer.step()
    return model.weight.item()


@pytest.mark.parametrize(
    ("kind", "decayed"),
    [
        ("adamw", 1.0 - 0.1 * 0.5 - 0.1),  # the first step is the sign of the gradient
        ("adam", 1.0 - 0.1),  # 2 + 0.5 * 1 has the same sign
        ("lion", 1.0 - 0.1 * 0.5 - 0.1),
        ("rmsprop", 1.0 - 0.1 * 2.5 / math.sqrt(0.01 * 2.5**2)),
        ("sgd", 1.0 - 0.1 * (2.5 + 0.9 * 2.5)),  # Nesterov adds the momentum of this step
    ],
)
def test_build_optimizer__first_steps_worked_out_by_hand(kind: Kind, decayed: float) -> None:
    config = OptimizerConfig(kind=kind, lr=0.1, weight_decay=0.5)
    assert one_step(config, gradient=2.0) == pytest.approx(decayed, abs=1e-6)


def test_build_optimizer__options_arrive() -> None:
    model = nn.Linear(2, 2)
    given = OptimizerConfig(kind="adam", betas=(0.5, 0.6), eps=1e-3)
    group = build_optimizer(model, given).param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.5, 0.6), 1e-3)
    group = build_optimizer(model, OptimizerConfig(kind="rmsprop", momentum=0.3, alpha=0.7)).param_groups[0]
    assert (group["momentum"], group["alpha"]) == (0.3, 0.7)
    assert build_optimizer(model, OptimizerConfig(kind="lion")).param_groups[0]["betas"] == (0.9, 0.99)


def muon_network() -> nn.Module:
    torch.manual_seed(0)
    model = build_model("unet-timm", num_classes=5, encoder="resnet10t")
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return model


def test_build_optimizer__muon_makes_kernels_steps_orthogonal_and_leaves_the_rest_to_adamw() -> None:
    model = muon_network()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    lr = 0.01
    build_optimizer(model, OptimizerConfig(kind="muon", lr=lr, weight_decay=0.0, nesterov=False)).step()
    steps = {name: (before[name] - p.detach()) / lr for name, p in model.named_parameters()}
    kernel = steps["encoder.body.layer2.0.conv1.weight"].flatten(1)
    # Liu et al. 2025, equation 4: an orthogonal matrix times 0.2 * sqrt(the longer side).
    singular = torch.linalg.svdvals(kernel) / (0.2 * math.sqrt(max(kernel.shape)))
    assert singular.min() > 0.6
    assert singular.max() < 1.3
    for name in ("classify.weight", "classify.bias", "encoder.body.bn1.weight"):
        torch.testing.assert_close(steps[name].abs(), torch.ones_like(steps[name]), atol=1e-3, rtol=0)


def test_build_optimizer__muon_continues_from_its_saved_state() -> None:
    states = []
    for resumed in (False, True):
        model, config = muon_network(), OptimizerConfig(kind="muon")
        optimizer = build_optimizer(model, config)
        optimizer.step()
        if resumed:
            saved = optimizer.state_dict()
            optimizer = build_optimizer(model, config)
            optimizer.load_state_dict(saved)
        optimizer.step()
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
