"""Cross-entropy at full resolution from logits at output stride, one image's full-size floats at a time.

The gradient is computed in the forward pass, image by image, so nothing of full size is kept for backward:
the loss is a scalar, so the gradient that comes back only scales what is already there.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import channels_last, upsample
from terrazzo.core.sample import IGNORE


def upsample_cross_entropy(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    weight: Tensor | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the mean cross-entropy over valid pixels of bilinearly upsampled logits.

    Equal to `F.cross_entropy(upsample(logits, ...), target, ...)` in value and gradient; with weights it is
    the weighted mean, as there. It can be differentiated once.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type; all arithmetic is float32.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids, uint8, int16 or int64; 0..K-1 or
            `ignore_index`.
        stride: full-size pixels per logit, h = ceil(H / stride), w = ceil(W / stride).
        align_corners: how the logits are widened, as in `core.prediction.upsample`.
        ignore_index: the train id of void. Pixels of it change neither value nor gradient.
        weight: K factors, one per class.
        label_smoothing: 0..1, the share of the target that is spread over all classes.

    Returns:
        Scalar, float32. Where no pixel is valid: 0, with zero gradient.

    Raises:
        ValueError: the sizes of logits and target, or the number of weights, do not fit each other.
        DataError: a target id is neither 0..K-1 nor `ignore_index` (checked on CPU only; on an accelerator
            the check would stall it, and torch itself asserts there).
    """
    num_classes = logits_BKhw.shape[1]
    if (
        logits_BKhw.ndim not in (4, 5)
        or target_BHW.ndim != logits_BKhw.ndim - 1
        or len(target_BHW) != len(logits_BKhw)
    ):
        raise ValueError(
            f"Target {tuple(target_BHW.shape)} does not belong to logits {tuple(logits_BKhw.shape)}: "
            "expected (B, H, W) for (B, K, h, w), or (B, D, H, W) for (B, K, d, h, w)."
        )
    weight_K = _class_weights(weight, num_classes, logits_BKhw.device)
    if target_BHW.device.type == "cpu":
        refuse_undeclared(target_BHW, num_classes, ignore_index)
    options = _Options(stride, align_corners, ignore_index, label_smoothing)
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


class _Options:
    """The plain numbers of one call, bundled so that autograd sees one argument."""

    def __init__(self, stride: int, align_corners: bool, ignore_index: int, label_smoothing: float) -> None:
        self.stride = stride
        self.align_corners = align_corners
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing


class _UpsampleCrossEntropy(torch.autograd.Function):
    """Value and gradient together, image by image."""

    @staticmethod
    def forward(
        ctx: Any, logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: _Options
    ) -> Tensor:
        divisor = _divisor(target_BHW, weight_K, options.ignore_index)
        wants_gradient = ctx.needs_input_grad[0]
        gradient_BKhw = torch.zeros_like(logits_BKhw, dtype=torch.float32) if wants_gradient else None
        total = logits_BKhw.new_zeros((), dtype=torch.float32)
        # An autocast region of the caller must not turn the loss into bfloat16.
        with torch.autocast(logits_BKhw.device.type, enabled=False), torch.set_grad_enabled(wants_gradient):
            for image in range(len(logits_BKhw)):
                # channels-last: the interpolation then runs along memory (2x on CPU).
                leaf_1Khw = channels_last(logits_BKhw[image : image + 1].detach().float())
                leaf_1Khw.requires_grad_(wants_gradient)
                loss = _image_loss(leaf_1Khw, target_BHW[image : image + 1], weight_K, options) / divisor
                total += loss.detach()
                if gradient_BKhw is not None:
                    gradient_BKhw[image] = torch.autograd.grad(loss, leaf_1Khw)[0][0]
        ctx.dtype = logits_BKhw.dtype
        ctx.save_for_backward(gradient_BKhw)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient_BKhw,) = ctx.saved_tensors
        return (gradient_BKhw * upstream).to(ctx.dtype), None, None, None


def _image_loss(
    logits_1Khw: Tensor, target_1HW: Tensor, weight_K: Tensor | None, options: _Options
) -> Tensor:
    """Return the summed loss of one image."""
    full_1KHW = upsample(
        logits_1Khw, target_1HW.shape[1:], stride=options.stride, align_corners=options.align_corners
    )
    return F.cross_entropy(
        full_1KHW,
        target_1HW.long(),
        weight=weight_K,
        ignore_index=options.ignore_index,
        label_smoothing=options.label_smoothing,
        reduction="sum",
    )


def _divisor(target_BHW: Tensor, weight_K: Tensor | None, ignore_index: int) -> Tensor:
    """Return the number of valid pixels (their summed weights), 1 where that is 0."""
    valid_BHW = target_BHW != ignore_index
    if weight_K is None:
        total = valid_BHW.sum(dtype=torch.float32)
    else:
        total = (weight_K[target_BHW.long().where(valid_BHW, 0)] * valid_BHW).sum()
    return total.where(total > 0, 1.0)


def _class_weights(
    weight: Tensor | Sequence[float] | None, num_classes: int, device: torch.device
) -> Tensor | None:
    if weight is None:
        return None
    weight_K = torch.as_tensor(weight, dtype=torch.float32, device=device)
    if weight_K.shape != (num_classes,):
        raise ValueError(
            f"{weight_K.numel()} class weights were given for {num_classes} classes; give one per class."
        )
    return weight_K
