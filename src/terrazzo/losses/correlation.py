"""The loss that is a correlation: Matthews' coefficient of prediction and truth.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from torch import Tensor

from terrazzo.core.sample import IGNORE
from terrazzo.losses.region import mean_over_present, pool, region_sums

SMALLEST = 1e-7
"""Added under the root: a class that is predicted nowhere, or everywhere, has no variance to divide by."""


def mcc(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    per_image: bool = False,
) -> Tensor:
    """Return 1 - Matthews' correlation of softmax probabilities and truth, averaged over classes.

    Abhishek, Hamarneh 2021, Matthews Correlation Coefficient Loss for Deep Convolutional Networks,
    https://arxiv.org/abs/2010.13454, here for every class against the rest. With shares of the valid pixels,
    p predicted, y true and t both, the coefficient is (t - p y) / sqrt(p (1 - p) y (1 - y)). It has no value
    for a class that is nowhere, or everywhere, in the truth: such classes are left out.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        per_image: one coefficient per image instead of one per batch.

    Returns:
        Scalar in 0..2, float32; 0 with zero gradient where every pixel is void, or of one class.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id that is neither a class nor void.
    """
    sums_B3K = region_sums(
        logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, ignore_index=ignore_index
    )
    overlap_NK, predicted_NK, true_NK = pool(sums_B3K, per_image)
    valid_N1 = true_NK.sum(dim=1, keepdim=True)
    both_NK, p_NK, y_NK = (part / valid_N1.clamp(min=1) for part in (overlap_NK, predicted_NK, true_NK))
    spread_NK = p_NK * (1 - p_NK).clamp(min=0) * y_NK * (1 - y_NK)
    mcc_NK = (both_NK - p_NK * y_NK) / (spread_NK + SMALLEST**2).sqrt()
    return mean_over_present(1 - mcc_NK, (true_NK > 0) & (true_NK < valid_N1))
