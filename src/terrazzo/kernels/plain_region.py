"""The region sums in plain PyTorch, one image at a time, for where no compiled kernel answers.

The gradient is written out: it is computed inside a custom operator, where autograd does not record.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.kernels.plain import arithmetic_of, narrow, widen


@dataclass(frozen=True)
class RegionOptions:
    """The plain values of one call; see `region.upsample_region_sums`."""

    stride: int
    align_corners: bool
    ignore_index: int
    sigmoid: bool
    power: int


def plain_sums(logits_BKhw: Tensor, target_BHW: Tensor, options: RegionOptions) -> Tensor:
    """Return (B, 3, K): the sums of P Y, of P^power and of Y."""
    sums_B3K = logits_BKhw.new_zeros(
        (len(logits_BKhw), 3, logits_BKhw.shape[1]), dtype=arithmetic_of(logits_BKhw.dtype)
    )
    pairs = zip(torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True)
    for image, (logits_1Khw, target_1HW) in enumerate(pairs):
        probs_1KHW, labels_1KHW = _image(logits_1Khw, target_1HW, options)
        parts = [probs_1KHW * labels_1KHW, probs_1KHW**options.power, labels_1KHW]
        for row, part in enumerate(parts):
            sums_B3K[image, row] = part.flatten(2).sum(dim=2)[0]
    return sums_B3K


def plain_gradient(
    logits_BKhw: Tensor, target_BHW: Tensor, upstream_B3K: Tensor, options: RegionOptions
) -> Tensor:
    """Return the logits' gradient from that of the sums."""
    gradients = []
    pairs = zip(torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True)
    for image, (logits_1Khw, target_1HW) in enumerate(pairs):
        probs_1KHW, labels_1KHW = _image(logits_1Khw, target_1HW, options)
        hit_1K, size_1K, _ = upstream_B3K[image].reshape(3, 1, -1, *[1] * (logits_1Khw.ndim - 2))
        wanted_1KHW = hit_1K * labels_1KHW + options.power * size_1K * probs_1KHW ** (options.power - 1)
        if options.sigmoid:
            full_1KHW = wanted_1KHW * probs_1KHW * (1 - probs_1KHW)
        else:
            mean_11HW = (wanted_1KHW * probs_1KHW).sum(dim=1, keepdim=True)
            full_1KHW = (wanted_1KHW - mean_11HW) * probs_1KHW
        gradients.append(narrow(full_1KHW, logits_1Khw, options.stride, options.align_corners))
    return torch.cat(gradients).contiguous() if gradients else torch.zeros_like(logits_BKhw)


def _image(logits_1Khw: Tensor, target_1HW: Tensor, options: RegionOptions) -> tuple[Tensor, Tensor]:
    """Return probabilities and one-hot truth, (1, K, H, W); both are 0 under void, whatever stood there."""
    full_1KHW = widen(logits_1Khw, target_1HW, options.stride, options.align_corners)
    valid_1HW = target_1HW != options.ignore_index
    probs_1KHW = full_1KHW.sigmoid() if options.sigmoid else full_1KHW.softmax(dim=1)
    safe_1HW = target_1HW.long().where(valid_1HW, 0)
    labels_1KHW = F.one_hot(safe_1HW, full_1KHW.shape[1]).movedim(-1, 1) * valid_1HW.unsqueeze(1)
    return probs_1KHW.where(valid_1HW.unsqueeze(1), 0.0), labels_1KHW.to(probs_1KHW.dtype)
