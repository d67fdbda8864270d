"""Losses that compare whole regions, not pixels.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from terrazzo.core.prediction import upsample
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import refuse_undeclared


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
    A class without a single true pixel has no Dice and is left out. Computed in float32, one image at a
    time: full-size probabilities are computed again in the backward pass and never kept.

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
    if target_BHW.device.type == "cpu":
        refuse_undeclared(target_BHW, logits_BKhw.shape[1], ignore_index)
    with torch.autocast(logits_BKhw.device.type, enabled=False):
        sums_B3K = torch.stack(
            [
                _region_sums(logits_1Khw, target_1HW, stride, align_corners, ignore_index)
                for logits_1Khw, target_1HW in zip(
                    torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True
                )
            ]
        )
        overlap_K, predicted_K, true_K = sums_B3K.sum(dim=0)
        present_K = true_K > 0
        # Where a class is absent the denominator may be 0; 1 keeps its unused loss finite.
        total_K = (predicted_K + true_K + smooth).where(present_K, 1.0)
        loss_K = 1 - (2 * overlap_K + smooth) / total_K
        loss: Tensor = (loss_K * present_K).sum() / present_K.sum().clamp(min=1)
        return loss


def _region_sums(
    logits_1Khw: Tensor, target_1HW: Tensor, stride: int, align_corners: bool, ignore_index: int
) -> Tensor:
    """Return (3, K): sum of P.Y, of P and of Y over the valid pixels of one image."""

    def sums(logits: Tensor) -> Tensor:
        size = target_1HW.shape[1:]
        full_1KHW = upsample(logits.float(), size, stride=stride, align_corners=align_corners)
        valid_1HW = target_1HW != ignore_index
        probs_1KHW = full_1KHW.softmax(dim=1) * valid_1HW.unsqueeze(1)
        safe_1HW = target_1HW.long().where(valid_1HW, 0)
        labels_1KHW = F.one_hot(safe_1HW, full_1KHW.shape[1]).movedim(-1, 1) * valid_1HW.unsqueeze(1)
        overlap_1KHW = probs_1KHW * labels_1KHW
        parts = [overlap_1KHW, probs_1KHW, labels_1KHW.float()]
        return torch.stack([part.flatten(2).sum(dim=(0, 2)) for part in parts])

    if not torch.is_grad_enabled():
        return sums(logits_1Khw)
    result: Tensor = checkpoint(sums, logits_1Khw, use_reentrant=False, preserve_rng_state=False)
    return result
