"""Losses that compare whole regions, not pixels.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

import torch
from torch import Tensor

from terrazzo.core.sample import IGNORE
from terrazzo.kernels.region import upsample_region_sums


def dice(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    smooth: float = 0.0,
) -> Tensor:
    """Return the soft Dice loss, 1 - 2|P.Y| / (|P| + |Y|), averaged over the classes present in the batch.

    After Milletari et al. 2016 (V-Net, section 3), with plain sums where V-Net has squares, as is common.
    P are softmax probabilities and Y the one-hot truth; sums run over the valid pixels of the whole batch.
    A class without a single true pixel has no Dice and is left out. Computed in float32;
    full-size probabilities are never kept.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        smooth: added to numerator and denominator, in pixels; steadies the loss of very small regions.

    Returns:
        Scalar in 0..1, float32; 0 with zero gradient where every pixel is void.
    """
    sums_3K = upsample_region_sums(
        logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, ignore_index=ignore_index
    )
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        overlap_K, predicted_K, true_K = sums_3K
        present_K = true_K > 0
        # Where a class is absent the denominator may be 0; 1 keeps its unused loss finite.
        total_K = (predicted_K + true_K + smooth).where(present_K, 1.0)
        loss_K = 1 - (2 * overlap_K + smooth) / total_K
        loss: Tensor = (loss_K * present_K).sum() / present_K.sum().clamp(min=1)
        return loss
