"""The Lovasz losses: the Jaccard index's convex extension, so that the score itself can be descended.

Berman, Rannen Triki, Blaschko 2018, The Lovasz-Softmax loss, https://arxiv.org/abs/1705.08790. Pixels are
sorted by how wrong they are, and each weighs what the Jaccard loss grows by when it, too, is got wrong.

Shapes: B images, K classes, h x w logits, H x W full size, P valid pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.sample import IGNORE
from terrazzo.losses.binary import binary_labels
from terrazzo.losses.full_size import at_full_size, check_target


def lovasz_softmax(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    per_image: bool = False,
) -> Tensor:
    """Return the Lovasz extension of 1 - Jaccard, of softmax probabilities, averaged over classes present.

    Pooled over the batch the order runs over all of its pixels, so
    that, unlike in other losses here, the whole batch's full-size floats are there at the same time.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        per_image: one index per image, averaged over all pairs of an image and a class present in it; one
            image's full-size floats at a time.

    Returns:
        Scalar in 0..1, float32; 0 with zero gradient where every pixel is void.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id that is neither a class nor void.
    """
    check_target(logits_BKhw, target_BHW, ignore_index)

    def summed(full_NKHW: Tensor, target_NHW: Tensor) -> Tensor:
        valid_NHW = target_NHW != ignore_index
        labels_P = target_NHW[valid_NHW]
        probs_PK = full_NKHW.movedim(1, -1)[valid_NHW].softmax(dim=1)
        present = torch.unique(labels_P).tolist()
        losses = [
            _extension((probs_PK[:, k] - (labels_P == k).float()).abs(), labels_P == k) for k in present
        ]
        return _sum_and_number(losses, probs_PK)

    sums_N2 = at_full_size(
        summed, logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, pooled=not per_image
    )
    return sums_N2[:, 0].sum() / sums_N2[:, 1].sum().clamp(min=1)


def lovasz_hinge(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    per_image: bool = False,
) -> Tensor:
    """Return the Lovasz extension of 1 - Jaccard, of hinge errors max(0, 1 - logit * sign), over all classes.

    Each class by itself, for targets with several labels per pixel (see `binary`
    for how they are given). As in the authors' code a class without a true pixel counts, with its one worst
    error; only classes without a valid label are left out.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, K, H, W) of 0 and 1, or (B, H, W) train ids; of volumes one dimension more.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: void, in both kinds of target.
        per_image: one index per image, averaged over all pairs of an image and a class; else one per batch,
            whose full-size floats are then there at the same time.

    Returns:
        Scalar, at least 0, float32; 0 with zero gradient where every label is void.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: a label is neither 0 nor 1 nor void, or no train id.
    """
    check_target(logits_BKhw, target_BHW, ignore_index, multi_label=True)

    def summed(full_NKHW: Tensor, target_NHW: Tensor) -> Tensor:
        truth_NKHW, valid_NKHW = binary_labels(full_NKHW, target_NHW, ignore_index)
        losses = []
        for k in range(full_NKHW.shape[1]):
            logits_P, truth_P = full_NKHW[:, k][valid_NKHW[:, k]], truth_NKHW[:, k][valid_NKHW[:, k]]
            if len(logits_P):
                losses.append(_extension(F.relu(1 - logits_P * (2 * truth_P - 1)), truth_P > 0))
        return _sum_and_number(losses, full_NKHW)

    sums_N2 = at_full_size(
        summed, logits_BKhw, target_BHW, stride=stride, align_corners=align_corners, pooled=not per_image
    )
    return sums_N2[:, 0].sum() / sums_N2[:, 1].sum().clamp(min=1)


def _extension(errors_P: Tensor, truth_P: Tensor) -> Tensor:
    """Return the errors, largest first, times what each adds to 1 - Jaccard; algorithm 1 of the paper."""
    sorted_P, order_P = errors_P.sort(descending=True, stable=True)
    # Counted in integers: float32 would stop counting at 2 ** 24 pixels.
    hits_P = truth_P[order_P].long().cumsum(dim=0)
    positives = hits_P[-1]
    false_P = torch.arange(1, len(hits_P) + 1, device=hits_P.device) - hits_P
    loss_P = 1 - (positives - hits_P).double() / (positives + false_P).double()
    added_P = loss_P.diff(prepend=loss_P.new_zeros(1))
    return (sorted_P * added_P.float()).sum()


def _sum_and_number(losses: list[Tensor], like: Tensor) -> Tensor:
    """Return (2,): the sum of the losses and how many they are; 0 with a gradient of zeros where none is."""
    number = like.new_tensor(float(len(losses)))
    return torch.stack([torch.stack(losses).sum() if losses else like[:0].sum(), number])
