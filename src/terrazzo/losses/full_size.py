"""The step to full size that losses share: one image at a time, and nothing of full size kept for backward.

Every loss checks its target here, and sees float32 logits outside of any autocast region.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes); N is B or 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from terrazzo.core.prediction import upsample
from terrazzo.kernels.cross_entropy import refuse_undeclared

Compute = Callable[[Tensor, Tensor], Tensor]
"""From logits (N, K, H, W) in float32 and their target to a tensor that is small."""


def at_full_size(
    compute: Compute,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool,
    pooled: bool = False,
) -> Tensor:
    """Return compute(full-size logits, target) of every image, stacked; its work is done again in backward.

    Args:
        compute: a function of its two arguments alone, without random numbers.
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W) or (B, K, H, W), of volumes one dimension more.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        pooled: call it once with the whole batch; its full-size floats are then all there at the same time.

    Returns:
        (B, ...), or (1, ...) where pooled.
    """
    size = target_BHW.shape[2 - logits_BKhw.ndim :]

    def widened(logits_NKhw: Tensor, target_NHW: Tensor) -> Tensor:
        full_NKHW = upsample(logits_NKhw.float(), size, stride=stride, align_corners=align_corners)
        return compute(full_NKHW, target_NHW)

    images = max(1, len(logits_BKhw)) if pooled else 1
    pairs = zip(torch.split(logits_BKhw, images), torch.split(target_BHW, images), strict=True)
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        return torch.stack([_recomputed(widened, logits, target) for logits, target in pairs])


def _recomputed(function: Compute, logits: Tensor, target: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return function(logits, target)
    result: Tensor = checkpoint(function, logits, target, use_reentrant=False, preserve_rng_state=False)
    return result


def check_target(
    logits_BKhw: Tensor, target_BHW: Tensor, ignore_index: int, *, multi_label: bool = False
) -> None:
    """Refuse a target that does not belong to the logits.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w).
        target_BHW: (B, H, W) train ids; where `multi_label`, also (B, K, H, W) of 0 and 1.
        ignore_index: the id of void, in both.
        multi_label: whether the loss takes one label per class.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id is neither a class nor void (looked at on CPU only: elsewhere it would stall).
    """
    classes, per_class = logits_BKhw.shape[1], multi_label and target_BHW.ndim == logits_BKhw.ndim
    fits = target_BHW.shape[1] == classes if per_class else target_BHW.ndim == logits_BKhw.ndim - 1
    if logits_BKhw.ndim not in (4, 5) or len(target_BHW) != len(logits_BKhw) or not fits:
        further = "; (B, K, H, W) of 0 and 1 for one label per class" if multi_label else ""
        raise ValueError(
            f"Target {tuple(target_BHW.shape)} does not belong to logits {tuple(logits_BKhw.shape)}: "
            f"expected (B, H, W) for (B, K, h, w), or (B, D, H, W) for (B, K, d, h, w){further}."
        )
    if target_BHW.device.type == "cpu":
        refuse_undeclared(target_BHW, 2 if per_class else classes, ignore_index)
