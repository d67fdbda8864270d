"""Online hard example mining: from the hardness of every pixel to the hardness from which on pixels count.

Hardness is -log p of the true class, without weights, smoothing or focus: all of these losses rise with it.
"""

import math

import torch
from torch import Tensor

VOID_HARDNESS = -1.0
"""Stands at void pixels; a true one is 0 or more, but for rounding."""

KEEP_ALL = -0.5
"""Below every true hardness, above that of void."""

KeepHardest = float | tuple[float, int] | None


def checked_keep(keep: KeepHardest) -> KeepHardest:
    """Return what was asked for, None where it leaves no pixel out.

    Raises:
        ValueError: the share is outside 0..1, the probability too, or the least number is negative.
    """
    if keep is None:
        return None
    share, least = (keep[0], keep[1]) if isinstance(keep, (tuple, list)) else (keep, 0)
    if not 0 < share <= 1 or least < 0:
        raise ValueError(
            f"keep_hardest is {keep!r}; expected a share of the pixels, above 0 up to 1, or a pair: the "
            "probability of the true class up to which pixels count, and the least number of them, 0 or more."
        )
    return None if share == 1 else keep


def keep_from(hardness_BHW: Tensor, keep: float | tuple[float, int]) -> float:
    """Return the least hardness that counts.

    Args:
        hardness_BHW: any shape, VOID_HARDNESS at void.
        keep: a share of the valid pixels (the hardest, rounded down, at least one), or a pair: the
            probability up to which pixels count, and how many of the hardest count at least. The latter is
            OHEM as it is common for street scenes, with its threshold 0.7 and 1/16 of the crop's pixels.
    """
    flat = hardness_BHW.flatten()
    valid = flat.numel() - int((flat <= KEEP_ALL).sum())
    if isinstance(keep, (tuple, list)):
        probability, least = keep
        count, bound = min(least, valid), -math.log(probability)
    else:
        count, bound = max(int(keep * valid), 1), math.inf
    if count == 0 or valid == 0:
        return bound
    # Void lies below all others: nothing need be taken out, which would be a copy.
    return min(bound, float(torch.kthvalue(flat, flat.numel() - count + 1).values))
