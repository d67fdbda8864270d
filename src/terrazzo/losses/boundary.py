"""The loss of a boundary branch, and what it says about the main output.

Xu, Xiong, Bhattacharyya 2023, PIDNet, the training loss, https://arxiv.org/abs/2206.02066. There, boundaries
are Canny's lines on the label image, dilated by 4 x 4 pixels before the image is scaled; here they are drawn
from the labels that the network is trained on, as wide, and void makes none.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.prediction import upsample
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import upsample_cross_entropy

if TYPE_CHECKING:
    from terrazzo.core.prediction import Boundary, Prediction

RADIUS = 2
"""Pixels; a straight border is then 4 pixels wide, as after the official dilation."""


def edges_from_labels(target_BHW: Tensor, *, ignore_index: int = IGNORE, radius: int = RADIUS) -> Tensor:
    """Return where a pixel has another class near it.

    Void is no class: it makes no boundary with its neighbours, and classes on both sides of it have one only
    where they are within reach of each other.

    Args:
        target_BHW: (B, H, W) train ids.
        ignore_index: the train id of void.
        radius: pixels, in every direction, that are looked at; what lies beyond the image is not.

    Returns:
        (B, H, W), bool; False under void.
    """
    valid_B1HW = (target_BHW != ignore_index).unsqueeze(1)
    labels_B1HW = target_BHW.unsqueeze(1).to(torch.float32)
    highest, lowest_negated = (
        F.max_pool2d(values.where(valid_B1HW, -torch.inf), 2 * radius + 1, stride=1, padding=radius)
        for values in (labels_B1HW, -labels_B1HW)
    )
    return ((highest != -lowest_negated) & valid_B1HW).squeeze(1)


def balanced_cross_entropy(
    boundary: "Boundary", target_BHW: Tensor, *, ignore_index: int = IGNORE, radius: int = RADIUS
) -> Tensor:
    """Return the binary cross-entropy of boundary or not, averaged over valid pixels.

    Pixels at boundaries are weighted by the share of the others among the batch's valid pixels, and the
    others by theirs, so that both weigh the same in sum. A batch without any boundary therefore has loss 0.

    Args:
        boundary: the branch's output.
        target_BHW: (B, H, W) train ids.
        ignore_index: the train id of void, whose pixels count for nothing.
        radius: pixels, as in `edges_from_labels`.

    Returns:
        Scalar, float32; 0 with zero gradient where every pixel is void.
    """
    edges_BHW = edges_from_labels(target_BHW, ignore_index=ignore_index, radius=radius)
    valid_BHW = target_BHW != ignore_index
    count = valid_BHW.sum(dtype=torch.float32).clamp(min=1)
    share = edges_BHW.sum(dtype=torch.float32) / count
    weight_BHW = torch.where(edges_BHW, 1 - share, share) * valid_BHW
    with torch.autocast(target_BHW.device.type, enabled=False):
        loss_BHW = F.binary_cross_entropy_with_logits(
            _full_size(boundary, target_BHW), edges_BHW.to(torch.float32), weight_BHW, reduction="none"
        )
        return loss_BHW.sum() / count


def aware_cross_entropy(
    prediction: "Prediction", boundary: "Boundary", target_BHW: Tensor, *, ignore_index: int = IGNORE
) -> Tensor:
    """Return the main output's cross-entropy, averaged over valid pixels where the branch sees a boundary.

    The branch itself gets no gradient from it: it only says where.

    Args:
        prediction: its logits are judged.
        boundary: the branch's output, and the threshold.
        target_BHW: (B, H, W) train ids.
        ignore_index: the train id of void.

    Returns:
        Scalar, float32; 0 with zero gradient where no valid pixel is seen as boundary.
    """
    with torch.no_grad():
        seen_BHW = _full_size(boundary, target_BHW).sigmoid() > boundary.threshold
    return upsample_cross_entropy(
        prediction.logits,
        target_BHW.where(seen_BHW, ignore_index),
        stride=prediction.stride,
        align_corners=prediction.align_corners,
        ignore_index=ignore_index,
    )


def _full_size(boundary: "Boundary", target_BHW: Tensor) -> Tensor:
    """Return the branch's logits, (B, H, W) in float32: one channel, so the full size costs little."""
    return upsample(
        boundary.logits.to(torch.float32),
        target_BHW.shape[1:],
        stride=boundary.stride,
        align_corners=boundary.align_corners,
    ).squeeze(1)
