"""Losses that compare whole regions, not pixels: Dice, Jaccard, Tversky and focal Tversky.

P are softmax probabilities and Y the one-hot truth; sums run over valid pixels, of the whole batch or per
image. All four are means over the classes that are present: a class without a single true pixel has no
overlap to speak of, and is left out. Where nothing is valid the loss is 0 with zero gradient.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

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
    squared: bool = False,
    per_image: bool = False,
) -> Tensor:
    """Return the soft Dice loss, 1 - 2|P.Y| / (|P| + |Y|), averaged over the classes present.

    After Milletari et al. 2016 (V-Net, section 3), https://arxiv.org/abs/1606.04797, with plain sums where
    V-Net has squares, as is common.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        smooth: added to numerator and denominator, in pixels; steadies the loss of very small regions.
        squared: sum P * P in the denominator, as V-Net does.
        per_image: one Dice per image, averaged over all pairs of an image and a class present in it; else
            the sums run over the whole batch.

    Returns:
        Scalar in 0..1, float32; 0 with zero gradient where every pixel is void.
    """
    sums_B3K = region_sums(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        squared=squared,
    )
    overlap_NK, predicted_NK, true_NK = pool(sums_B3K, per_image)
    return mean_over_present(
        1 - _ratio(2 * overlap_NK + smooth, predicted_NK + true_NK + smooth, true_NK > 0), true_NK > 0
    )


def jaccard(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    smooth: float = 0.0,
    per_image: bool = False,
) -> Tensor:
    """Return the soft Jaccard loss, 1 - |P.Y| / (|P| + |Y| - |P.Y|), averaged over the classes present.

    Rahman, Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation.
    Arguments and result are those of `dice`.
    """
    return tversky(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        alpha=1.0,
        beta=1.0,
        smooth=smooth,
        per_image=per_image,
    )


def tversky(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 0.0,
    per_image: bool = False,
) -> Tensor:
    """Return 1 - |P.Y| / (|P.Y| + alpha * false positives + beta * false negatives), over classes present.

    Salehi, Erdogmus, Gholipour 2017, Tversky loss function for image segmentation using 3D fully
    convolutional deep networks, https://arxiv.org/abs/1706.05721. alpha = beta = 0.5 is Dice,
    alpha = beta = 1 Jaccard. The other arguments and the result are those of `dice`.

    Args:
        logits_BKhw: (B, K, h, w).
        target_BHW: (B, H, W) train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        alpha: weight of false positives; 0.3 and 0.7 did best in table 1 of the paper.
        beta: weight of false negatives.
        smooth: added to numerator and denominator, in pixels.
        per_image: one index per image instead of one per batch.
    """
    sums_B3K = region_sums(
        logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, ignore_index=ignore_index
    )
    loss_NK, present_NK = _tversky_of(pool(sums_B3K, per_image), alpha, beta, smooth)
    return mean_over_present(loss_NK, present_NK)


def focal_tversky(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    smooth: float = 0.0,
    per_image: bool = False,
) -> Tensor:
    """Return the mean over classes present of (1 - Tversky index) ** (1 / gamma).

    Abraham, Khan 2019, A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion
    Segmentation, section 2, https://arxiv.org/abs/1810.07842; there a sum over classes, and the letters of
    alpha and beta exchanged. The other arguments and the result are those of `tversky`.

    Args:
        logits_BKhw: (B, K, h, w).
        target_BHW: (B, H, W) train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        alpha: weight of false positives.
        beta: weight of false negatives.
        gamma: above 1, classes that are nearly found count more; 4/3 in the paper, from 1 to 3.
        smooth: added to numerator and denominator, in pixels.
        per_image: one index per image instead of one per batch.
    """
    sums_B3K = region_sums(
        logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, ignore_index=ignore_index
    )
    loss_NK, present_NK = _tversky_of(pool(sums_B3K, per_image), alpha, beta, smooth)
    # A root has no gradient at 0: a class found that well asks for nothing more.
    return mean_over_present(loss_NK.clamp(min=1e-6) ** (1 / gamma), present_NK)


def region_sums(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool,
    ignore_index: int,
    squared: bool = False,
) -> Tensor:
    """Return (B, 3, K): the sums of P.Y, of P (P * P where squared) and of Y over each image's valid pixels.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id that is neither a class nor void.
    """
    return upsample_region_sums(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        power=2 if squared else 1,
        per_image=True,
    )


def pool(sums_BSK: Tensor, per_image: bool) -> tuple[Tensor, ...]:
    """Return each kind of sum as (N, K): N = B images, or 1 where they are pooled over the batch."""
    return (sums_BSK if per_image else sums_BSK.sum(dim=0, keepdim=True)).unbind(dim=1)


def mean_over_present(loss_NK: Tensor, present_NK: Tensor) -> Tensor:
    """Return the mean over what is present; 0 where nothing is."""
    return loss_NK.where(present_NK, 0.0).sum() / present_NK.sum().clamp(min=1)


def _tversky_of(
    sums_3NK: tuple[Tensor, ...], alpha: float, beta: float, smooth: float
) -> tuple[Tensor, Tensor]:
    """Return 1 - index, (N, K), and where a class is present."""
    overlap_NK, predicted_NK, true_NK = sums_3NK
    present_NK = true_NK > 0
    wrong_NK = alpha * (predicted_NK - overlap_NK) + beta * (true_NK - overlap_NK)
    return 1 - _ratio(overlap_NK + smooth, overlap_NK + wrong_NK + smooth, present_NK), present_NK


def _ratio(above_NK: Tensor, below_NK: Tensor, present_NK: Tensor) -> Tensor:
    """Divide where a class is present; elsewhere what is below may be 0, and 1 keeps the unused finite."""
    return above_NK / below_NK.where(present_NK, 1.0)
