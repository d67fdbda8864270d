"""Cross-entropy at full resolution from logits at output stride, without the logits of full size.

The gradient is computed in the forward pass, so nothing of full size is kept for backward: the loss is a
scalar, so the gradient that comes back only scales what is already there. On CPU compiled loops answer
(`kernels.cpu.cross_entropy`); elsewhere, for volumes, for float64 and where numba is missing it is PyTorch,
one image at a time (`kernels.plain`).

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import check_size
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cpu import compiled_room
from terrazzo.kernels.mining import KEEP_ALL, KeepHardest, checked_keep, keep_from
from terrazzo.kernels.plain import Options, plain_loss


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
            the true class t, and the mean is over the number of pixels, weights or not (Lin et al. 2017,
            Focal Loss, equation 5). Not together with label smoothing.
        keep_hardest: online hard example mining. A share, above 0 up to 1: this part of the batch's valid
            pixels counts, those with the lowest probability of the true class. A pair (p, n): all pixels with
            a probability up to p count, and at least the n hardest. Means are then over what counts; pixels
            as hard as the last that counts, to the bit, count too.

    Returns:
        Scalar, float32 (float64 for float64). Where no pixel is valid: 0, with zero gradient.

    Raises:
        ValueError: the sizes of logits and target, or the number of weights, do not fit each other, or an
            option is outside its range.
        DataError: a target id is neither 0..K-1 nor `ignore_index` (checked on CPU only; on an accelerator
            the check would stall it, and torch itself asserts there).
    """
    check_target(logits_BKhw, target_BHW)
    check_size(logits_BKhw, target_BHW.shape[1:], stride)
    weight_K = _class_weights(weight, logits_BKhw)
    if focal_gamma < 0 or (focal_gamma and label_smoothing):
        raise ValueError(
            f"focal_gamma is {focal_gamma} and label_smoothing {label_smoothing}; expected a gamma of 0 or "
            "more, and not both: the focal loss knows one true class per pixel. Set one of them to 0."
        )
    keep = checked_keep(keep_hardest)
    options = Options(stride, align_corners, ignore_index, label_smoothing, focal_gamma, keep)
    loss: Tensor = _UpsampleCrossEntropy.apply(logits_BKhw, target_BHW, weight_K, options)
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


class _UpsampleCrossEntropy(torch.autograd.Function):
    """Value and gradient together."""

    @staticmethod
    def forward(
        ctx: Any, logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: Options
    ) -> Tensor:
        wants_gradient = ctx.needs_input_grad[0]
        # An autocast region of the caller must not turn the loss into bfloat16.
        with torch.autocast(logits_BKhw.device.type, enabled=False):
            room = compiled_room("cross_entropy") if compiled_takes(logits_BKhw) else None
            if room is not None:
                loss, gradient_BKhw = _compiled_loss(
                    room, logits_BKhw, target_BHW, weight_K, options, wants_gradient
                )
            else:
                if target_BHW.device.type == "cpu":
                    refuse_undeclared(target_BHW, logits_BKhw.shape[1], options.ignore_index)
                loss, gradient_BKhw = plain_loss(logits_BKhw, target_BHW, weight_K, options, wants_gradient)
        ctx.dtype = logits_BKhw.dtype
        ctx.save_for_backward(gradient_BKhw)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient_BKhw,) = ctx.saved_tensors
        return (gradient_BKhw * upstream).to(ctx.dtype), None, None, None


def compiled_takes(logits_BKhw: Tensor) -> bool:
    """Tell whether the compiled loops know such logits."""
    return logits_BKhw.device.type == "cpu" and logits_BKhw.ndim == 4 and logits_BKhw.dtype != torch.float64


def _compiled_loss(
    room: Any,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor | None,
    options: Options,
    wants_gradient: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the mean loss and, if wanted, its gradient with respect to the logits."""
    gradient_BKhw = torch.zeros(logits_BKhw.shape) if wants_gradient else None
    bound = KEEP_ALL
    if options.keep_hardest is not None:
        hardness_BHW = torch.empty(target_BHW.shape, dtype=torch.float32)
        _compiled_sums(room, logits_BKhw, target_BHW, weight_K, options, bound, None, hardness_BHW)
        bound = keep_from(hardness_BHW, options.keep_hardest)
        del hardness_BHW
    total, weights, pixels = _compiled_sums(
        room, logits_BKhw, target_BHW, weight_K, options, bound, gradient_BKhw, None
    )
    divisor = pixels if options.focal_gamma else weights
    scale = 1.0 / divisor if divisor > 0 else 1.0
    if gradient_BKhw is not None:
        gradient_BKhw *= scale
    return torch.tensor(total * scale, dtype=torch.float32), gradient_BKhw


def _compiled_sums(
    room: Any,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor | None,
    options: Options,
    bound: float,
    gradient_BKhw: Tensor | None,
    hardness_BHW: Tensor | None,
) -> tuple[float, float, float]:
    """Return the summed loss, weights and number of the pixels that count; fill gradient and hardness."""
    batch, num_classes = logits_BKhw.shape[:2]
    loop_options = room.Options(
        weights=np.ones(num_classes, np.float32) if weight_K is None else weight_K.detach().numpy(),
        smoothing=np.float32(options.label_smoothing),
        gamma=np.float32(options.focal_gamma),
        keep_from=np.float32(bound),
        ignore_index=options.ignore_index,
    )
    # Where logits are at full size their float32 copy is an image's, not the batch's.
    per_call = 1 if options.stride == 1 and logits_BKhw.dtype != torch.float32 else max(batch, 1)
    sums = np.zeros(4)
    for first in range(0, batch, per_call):
        part = slice(first, first + per_call)
        sums += room.loss_sums(
            logits_BKhw[part].detach().float().contiguous().numpy(),
            target_BHW[part].detach().contiguous().numpy(),
            (torch.empty((0, 0, 0, 0)) if gradient_BKhw is None else gradient_BKhw[part]).numpy(),
            (torch.empty((0, 0, 0)) if hardness_BHW is None else hardness_BHW[part]).numpy(),
            loop_options,
            options.stride,
            options.align_corners,
            torch.get_num_threads(),
        )
    if sums[3]:
        refuse_undeclared(target_BHW, num_classes, options.ignore_index)
    return float(sums[0]), float(sums[1]), float(sums[2])


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
    dtype = torch.float64 if logits_BKhw.dtype == torch.float64 else torch.float32
    weight_K = torch.as_tensor(weight, dtype=dtype, device=logits_BKhw.device).contiguous()
    num_classes = logits_BKhw.shape[1]
    if weight_K.shape != (num_classes,):
        raise ValueError(
            f"{weight_K.numel()} class weights were given for {num_classes} classes; give one per class."
        )
    return weight_K
