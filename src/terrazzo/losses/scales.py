"""Cross-entropy of outputs at several scales, with the labels brought to the logits or the other way.

`CombinedLoss` calls a loss on the main output and on every auxiliary one, each with its own stride and
weight; here is what to do with the difference in scale.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from terrazzo.core.prediction import logits_size
from terrazzo.core.sample import IGNORE
from terrazzo.losses.full_size import check_target
from terrazzo.losses.pixel import cross_entropy


def multi_scale(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    resize: Literal["labels", "logits"] = "labels",
    weight: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy at the scale of the logits, or at full size.

    Labels at every output's own scale: Zhao, Qi, Shen, Shi, Jia 2018, ICNet, "cascade label guidance",
    https://arxiv.org/abs/1704.08545. Coarse outputs then cost next to nothing, but learn
    nothing about thin things between their points.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits would be widened; it says where their points lie.
        ignore_index: the train id of void.
        resize: labels takes the label nearest to each logit's point; logits widens the logits, which is
            `cross_entropy`.
        weight: one factor per class; the mean is then the weighted one.
        label_smoothing: 0..1, the share of the target spread over all classes.

    Returns:
        Scalar, float32, the mean over valid labels; 0 with zero gradient where there is none.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id, anywhere at full size, that is neither a class nor void.
    """
    check_target(logits_BKhw, target_BHW, ignore_index)
    if resize == "labels":
        target_BHW, stride = nearest_labels(target_BHW, stride=stride, align_corners=align_corners), 1
    return cross_entropy(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        weight=weight,
        label_smoothing=label_smoothing,
    )


def nearest_labels(target_BHW: Tensor, *, stride: int, align_corners: bool = False) -> Tensor:
    """Return (B, h, w), the label nearest to the point of each logit on the padded grid of full size.

    Halfway between two pixels, the later one; a point that lies in the padding takes the last pixel.
    """
    sides = target_BHW.shape[1:]
    for dim, (full, small) in enumerate(zip(sides, logits_size(sides, stride), strict=True), start=1):
        cells = torch.arange(small, device=target_BHW.device)
        if align_corners:
            points = (cells * (small * stride - 1) / max(1, small - 1) + 0.5).long()
        else:
            points = cells * stride + stride // 2
        target_BHW = target_BHW.index_select(dim, points.clamp(max=full - 1))
    return target_BHW
