"""Losses with a sigmoid per class, for targets in which a pixel may have several labels, or none.

The target is either of two. (B, K, H, W) of 0 and 1: whether the pixel has label k; void where that is not
known, for each class by itself. (B, H, W) of train ids, as everywhere else: every class against the rest, and
void for all of them. One class alone (K = 1) is given as (B, 1, H, W).

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.sample import IGNORE
from terrazzo.losses.full_size import at_full_size, check_target
from terrazzo.losses.region import mean_over_present, pool


def bce(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    weight: Sequence[float] | None = None,
    positive_weight: Sequence[float] | None = None,
) -> Tensor:
    """Return the binary cross-entropy of sigmoid(logits), averaged over all valid labels.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, K, H, W) of 0 and 1, or (B, H, W) train ids; of volumes one dimension more.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: void, in both kinds of target.
        weight: one factor per class; the mean is then the weighted one.
        positive_weight: one factor per class on labels that are 1; the mean's divisor does not have it.

    Returns:
        Scalar, float32; 0 with zero gradient where every label is void.

    Raises:
        ValueError: the shapes, or the number of weights, do not fit.
        DataError: a label is neither 0 nor 1 nor void, or no train id.
    """
    sums_B5K = binary_sums(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        positive_weight=positive_weight,
    )
    return _mean_bce(sums_B5K, _per_class(weight, logits_BKhw))


def bce_dice(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    bce_weight: float = 1.0,
    dice_weight: float = 1.0,
    weight: Sequence[float] | None = None,
    positive_weight: Sequence[float] | None = None,
    smooth: float = 0.0,
    per_image: bool = False,
) -> Tensor:
    """Return bce_weight * binary cross-entropy + dice_weight * Dice loss, both of sigmoid(logits).

    As nnU-Net trains on labels that overlap (Isensee et al. 2021, https://arxiv.org/abs/1904.08128). Dice is
    the mean over the classes that have a 1 somewhere, as in `region.dice`.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, K, H, W) of 0 and 1, or (B, H, W) train ids; of volumes one dimension more.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: void, in both kinds of target.
        bce_weight: factor of the cross-entropy.
        dice_weight: factor of Dice.
        weight: one factor per class in the cross-entropy.
        positive_weight: one factor per class on labels that are 1, in the cross-entropy.
        smooth: added to Dice's numerator and denominator, in pixels.
        per_image: one Dice per image instead of one per batch.

    Returns:
        Scalar, float32; 0 with zero gradient where every label is void.

    Raises:
        ValueError: the shapes, or the number of weights, do not fit.
        DataError: a label is neither 0 nor 1 nor void, or no train id.
    """
    sums_B5K = binary_sums(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        positive_weight=positive_weight,
    )
    overlap_NK, predicted_NK, true_NK = pool(sums_B5K[:, 2:], per_image)
    present_NK = true_NK > 0
    # Where a class is absent the denominator may be 0; 1 keeps its unused loss finite.
    total_NK = (predicted_NK + true_NK + smooth).where(present_NK, 1.0)
    dice = mean_over_present(1 - (2 * overlap_NK + smooth) / total_NK, present_NK)
    return bce_weight * _mean_bce(sums_B5K, _per_class(weight, logits_BKhw)) + dice_weight * dice


def binary_sums(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    positive_weight: Sequence[float] | None = None,
) -> Tensor:
    """Return (B, 5, K): per class the sum of the cross-entropy, the number of valid labels, and the sums of
    P.Y, P and Y over them, P the sigmoid probabilities.
    """
    check_target(logits_BKhw, target_BHW, ignore_index, multi_label=True)
    positive_K = _per_class(positive_weight, logits_BKhw)
    positive_K11 = positive_K.view(-1, *(1,) * (logits_BKhw.ndim - 2))

    def sums(full_1KHW: Tensor, target_1HW: Tensor) -> Tensor:
        truth_1KHW, valid_1KHW = binary_labels(full_1KHW, target_1HW, ignore_index)
        # What is no number under void must not reach a sum: hence `where`, before and after.
        safe_1KHW = full_1KHW.where(valid_1KHW, 0.0)
        bce_1KHW = F.binary_cross_entropy_with_logits(
            safe_1KHW, truth_1KHW, pos_weight=positive_K11, reduction="none"
        ).where(valid_1KHW, 0.0)
        probs_1KHW = safe_1KHW.sigmoid().where(valid_1KHW, 0.0)
        parts = [bce_1KHW, valid_1KHW.float(), probs_1KHW * truth_1KHW, probs_1KHW, truth_1KHW]
        return torch.stack([part.flatten(2).sum(dim=(0, 2)) for part in parts])

    return at_full_size(sums, logits_BKhw, target_BHW, stride=stride, align_corners=align_corners)


def binary_labels(full_NKHW: Tensor, target_NHW: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Return the target per class, (N, K, H, W) of 0 and 1 in float32, 0 under void; and what is valid."""
    if target_NHW.ndim == full_NKHW.ndim:
        return (target_NHW == 1).float(), target_NHW != ignore_index
    target_N1HW = target_NHW.unsqueeze(1)
    valid_NKHW = (target_N1HW != ignore_index).expand_as(full_NKHW)
    classes_K = torch.arange(full_NKHW.shape[1], device=full_NKHW.device)
    classes_K11 = classes_K.view(-1, *(1,) * (full_NKHW.ndim - 2))
    return ((target_N1HW == classes_K11) & valid_NKHW).float(), valid_NKHW


def _mean_bce(sums_B5K: Tensor, weight_K: Tensor) -> Tensor:
    bce_K, valid_K = sums_B5K[:, :2].sum(dim=0)
    total: Tensor = (weight_K * valid_K).sum()
    mean: Tensor = (weight_K * bce_K).sum() / total.where(total > 0, 1.0)
    return mean


def _per_class(weight: Sequence[float] | None, logits_BKhw: Tensor) -> Tensor:
    """Return (K,) factors, ones where none are given."""
    classes = logits_BKhw.shape[1]
    if weight is not None and len(weight) != classes:
        raise ValueError(f"{len(weight)} class weights were given for {classes} classes; give one per class.")
    given = [1.0] * classes if weight is None else weight
    return torch.as_tensor(given, dtype=torch.float32, device=logits_BKhw.device)
