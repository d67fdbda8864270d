"""Losses that are a mean over pixels.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from collections.abc import Sequence

from torch import Tensor

from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import upsample_cross_entropy


def cross_entropy(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    weight: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return -log softmax(logits) at the true class, averaged over valid pixels.

    Args:
        logits_BKhw: (B, K, h, w), any float type, at output stride.
        target_BHW: (B, H, W) train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        weight: one factor per class; the mean is then the weighted one.
        label_smoothing: 0..1, the share of the target spread over all classes (Szegedy et al. 2016,
            Rethinking the Inception Architecture, section 7).

    Returns:
        Scalar, float32; 0 where every pixel is void.
    """
    return upsample_cross_entropy(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        weight=weight,
        label_smoothing=label_smoothing,
    )
