"""What a network returns: logits at its own output stride, and how to read them at full size.

Shapes: B images, K classes, H x W full size, h x w = ceil(H / stride) x ceil(W / stride).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F


def logits_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return (h, w) = (ceil(H / stride), ceil(W / stride)), the size of logits for an image of (H, W)."""
    height, width = size
    return -(-height // stride), -(-width // stride)


def upsample(
    logits_BKhw: Tensor, size: tuple[int, int], *, stride: int, align_corners: bool = False
) -> Tensor:
    """Widen logits bilinearly by their stride, then crop to the image: (B, K, h, w) -> (B, K, H, W).

    The one definition of full resolution in this project. The grid is the padded one, (h * stride,
    w * stride), whatever the image's size, so an image and the same image padded agree inside.
    Beyond tests and small uses call `terrazzo.kernels`, which never builds this tensor.

    Raises:
        ValueError: the logits are not (ceil(H / stride), ceil(W / stride)).
    """
    height, width = size
    h, w = logits_BKhw.shape[-2:]
    if (h, w) != logits_size(size, stride):
        raise ValueError(
            f"Logits of {h} x {w} do not belong to an image of {height} x {width} at stride {stride}: "
            f"expected {' x '.join(map(str, logits_size(size, stride)))}."
        )
    if stride == 1:
        return logits_BKhw
    full = F.interpolate(
        logits_BKhw, size=(h * stride, w * stride), mode="bilinear", align_corners=align_corners
    )
    return full[..., :height, :width]


@dataclass(frozen=True)
class Auxiliary:
    """One further output for deep supervision; the loss adds it with its weight, prediction ignores it."""

    logits: Tensor
    """(B, K, h, w), at this head's own stride."""

    stride: int
    """Full-size pixels per logit, in both directions."""

    weight: float
    """Factor on this output's loss, as in the paper."""

    align_corners: bool = False
    """How the logits are widened to full size."""


@dataclass(frozen=True)
class Prediction:
    """The output of every network."""

    logits: Tensor
    """(B, K, h, w) raw scores before softmax, h = ceil(H / stride), w = ceil(W / stride)."""

    stride: int
    """Full-size pixels per logit, in both directions."""

    size: tuple[int, int]
    """(H, W) of the image that went in, pixels."""

    align_corners: bool = False
    """How the logits are widened to full size; False but for weights that were trained otherwise."""

    auxiliary: tuple[Auxiliary, ...] = field(default=())
    """Deep supervision outputs, in training mode only."""

    def full_size(self) -> Tensor:
        """Return logits (B, K, H, W) in float32. For tests and small uses: the kernels never build it."""
        return upsample(
            self.logits.to(torch.float32), self.size, stride=self.stride, align_corners=self.align_corners
        )


# So that torch.export can trace a network that returns them.
torch.export.register_dataclass(Auxiliary)
torch.export.register_dataclass(Prediction)
