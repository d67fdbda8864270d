"""The pixel losses in plain PyTorch, one image at a time, for where no compiled loop answers.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

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


def wide_float(logits: Tensor) -> Tensor:
    """Return the same in the type of all arithmetic: float32, or float64 where it came so."""
    return logits if logits.dtype == torch.float64 else logits.float()


def plain_loss(
    logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: Options, wants_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the mean loss and, if wanted, its gradient with respect to the logits."""
    weight_K = wide_float(logits_BKhw).new_ones(logits_BKhw.shape[1]) if weight_K is None else weight_K
    bound = KEEP_ALL
    pairs = list(zip(torch.split(logits_BKhw.detach(), 1), torch.split(target_BHW, 1), strict=True))
    with torch.no_grad():
        if options.keep_hardest is not None:
            bound = keep_from(torch.cat([_hardness(*pair, options) for pair in pairs]), options.keep_hardest)
        total = wide_float(logits_BKhw).new_zeros(())
        divisor = total.clone()
    gradients = []
    for logits_1Khw, target_1HW in pairs:
        with torch.set_grad_enabled(wants_gradient):
            # channels-last: the interpolation then runs along memory (2x on CPU).
            leaf_1Khw = channels_last(wide_float(logits_1Khw)).detach().requires_grad_(wants_gradient)
            loss, count = _image_loss(leaf_1Khw, target_1HW, weight_K, bound, options)
        total += loss.detach()
        divisor += count
        if wants_gradient:
            gradients.append(torch.autograd.grad(loss, leaf_1Khw)[0])
    divisor = divisor.where(divisor > 0, 1.0)
    gradient_BKhw = torch.cat(gradients).contiguous() / divisor if gradients else None
    return total / divisor, gradient_BKhw


def _full(logits_1Khw: Tensor, target_1HW: Tensor, options: Options) -> Tensor:
    size = target_1HW.shape[1:]
    return upsample(logits_1Khw, size, stride=options.stride, align_corners=options.align_corners)


def _hardness(logits_1Khw: Tensor, target_1HW: Tensor, options: Options) -> Tensor:
    """Return -log p of the true class at every pixel."""
    full_1KHW = _full(channels_last(wide_float(logits_1Khw)), target_1HW, options)
    return _unweighted(full_1KHW, target_1HW, options.ignore_index)


def _unweighted(full_1KHW: Tensor, target_1HW: Tensor, ignore_index: int) -> Tensor:
    loss = F.cross_entropy(full_1KHW, target_1HW.long(), ignore_index=ignore_index, reduction="none")
    return loss.where(target_1HW != ignore_index, VOID_HARDNESS)


def _image_loss(
    leaf_1Khw: Tensor, target_1HW: Tensor, weight_K: Tensor, bound: float, options: Options
) -> tuple[Tensor, Tensor]:
    """Return the summed loss of one image, and what it adds to the mean's divisor."""
    full_1KHW = _full(leaf_1Khw, target_1HW, options)
    valid_1HW = target_1HW != options.ignore_index
    weight_1HW = weight_K[target_1HW.long().where(valid_1HW, 0)]
    kept_1HW = valid_1HW
    if bound > KEEP_ALL or options.focal_gamma:
        hardness_1HW = _unweighted(full_1KHW, target_1HW, options.ignore_index)
        kept_1HW = valid_1HW & (hardness_1HW >= bound)
    if options.focal_gamma:
        # At p = 1 a power below 1 has no derivative; so small a distance from it changes no float.
        far_1HW = (-torch.expm1(-hardness_1HW)).clamp(min=1e-30)
        loss_1HW = weight_1HW * far_1HW**options.focal_gamma * hardness_1HW
        return loss_1HW.where(kept_1HW, 0.0).sum(), kept_1HW.sum()
    loss_1HW = F.cross_entropy(
        full_1KHW,
        target_1HW.long(),
        weight=weight_K,
        ignore_index=options.ignore_index,
        label_smoothing=options.label_smoothing,
        reduction="none",
    )
    return loss_1HW.where(kept_1HW, 0.0).sum(), (weight_1HW * kept_1HW).sum()
