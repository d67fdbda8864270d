"""Losses: functions of logits and labels at full resolution, and their weighted sum.

`LOSSES` maps a name to a function that imports the loss, so that listing the names costs no torch. Adding a
loss = one new file + one line here + one line in its contract test.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from terrazzo.core.sample import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOSSES", "Loss"]


class Loss(Protocol):
    """What every loss is: a function of logits and labels.

    logits_BKhw: (B, K, h, w), any float type, at output stride. target_BHW: (B, H, W) train ids, uint8,
    int16 or int64; the losses for several labels per pixel also take (B, K, H, W) of 0, 1 and void. It
    returns a float32 scalar, a mean whose reduction its docstring states; nothing under void changes it;
    where everything is void it is 0 with zero gradient.

    A loss that changes over the run is a class: made with its options, called like the functions, and told
    by `set_progress` how much of the run is done. Nothing else changes it.
    """

    def __call__(
        self,
        logits_BKhw: "Tensor",
        target_BHW: "Tensor",
        *,
        stride: int,
        align_corners: bool = False,
        ignore_index: int = IGNORE,
    ) -> "Tensor":
        """Return the loss; further keyword arguments, if any, have defaults."""


Function = Callable[..., Any]


def _bce() -> Function:
    from terrazzo.losses.binary import bce

    return bce


def _bce_dice() -> Function:
    from terrazzo.losses.binary import bce_dice

    return bce_dice


def _boundary() -> Function:
    from terrazzo.losses.distance import boundary

    return boundary


def _cross_entropy() -> Function:
    from terrazzo.losses.pixel import cross_entropy

    return cross_entropy


def _dice() -> Function:
    from terrazzo.losses.region import dice

    return dice


def _focal() -> Function:
    from terrazzo.losses.pixel import focal

    return focal


def _focal_tversky() -> Function:
    from terrazzo.losses.region import focal_tversky

    return focal_tversky


def _hausdorff() -> Function:
    from terrazzo.losses.distance import hausdorff

    return hausdorff


def _jaccard() -> Function:
    from terrazzo.losses.region import jaccard

    return jaccard


def _lovasz_hinge() -> Function:
    from terrazzo.losses.lovasz import lovasz_hinge

    return lovasz_hinge


def _lovasz_softmax() -> Function:
    from terrazzo.losses.lovasz import lovasz_softmax

    return lovasz_softmax


def _mcc() -> Function:
    from terrazzo.losses.correlation import mcc

    return mcc


def _multi_scale() -> Function:
    from terrazzo.losses.scales import multi_scale

    return multi_scale


def _ohem() -> Function:
    from terrazzo.losses.pixel import Ohem

    return Ohem


def _tversky() -> Function:
    from terrazzo.losses.region import tversky

    return tversky


LOSSES: dict[str, Callable[[], Function]] = {
    "bce": _bce,
    "bce_dice": _bce_dice,
    "boundary": _boundary,
    "cross_entropy": _cross_entropy,
    "dice": _dice,
    "focal": _focal,
    "focal_tversky": _focal_tversky,
    "hausdorff": _hausdorff,
    "jaccard": _jaccard,
    "lovasz_hinge": _lovasz_hinge,
    "lovasz_softmax": _lovasz_softmax,
    "mcc": _mcc,
    "multi_scale": _multi_scale,
    "ohem": _ohem,
    "tversky": _tversky,
}
