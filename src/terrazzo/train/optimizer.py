"""Optimisers: the section of a recipe, and what it builds.

SGD, Adam, AdamW and RMSprop are torch's. Lion and Muon are timm's (Apache-2.0, a dependency already): torch
has no Lion, and its Muon takes matrices only and leaves the other parameters to a second optimiser, while
timm's reads a kernel (O, I, h, w) as an O x Ihw matrix and carries AdamW for the rest, all in one state.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from terrazzo.core.config import Config
from terrazzo.train.groups import Group, parameter_groups

Kind = Literal["adamw", "adam", "sgd", "rmsprop", "lion", "muon"]

BETAS: dict[str, tuple[float, float]] = {
    "adam": (0.9, 0.999),
    "adamw": (0.9, 0.999),
    "lion": (0.9, 0.99),
    "muon": (0.9, 0.95),
}
"""Kingma and Ba 2015, algorithm 1; Chen et al. 2023, Lion, section 5; the AdamW inside Jordan's Muon."""

MOMENTUM = {"sgd": 0.9, "rmsprop": 0.9, "muon": 0.95}
"""He et al. 2016, ResNet, section 3.4; Sandler et al. 2018, MobileNetV2, section 6.1; Jordan's Muon."""


class OptimizerConfig(Config):
    """The `optimizer` section of a recipe."""

    kind: Kind = "adamw"
    """sgd; adam (Kingma and Ba 2015); adamw (Loshchilov and Hutter 2019); rmsprop (Tieleman and Hinton 2012);
    lion (Chen et al. 2023; section 5: 3 to 10 times below AdamW's `lr`, and above its `weight_decay`); muon
    (Jordan 2024, scaled to AdamW's `lr` as in Liu et al. 2025, section 2.2): conv and linear weights, AdamW
    for biases, norms, classifiers, depthwise kernels and whatever else is too narrow for it.
    """

    lr: float = Field(1e-3, gt=0.0)
    """Learning rate at the top of the schedule, before the factors below."""

    encoder_lr_factor: float = Field(1.0, ge=0.0)
    """Factor on `lr` for the encoder: below 1 when it is pretrained, 1 from random weights."""

    decoder_lr_factor: float = Field(1.0, gt=0.0)
    """Factor on `lr` for everything but the encoder."""

    last_layer_lr_factor: float = Field(1.0, gt=0.0)
    """A further factor for the layers that turn features into class scores, auxiliary heads included; 10 in
    DeepLab (Chen et al. 2017, section 4.1).
    """

    layer_decay: float = Field(1.0, gt=0.0, le=1.0)
    """Factor on the encoder's rate per layer below the decoder (as BEiT is fine-tuned, Bao et al. 2022): 0.65
    to 0.9 for pretrained transformers; 1 for none.
    """

    freeze_encoder: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the budget in which the encoder stays as it is, batch norm's statistics included."""

    freeze_encoder_steps: int = Field(0, ge=0)
    """The same in optimiser steps; with both, the encoder is frozen as long as either says so."""

    weight_decay: float = Field(0.01, ge=0.0)
    """On conv and linear weights; none on biases, norms and other vectors. Decoupled from the gradient in
    adamw, lion and muon; added to it (an L2 penalty) in sgd, adam and rmsprop.
    """

    betas: tuple[float, float] | None = None
    """Decays of the running means of the gradient and of its square (Lion: of the step and of the momentum),
    0..1. None: those published, (0.9, 0.999), Lion (0.9, 0.99), AdamW inside Muon (0.9, 0.95).
    """

    momentum: float | None = Field(None, ge=0.0, lt=1.0)
    """Share of the last step that is kept, in sgd, rmsprop and muon. None: 0.9, Muon 0.95."""

    nesterov: bool = True
    """Whether the momentum looks ahead, in sgd and muon (where the AdamW inside becomes NAdamW)."""

    alpha: float = Field(0.99, ge=0.0, lt=1.0)
    """Decay of RMSprop's running mean of squared gradients."""

    eps: float = Field(1e-8, gt=0.0)
    """Added to the root of the mean square in adam, adamw and rmsprop."""

    newton_schulz_steps: int = Field(5, ge=1)
    """Steps by which Muon makes an update orthogonal."""


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Build the optimiser; its fused implementation is used wherever torch has one for the device.

    Raises:
        RequestError: the groups ask for what the network does not have (see `parameter_groups`).
    """
    groups = parameter_groups(
        model,
        lr=config.lr,
        encoder_factor=config.encoder_lr_factor,
        decoder_factor=config.decoder_lr_factor,
        last_layer_factor=config.last_layer_lr_factor,
        layer_decay=config.layer_decay,
        weight_decay=config.weight_decay,
        tell_classifiers=config.kind == "muon",
    )
    options: dict[str, Any] = {"lr": config.lr}
    if config.kind in BETAS:
        options["betas"] = config.betas or BETAS[config.kind]
    if config.kind in MOMENTUM:
        options["momentum"] = MOMENTUM[config.kind] if config.momentum is None else config.momentum
    if config.kind in ("sgd", "muon"):
        options["nesterov"] = config.nesterov and options["momentum"] > 0
    if config.kind in ("adam", "adamw", "rmsprop"):
        options["eps"] = config.eps
    build: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": partial(torch.optim.Adam, fused=True),
        "adamw": partial(torch.optim.AdamW, fused=True),
        "sgd": partial(torch.optim.SGD, fused=True),
        "rmsprop": partial(torch.optim.RMSprop, alpha=config.alpha),
        "lion": _lion,
        "muon": partial(_muon, ns_steps=config.newton_schulz_steps),
    }
    return build[config.kind](groups, **options)


def _lion(groups: list[Group], **options: Any) -> torch.optim.Optimizer:
    from timm.optim.lion import Lion

    optimizer: torch.optim.Optimizer = Lion(groups, **options)
    return optimizer


def _muon(groups: list[Group], **options: Any) -> torch.optim.Optimizer:
    """Build Muon; what is no conv or linear weight, and the classifiers, get AdamW (as Jordan advises)."""
    from timm.optim.muon import Muon

    for group in groups:
        group["use_fallback"] = group["part"] == "classifier" or not group["decayed"]
    optimizer: torch.optim.Optimizer = Muon(groups, adjust_lr_fn="match_rms_adamw", **options)
    return optimizer
