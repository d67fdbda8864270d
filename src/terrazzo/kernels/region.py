"""The sums over pixels that Dice, Jaccard and Tversky losses are made of, without the logits of full size.

Nothing of full size is kept for backward: it computes the softmax again. It is a custom operator,
`terrazzo::upsample_region_sums`; `dispatch` says who computes it.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from terrazzo.core.prediction import check_size
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import check_target, refuse_undeclared
from terrazzo.kernels.dispatch import PLAIN, room_of
from terrazzo.kernels.loops import loops_region, loops_region_gradient
from terrazzo.kernels.plain import arithmetic_of
from terrazzo.kernels.plain_region import RegionOptions, plain_gradient, plain_sums

Activation = Literal["softmax", "sigmoid"]


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
    if activation not in ("softmax", "sigmoid") or power not in (1, 2):
        raise ValueError(
            f"activation is {activation!r} and power {power!r}; expected 'softmax' or 'sigmoid', and 1 or 2."
        )
    sums_B3K: Tensor = _sums_op(
        logits_BKhw, target_BHW, stride, align_corners, ignore_index, activation == "sigmoid", power
    )
    return sums_B3K if per_image else sums_B3K.sum(dim=0)


@torch.library.custom_op("terrazzo::upsample_region_sums", mutates_args=())
def _sums_op(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    sigmoid: bool,
    power: int,
) -> Tensor:
    """Return the sums of every image, (B, 3, K)."""
    check_target(logits_BKhw, target_BHW)
    check_size(logits_BKhw, target_BHW.shape[1:], stride)
    options = RegionOptions(stride, align_corners, ignore_index, sigmoid, power)
    room = PLAIN if sigmoid else room_of("region", logits_BKhw, stride)
    # An autocast region of the caller must not turn the sums into bfloat16.
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        if room.kind == "triton":
            sums_B3K: Tensor = room.module.sums(logits_BKhw, target_BHW, options)
            return sums_B3K
        if room.kind == "loops":
            sums_B3K, wrong = loops_region(room.module, logits_BKhw, target_BHW, options)
            if wrong:
                refuse_undeclared(target_BHW, logits_BKhw.shape[1], ignore_index)
            return sums_B3K
        if target_BHW.device.type == "cpu":
            refuse_undeclared(target_BHW, logits_BKhw.shape[1], ignore_index)
        return plain_sums(logits_BKhw, target_BHW, options)


@_sums_op.register_fake
def _(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    sigmoid: bool,
    power: int,
) -> Tensor:
    batch, num_classes = logits_BKhw.shape[:2]
    return logits_BKhw.new_empty((batch, 3, num_classes), dtype=arithmetic_of(logits_BKhw.dtype))


@torch.library.custom_op("terrazzo::upsample_region_gradient", mutates_args=())
def _gradient_op(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    upstream_B3K: Tensor,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    sigmoid: bool,
    power: int,
) -> Tensor:
    """Return the logits' gradient from that of the sums."""
    options = RegionOptions(stride, align_corners, ignore_index, sigmoid, power)
    room = PLAIN if sigmoid else room_of("region", logits_BKhw, stride)
    given = (logits_BKhw, target_BHW, upstream_B3K.contiguous(), options)
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        if room.kind == "triton":
            gradient_BKhw: Tensor = room.module.gradient(*given)
            return gradient_BKhw
        if room.kind == "loops":
            return loops_region_gradient(room.module, *given)
        return plain_gradient(*given)


@_gradient_op.register_fake
def _(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    upstream_B3K: Tensor,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    sigmoid: bool,
    power: int,
) -> Tensor:
    return logits_BKhw.new_empty(logits_BKhw.shape, dtype=arithmetic_of(logits_BKhw.dtype))


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    logits_BKhw, target_BHW, *ctx.options = inputs
    ctx.save_for_backward(logits_BKhw, target_BHW)


@once_differentiable
def _backward(ctx: Any, upstream_B3K: Tensor) -> tuple[Tensor | None, ...]:
    logits_BKhw, target_BHW = ctx.saved_tensors
    gradient_BKhw = _gradient_op(logits_BKhw, target_BHW, upstream_B3K, *ctx.options)
    return gradient_BKhw.to(logits_BKhw.dtype), *[None] * 6


_sums_op.register_autograd(_backward, setup_context=_keep_inputs)
