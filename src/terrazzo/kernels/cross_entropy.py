"""Cross-entropy at full resolution from logits at output stride, without the logits of full size.

The gradient is computed in the forward pass, so nothing of full size is kept for backward: the loss is a
scalar, so the gradient that comes back only scales what is already there. It is a custom operator,
`terrazzo::upsample_cross_entropy`, so that autograd, autocast, compilers and export take it as one piece;
`dispatch` says who computes it.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import check_size
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.dispatch import room_of
from terrazzo.kernels.loops import loops_loss
from terrazzo.kernels.mining import KeepHardest, checked_keep
from terrazzo.kernels.plain import LossParts, Options, arithmetic_of, plain_loss


def upsample_cross_entropy(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    weight: Tensor | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    keep_hardest: KeepHardest = None,
) -> Tensor:
    """Return the mean cross-entropy over valid pixels of bilinearly upsampled logits.

    Equal to `F.cross_entropy(upsample(logits, ...), target, ...)` in value and gradient; with weights it is
    the weighted mean, as there. It can be differentiated once.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type; all arithmetic is float32
            (float64 for float64).
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids, any integer type; 0..K-1 or `ignore_index`.
        stride: full-size pixels per logit, h = ceil(H / stride), w = ceil(W / stride).
        align_corners: how the logits are widened, as in `core.prediction.upsample`.
        ignore_index: the train id of void. Pixels of it change neither value nor gradient.
        weight: K factors, one per class.
        label_smoothing: 0..1, the share of the target that is spread over all classes.
        focal_gamma: 0 or more; beyond 0 it is the focal loss w_t (1 - p)^gamma (-log p), p the probability of
            the true class t (Lin et al. 2017, Focal Loss, equation 5). Not together with label smoothing.
        keep_hardest: online hard example mining. A share, above 0 up to 1: this part of the batch's valid
            pixels counts, those with the lowest probability of the true class. A pair (p, n): all pixels with
            a probability up to p count, and at least the n hardest. Means are then over what counts; pixels
            as hard as the last that counts, to the bit, count too.

    Returns:
        Scalar, float32 (float64 for float64). Where no pixel is valid: 0, with zero gradient.

    Raises:
        ValueError: the sizes of logits and target, or the number of weights, do not fit each other, or an
            option is outside its range.
        DataError: a target id is neither 0..K-1 nor `ignore_index` (checked on CPU; on CUDA, where the
            check would stall the device, the loss is nan, or torch itself asserts).
    """
    weight_K = _class_weights(weight, logits_BKhw)
    if focal_gamma < 0 or (focal_gamma and label_smoothing):
        raise ValueError(
            f"focal_gamma is {focal_gamma} and label_smoothing {label_smoothing}; expected a gamma of 0 or "
            "more, and not both: the focal loss knows one true class per pixel. Set one of them to 0."
        )
    keep = checked_keep(keep_hardest)
    loss: Tensor = _loss_op(
        logits_BKhw,
        target_BHW,
        weight_K,
        stride,
        align_corners,
        ignore_index,
        float(label_smoothing),
        float(focal_gamma),
        []
        if keep is None
        else [float(part) for part in (keep if isinstance(keep, (tuple, list)) else (keep,))],
        torch.is_grad_enabled() and logits_BKhw.requires_grad,
    )[0]
    return loss


def refuse_undeclared(target: Tensor, num_classes: int, ignore_index: int) -> None:
    """Raise DataError if a target holds an id that is neither a class nor void."""
    low, high = (int(bound) for bound in torch.aminmax(target)) if target.numel() else (0, 0)
    if low >= 0 and high < num_classes:
        return
    wrong = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if wrong.any():
        raise DataError(
            f"Target holds id {int(target[wrong][0])} on {int(wrong.sum())} pixels; "
            f"expected 0..{num_classes - 1} or {ignore_index} (void). "
            "Check that the label map and the model have the same classes."
        )


@torch.library.custom_op("terrazzo::upsample_cross_entropy", mutates_args=())
def _loss_op(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor | None,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    label_smoothing: float,
    focal_gamma: float,
    keep_hardest: Sequence[float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, gradient of the summed loss (no elements unless wanted), and 1 / the mean's divisor."""
    check_target(logits_BKhw, target_BHW)
    check_size(logits_BKhw, target_BHW.shape[1:], stride)
    share, least = (*keep_hardest, 0.0, 0.0)[:2]
    keep = {0: None, 1: share, 2: (share, int(least))}[len(keep_hardest)]
    options = Options(stride, align_corners, ignore_index, label_smoothing, focal_gamma, keep)
    # An autocast region of the caller must not turn the loss into bfloat16.
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        loss, gradient_BKhw, scale = _loss_parts(logits_BKhw, target_BHW, weight_K, options, wants_gradient)
    if gradient_BKhw is None:
        gradient_BKhw = loss.new_empty((0,))
    return loss, gradient_BKhw, scale


