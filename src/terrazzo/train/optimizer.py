"""Optimisers and their parameter groups.

Weight decay falls on the weights of convolutions and linear layers only: decaying a norm's scale or a bias
pulls activations towards zero without regularising anything (He et al., Bag of Tricks, 2019, section 3.1).
"""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from terrazzo.core.config import Config


class OptimizerConfig(Config):
    """The `optimizer` section of a recipe."""

    kind: Literal["adamw", "sgd"] = "adamw"
    lr: float = Field(1e-3, gt=0.0)
    """Learning rate of the decoder and head, at the top of the schedule."""

    encoder_lr_factor: float = Field(1.0, ge=0.0)
    """Factor on `lr` for the encoder: below 1 when it is pretrained, 1 from random weights."""

    weight_decay: float = Field(0.01, ge=0.0)
    """On conv and linear weights; none on biases, norms and other vectors."""

    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW only."""

    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    """SGD only."""

    nesterov: bool = True
    """SGD only."""


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, object]]:
    """Split a model's trainable parameters by learning rate and weight decay.

    Returns:
        At most four groups, each with `name`, `params`, `base_lr`, `lr` and `weight_decay`; empty ones are
        left out. `base_lr` is the rate before the schedule's factor.
    """
    encoder = {id(p) for p in getattr(model, "encoder", nn.Module()).parameters()}
    decayed = {id(p) for p in _decayed_weights(model)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in encoder, id(parameter) in decayed), []).append(parameter)
    return [
        _group(parameters, config, in_encoder=in_encoder, decay=decay)
        for (in_encoder, decay), parameters in sorted(groups.items())
    ]


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Build the optimiser; its fused implementation is used wherever torch has one for the device."""
    groups = parameter_groups(model, config)
    if config.kind == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=True)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


def _decayed_weights(model: nn.Module) -> list[torch.Tensor]:
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    return [module.weight for module in model.modules() if isinstance(module, kinds)]


def _group(
    parameters: list[nn.Parameter], config: OptimizerConfig, *, in_encoder: bool, decay: bool
) -> dict[str, object]:
    lr = config.lr * (config.encoder_lr_factor if in_encoder else 1.0)
    return {
        "name": f"{'encoder' if in_encoder else 'decoder'}, {'decayed' if decay else 'not decayed'}",
        "params": parameters,
        "base_lr": lr,
        "lr": lr,
        "weight_decay": config.weight_decay if decay else 0.0,
    }
