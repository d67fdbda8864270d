"""The sums over pixels that Dice, Jaccard and Tversky losses are made of, without the logits of full size.

Nothing of full size is kept for backward: it computes the softmax again. On CPU compiled loops answer
(`kernels.cpu.region`); elsewhere, for volumes, for float64, for the sigmoid and where numba is missing it is
PyTorch, one image at a time.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from terrazzo.core.prediction import check_size, upsample
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cpu import compiled_room
from terrazzo.kernels.cross_entropy import check_target, compiled_takes, refuse_undeclared
from terrazzo.kernels.plain import wide_float

Activation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class _Options:
    stride: int
    align_corners: bool
    ignore_index: int
    activation: Activation
    power: int


def upsample_region_sums(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    activation: Activation = "softmax",
    power: int = 1,
    per_image: bool = False,
) -> Tensor:
    """Return, per class, the sums of P Y, of P^power and of Y over the valid pixels.

    P are the probabilities of bilinearly upsampled logits, Y the one-hot truth. They have a first derivative.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type; all arithmetic is float32
            (float64 for float64).
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids, any integer type; 0..K-1 or `ignore_index`.
        stride: full-size pixels per logit, h = ceil(H / stride), w = ceil(W / stride).
        align_corners: how the logits are widened, as in `core.prediction.upsample`.
        ignore_index: the train id of void. Pixels of it change neither sums nor gradient.
        activation: "softmax" over the classes, or "sigmoid" of every class alone.
        power: 1, or 2 for the squares of V-Net's denominator (Milletari et al. 2016, section 3).
        per_image: whether every image has sums of its own.

    Returns:
        (3, K), or (B, 3, K) per image, in pixels: intersection, prediction, truth.

    Raises:
        ValueError: the sizes of logits and target do not fit each other, or an option is unknown.
        DataError: a target id is neither 0..K-1 nor `ignore_index` (checked on CPU only).
    """
    check_target(logits_BKhw, target_BHW)
    check_size(logits_BKhw, target_BHW.shape[1:], stride)
    if activation not in ("softmax", "sigmoid") or power not in (1, 2):
        raise ValueError(
            f"activation is {activation!r} and power {power!r}; expected 'softmax' or 'sigmoid', and 1 or 2."
        )
    options = _Options(stride, align_corners, ignore_index, activation, power)
    # An autocast region of the caller must not turn the sums into bfloat16.
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        room = compiled_room("region") if compiled_takes(logits_BKhw) and activation == "softmax" else None
        if room is None:
            sums_B3K = _plain_sums(logits_BKhw, target_BHW, options)
        else:
            sums_B3K = _RegionSums.apply(logits_BKhw, target_BHW, options, room)
        return sums_B3K if per_image else sums_B3K.sum(dim=0)


class _RegionSums(torch.autograd.Function):
    """The compiled loops: sums forward, and a second pass over the logits backward."""

    @staticmethod
    def forward(ctx: Any, logits_BKhw: Tensor, target_BHW: Tensor, options: _Options, room: Any) -> Tensor:
        sums_B3K, wrong = room.region_sums(
            logits_BKhw.detach().float().contiguous().numpy(),
            target_BHW.contiguous().numpy(),
            options.power,
            options.ignore_index,
            options.stride,
            options.align_corners,
            torch.get_num_threads(),
        )
        if wrong:
            refuse_undeclared(target_BHW, logits_BKhw.shape[1], options.ignore_index)
        ctx.save_for_backward(logits_BKhw, target_BHW)
        ctx.options, ctx.room = options, room
        return torch.from_numpy(sums_B3K).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream_B3K: Tensor) -> tuple[Tensor, None, None, None]:
        logits_BKhw, target_BHW = ctx.saved_tensors
        gradient_BKhw = torch.zeros(logits_BKhw.shape)
        ctx.room.region_gradient(
            logits_BKhw.detach().float().contiguous().numpy(),
            target_BHW.contiguous().numpy(),
            upstream_B3K[:, :2].float().contiguous().numpy(),
            gradient_BKhw.numpy(),
            ctx.options.power,
            ctx.options.ignore_index,
            ctx.options.stride,
            ctx.options.align_corners,
            torch.get_num_threads(),
        )
        return gradient_BKhw.to(logits_BKhw.dtype), None, None, None


def _plain_sums(logits_BKhw: Tensor, target_BHW: Tensor, options: _Options) -> Tensor:
    if target_BHW.device.type == "cpu":
        refuse_undeclared(target_BHW, logits_BKhw.shape[1], options.ignore_index)
    pairs = zip(torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([_image_sums(*pair, options) for pair in pairs])
    # Full-size probabilities are computed again in the backward pass and never kept.
    sums = [
        checkpoint(_image_sums, *pair, options, use_reentrant=False, preserve_rng_state=False)
        for pair in pairs
    ]
    return torch.cat(sums)


def _image_sums(logits_1Khw: Tensor, target_1HW: Tensor, options: _Options) -> Tensor:
    """Return (1, 3, K)."""
    size = target_1HW.shape[1:]
    full_1KHW = upsample(
        wide_float(logits_1Khw), size, stride=options.stride, align_corners=options.align_corners
    )
    valid_1HW = target_1HW != options.ignore_index
    probs_1KHW = full_1KHW.softmax(dim=1) if options.activation == "softmax" else full_1KHW.sigmoid()
    probs_1KHW = probs_1KHW * valid_1HW.unsqueeze(1)
    safe_1HW = target_1HW.long().where(valid_1HW, 0)
    labels_1KHW = F.one_hot(safe_1HW, full_1KHW.shape[1]).movedim(-1, 1) * valid_1HW.unsqueeze(1)
    parts = [probs_1KHW * labels_1KHW, probs_1KHW**options.power, labels_1KHW.to(probs_1KHW.dtype)]
    return torch.stack([part.flatten(2).sum(dim=2) for part in parts], dim=1)
