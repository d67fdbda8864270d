"""The pixel losses in plain PyTorch, one image at a time, for where no compiled kernel answers.

The gradient is written out: it is computed inside a custom operator, where autograd does not record.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from terrazzo.core.prediction import channels_last, upsample
from terrazzo.kernels.mining import KEEP_ALL, VOID_HARDNESS, KeepHardest, keep_from


@dataclass(frozen=True)
class Options:
    """The plain values of one call of a pixel loss; see `cross_entropy.upsample_cross_entropy`."""

    stride: int
    align_corners: bool
    ignore_index: int
    label_smoothing: float
    focal_gamma: float
    keep_hardest: KeepHardest


class LossParts(NamedTuple):
    """What every room returns for a pixel loss."""

    loss: Tensor
    """Scalar, the mean."""

    gradient: Tensor | None
    """(B, K, h, w), of the *summed* loss, contiguous; None unless wanted."""

    scale: Tensor
    """Scalar, 1 / the mean's divisor: the factor that is still missing from the gradient."""


def arithmetic_of(dtype: torch.dtype) -> torch.dtype:
    """Return the type of all arithmetic: float32, or float64 for float64."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def wide_float(logits: Tensor) -> Tensor:
    """Return the same in the type of all arithmetic."""
    return logits.to(arithmetic_of(logits.dtype))


def plain_loss(
    logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: Options, wants_gradient: bool
) -> LossParts:
    """Return the mean loss and, if wanted, its gradient with respect to the logits."""
    weight_K = wide_float(logits_BKhw).new_ones(logits_BKhw.shape[1]) if weight_K is None else weight_K
    bound = KEEP_ALL
    pairs = list(zip(torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True))
    if options.keep_hardest is not None:
        bound = keep_from(torch.cat([_hardness(*pair, options) for pair in pairs]), options.keep_hardest)
    total = wide_float(logits_BKhw).new_zeros(())
    divisor = total.clone()
    gradients = []
    for logits_1Khw, target_1HW in pairs:
        loss, count, full_1KHW = _image_loss(logits_1Khw, target_1HW, weight_K, bound, options)
        total += loss
        divisor += count
        if wants_gradient:
            gradients.append(narrow(full_1KHW, logits_1Khw, options.stride, options.align_corners))
    scale = 1 / divisor.where(divisor > 0, 1.0)
    gradient_BKhw = None
    if wants_gradient:
        gradient_BKhw = torch.cat(gradients).contiguous() if gradients else torch.zeros_like(logits_BKhw)
    return LossParts(total * scale, gradient_BKhw, scale)


def widen(logits_1Khw: Tensor, target_1HW: Tensor, stride: int, align_corners: bool) -> Tensor:
    """Return the logits at full size; channels-last, so that interpolation runs along memory (2x on CPU)."""
    wide_1Khw = channels_last(wide_float(logits_1Khw))
    return upsample(wide_1Khw, target_1HW.shape[1:], stride=stride, align_corners=align_corners)


def narrow(gradient_1KHW: Tensor, logits_1Khw: Tensor, stride: int, align_corners: bool) -> Tensor:
    """Return the transpose of `widen`: the logits' gradient from that of the full-size logits."""
    if stride == 1:
        return gradient_1KHW
    size = logits_1Khw.shape
    padded = [side * stride for side in size[2:]]
    missing = [side - given for side, given in zip(padded, gradient_1KHW.shape[2:], strict=True)]
    ends = [end for side in reversed(missing) for end in (0, side)]
    padded_1KHW = channels_last(torch.nn.functional.pad(gradient_1KHW, ends))
    ops = torch.ops.aten
    transpose = ops.upsample_bilinear2d_backward if len(padded) == 2 else ops.upsample_trilinear3d_backward
    gradient_1Khw: Tensor = transpose(padded_1KHW, padded, size, align_corners)
    return gradient_1Khw


def _hardness(logits_1Khw: Tensor, target_1HW: Tensor, options: Options) -> Tensor:
    """Return -log p of the true class at every pixel."""
    valid_1HW = target_1HW != options.ignore_index
    log_1KHW = widen(logits_1Khw, target_1HW, options.stride, options.align_corners).log_softmax(dim=1)
    return _of_truth(log_1KHW, target_1HW, valid_1HW).where(valid_1HW, VOID_HARDNESS)


def _of_truth(log_1KHW: Tensor, target_1HW: Tensor, valid_1HW: Tensor) -> Tensor:
    safe_11HW = target_1HW.long().where(valid_1HW, 0).unsqueeze(1)
    return -log_1KHW.gather(1, safe_11HW).squeeze(1)


def _image_loss(
    logits_1Khw: Tensor, target_1HW: Tensor, weight_K: Tensor, bound: float, options: Options
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed loss of one image, what it adds to the mean's divisor, and the full-size gradient.

    With p the softmax the gradient is (hard + all) p_k - hard [k is the true class] - spread w_k.
    """
    valid_1HW = target_1HW != options.ignore_index
    safe_1HW = target_1HW.long().where(valid_1HW, 0)
    log_1KHW = widen(logits_1Khw, target_1HW, options.stride, options.align_corners).log_softmax(dim=1)
    n_1HW = _of_truth(log_1KHW, target_1HW, valid_1HW)
    kept_1HW = valid_1HW & ~(n_1HW < bound)  # "not less": a loss of nan counts, so that it shows
    hard_1HW = weight_K[safe_1HW] * kept_1HW
    count = hard_1HW.sum()
    spread = options.label_smoothing / len(weight_K)
    if options.focal_gamma:
        hard_1HW, loss_1HW = _focus(n_1HW, hard_1HW, options.focal_gamma)
    else:
        hard_1HW = hard_1HW * (1 - options.label_smoothing)
        loss_1HW = hard_1HW * n_1HW
    soft_1HW = hard_1HW
    if spread:
        loss_1HW = loss_1HW - spread * torch.einsum("bk...,k->b...", log_1KHW, weight_K)
        soft_1HW = hard_1HW + spread * weight_K.sum()
    loss = loss_1HW.where(kept_1HW, 0.0).sum()
    gradient_1KHW = log_1KHW.exp_().mul_(soft_1HW.unsqueeze(1))
    gradient_1KHW.scatter_add_(1, safe_1HW.unsqueeze(1), -hard_1HW.unsqueeze(1))
    if spread:
        gradient_1KHW -= spread * weight_K.view(-1, *[1] * (log_1KHW.ndim - 2))
    return loss, count, gradient_1KHW.where(kept_1HW.unsqueeze(1), 0.0)


def _focus(n_1HW: Tensor, hard_1HW: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Return the factor of the gradient and the loss: w (1 - p)^gamma n, with n = -log p.

    With q = 1 - p its derivative by n is w q^gamma (1 + gamma p n / q); Lin et al. 2017, Focal Loss, eq. 4.
    """
    # At p = 1 a power below 1 has no derivative; so small a distance from it changes no float.
    n_1HW = n_1HW.clamp(min=1e-30)
    q_1HW = -torch.expm1(-n_1HW)
    power_1HW = hard_1HW * q_1HW**gamma
    return power_1HW * (1 + gamma * (-n_1HW).exp() * n_1HW / q_1HW), power_1HW * n_1HW
