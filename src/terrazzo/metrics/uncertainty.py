"""How unsure a network is of each pixel, from its probabilities: 0 is certain, 1 is no idea at all.

Sources: Shannon 1948 (entropy); Scheffer et al. 2001 (margin); Hendrycks and Gimpel 2017 (the largest softmax
probability as the baseline for finding errors).

Shapes: K classes, H and W of one image (a volume has one side more).
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def entropy(probabilities_KHW: Floats) -> Floats:
    """Return the entropy (H, W) over its largest value, log K: 1 where all classes are equally likely.

    Args:
        probabilities_KHW: float32 shares in 0..1 that add up to 1 over K.
    """
    total_HW = np.zeros(probabilities_KHW.shape[1:], np.float32)
    if len(probabilities_KHW) == 1:
        return total_HW
    for share_HW in probabilities_KHW:  # class by class: no second tensor of full size
        # 0 log 0 is 0: whatever tiny number stands in for 0 inside the logarithm.
        total_HW -= share_HW * np.log(np.maximum(share_HW, np.finfo(np.float32).tiny))
    total_HW /= np.float32(np.log(len(probabilities_KHW)))
    return np.clip(total_HW, 0, 1, out=total_HW)


def margin(probabilities_KHW: Floats) -> Floats:
    """Return 1 minus the gap between the two most likely classes, (H, W): 1 where two are equally likely."""
    first_HW = np.zeros(probabilities_KHW.shape[1:], np.float32)
    second_HW = np.zeros_like(first_HW)
    for share_HW in probabilities_KHW:
        np.maximum(second_HW, np.minimum(first_HW, share_HW), out=second_HW)
        np.maximum(first_HW, share_HW, out=first_HW)
    return 1 - (first_HW - second_HW)


def least_confidence(probabilities_KHW: Floats) -> Floats:
    """Return 1 minus the largest probability, (H, W): at most 1 - 1 / K."""
    unsure_HW: Floats = 1 - probabilities_KHW.max(axis=0)
    return unsure_HW


UNCERTAINTIES: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "entropy": entropy,
    "least_confidence": least_confidence,
    "margin": margin,
}
"""Name -> from probabilities (K, H, W) to uncertainty (H, W) in 0..1."""
