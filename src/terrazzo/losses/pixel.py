"""Losses that are a mean over pixels: cross-entropy, focal, and hard example mining.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import upsample_cross_entropy

_NEVER = 1e-38
"""No pixel is kept for having a probability below this: their number alone counts."""


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


def focal(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    weight: Sequence[float] | None = None,
    gamma: float = 2.0,
) -> Tensor:
    """Return (1 - p) ** gamma * -log p, p the softmax probability of the true class, over valid pixels.

    Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection, equations 4 and 5,
    https://arxiv.org/abs/1708.02002; there with a sigmoid, which two classes of a softmax are as well.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        weight: one factor per class, the paper's alpha; the mean is then the weighted one.
        gamma: at least 0, which is the cross-entropy; 2 did best in the paper.

    Returns:
        Scalar, float32; 0 with zero gradient where every pixel is void.

    Raises:
        RequestError: gamma is negative.
    """
    if gamma < 0:
        raise RequestError(f"gamma is {gamma}; the focal loss needs 0 or more. The paper's value is 2.")
    return upsample_cross_entropy(
        logits_BKhw,
        target_BHW,
        stride=stride,
        align_corners=align_corners,
        ignore_index=ignore_index,
        weight=weight,
        focal_gamma=gamma,
    )


class Ohem:
    """Online hard example mining: the mean cross-entropy over the hardest valid pixels of the batch.

    Shrivastava, Gupta, Girshick 2016, Training Region-based Object Detectors with Online Hard Example Mining,
    https://arxiv.org/abs/1604.03540; for pixels, Wu, Shen, van den Hengel 2016, High-performance Semantic
    Segmentation Using Very Deep Fully Convolutional Networks, "online bootstrapping", https://arxiv.org/abs/1604.04339:
    those whose true class has the lowest probability, by share, or below a threshold and at least so many.

    Mining from the start learns the hard before the plain: with `until`, all pixels count at first, and the
    number that is sure to be kept falls linearly until that share of the run is done.
    """

    def __init__(
        self,
        keep: float = 0.25,
        threshold: float | None = None,
        minimum: int = 100_000,
        until: float = 0.0,
        weight: Sequence[float] | None = None,
    ) -> None:
        """Take what to keep.

        Args:
            keep: share of the batch's valid pixels, above 0, up to 1; rounded up.
            threshold: instead of a share, keep where the true class has a lower probability than this, above
                0, below 1; 0.7 is common.
            minimum: with a threshold, at least so many pixels, as far as there are any.
            until: share of the run after which mining is at its strongest, 0..1.
            weight: one factor per class; the mean is then the weighted one. It does not change what is hard.

        Raises:
            RequestError: a value is out of range.
        """
        for name, value, fits, wanted in (
            ("keep", keep, 0 < keep <= 1, "above 0, up to 1"),
            ("threshold", threshold, threshold is None or 0 < threshold < 1, "between 0 and 1"),
            ("minimum", minimum, minimum >= 1, "1 or more"),
            ("until", until, 0 <= until <= 1, "0 to 1"),
        ):
            if not fits:
                raise RequestError(f"{name} of the loss 'ohem' is {value}; expected {wanted}.")
        self.keep, self.threshold, self.minimum = keep, threshold, minimum
        self.until, self.weight = until, weight
        self.progress = 1.0

    def set_progress(self, share: float) -> None:
        """Say how much of the run is done, 0..1; without it, mining is at its strongest."""
        self.progress = share

    def __call__(
        self,
        logits_BKhw: Tensor,
        target_BHW: Tensor,
        *,
        stride: int,
        align_corners: bool = False,
        ignore_index: int = IGNORE,
    ) -> Tensor:
        """Return the mean over what is kept; pixels as hard as the last one kept are kept too."""
        number = self._number(int((target_BHW != ignore_index).sum()))
        return upsample_cross_entropy(
            logits_BKhw,
            target_BHW,
            stride=stride,
            align_corners=align_corners,
            ignore_index=ignore_index,
            weight=self.weight,
            keep_hardest=(_NEVER if self.threshold is None else self.threshold, number),
        )

    def _number(self, valid: int) -> int:
        """Return how many of the valid pixels are kept whatever their loss."""
        strongest = math.ceil(self.keep * valid) if self.threshold is None else min(self.minimum, valid)
        done = min(1.0, self.progress / self.until) if self.until else 1.0
        return math.ceil(valid + done * (strongest - valid))
