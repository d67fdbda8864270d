"""Losses: pure functions of logits and labels at full resolution, and their weighted sum.

`LOSSES` maps a name to a function that imports the loss, so that listing the names costs no torch. Adding a
loss = one new file + one line here + one line in its contract test.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from terrazzo.core.sample import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOSSES", "Loss"]


class Loss(Protocol):
    """What every loss is: a pure function of logits and labels.

    logits_BKhw: (B, K, h, w), any float type, at output stride. target_BHW: (B, H, W) train ids, uint8,
    int16 or int64. It returns a float32 scalar, the mean over valid pixels or present classes; nothing under
    void changes it; where everything is void it is 0 with zero gradient.
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


def _cross_entropy() -> Callable[..., "Tensor"]:
    from terrazzo.losses.pixel import cross_entropy

    return cross_entropy


def _dice() -> Callable[..., "Tensor"]:
    from terrazzo.losses.region import dice

    return dice


LOSSES: dict[str, Callable[[], Callable[..., "Tensor"]]] = {
    "cross_entropy": _cross_entropy,
    "dice": _dice,
}