def _loss_parts(
    logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: Options, wants_gradient: bool
) -> LossParts:
    """Ask the room that takes such logits."""
    given = (logits_BKhw, target_BHW, weight_K, options, wants_gradient)
    room = room_of("cross_entropy", logits_BKhw, options.stride)
    if room.kind == "triton":
        parts: LossParts = room.module.loss(*given)
        return parts
    if room.kind == "loops":
        parts, wrong = loops_loss(room.module, *given)
        if wrong:
            refuse_undeclared(target_BHW, logits_BKhw.shape[1], options.ignore_index)
        return parts
    if target_BHW.device.type == "cpu":
        refuse_undeclared(target_BHW, logits_BKhw.shape[1], options.ignore_index)
    return plain_loss(*given)


@_loss_op.register_fake
def _(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor | None,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    label_smoothing: float,
    focal_gamma: float,
    keep_hardest: Sequence[float],
    wants_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = arithmetic_of(logits_BKhw.dtype)
    loss = logits_BKhw.new_empty((), dtype=dtype)
    shape = logits_BKhw.shape if wants_gradient else (0,)
    return loss, logits_BKhw.new_empty(shape, dtype=dtype), torch.empty_like(loss)


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, gradient_BKhw, scale = output
    ctx.mark_non_differentiable(gradient_BKhw, scale)
    ctx.set_materialize_grads(False)  # else autograd makes zeros as large as the gradient, for nothing
    ctx.save_for_backward(gradient_BKhw, scale)
    ctx.dtype = inputs[0].dtype


@once_differentiable
def _scale_gradient(ctx: Any, upstream: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    if upstream is None:
        return (None,) * 10
    gradient_BKhw, scale = ctx.saved_tensors
    factor = upstream * scale
    # Mostly 1 on the CPU. An accelerator would be stalled by a look at it; what compilers trace has no value.
    if type(factor) is not Tensor or factor.device.type != "cpu" or float(factor) != 1.0:
        gradient_BKhw = gradient_BKhw * factor
    return gradient_BKhw.to(ctx.dtype), *[None] * 9


_loss_op.register_autograd(_scale_gradient, setup_context=_keep_gradient)


def check_target(logits_BKhw: Tensor, target_BHW: Tensor) -> None:
    """Raise ValueError unless there is a label map for every image, of as many dimensions."""
    if (
        logits_BKhw.ndim not in (4, 5)
        or target_BHW.ndim != logits_BKhw.ndim - 1
        or len(target_BHW) != len(logits_BKhw)
    ):
        raise ValueError(
            f"Target {tuple(target_BHW.shape)} does not belong to logits {tuple(logits_BKhw.shape)}: "
            "expected (B, H, W) for (B, K, h, w), or (B, D, H, W) for (B, K, d, h, w)."
        )


def _class_weights(weight: Tensor | Sequence[float] | None, logits_BKhw: Tensor) -> Tensor | None:
    if weight is None:
        return None
    dtype = arithmetic_of(logits_BKhw.dtype)
    weight_K = torch.as_tensor(weight, dtype=dtype, device=logits_BKhw.device).detach().contiguous()
    num_classes = logits_BKhw.shape[1]
    if weight_K.shape != (num_classes,):
        raise ValueError(
            f"{weight_K.numel()} class weights were given for {num_classes} classes; give one per class."
        )
    return weight_K
