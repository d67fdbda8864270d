"""What a network returns: logits at its own output stride, and how to read them at full size.

Shapes: B images, K classes, H x W full size, h x w = ceil(H / stride) x ceil(W / stride).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def logits_size(size: Sequence[int], stride: int) -> tuple[int, ...]:
    """Return (h, w) = (ceil(H / stride), ceil(W / stride)), the size of logits for an image of (H, W).

    A volume (D, H, W) has (d, h, w) alike.
    """
    return tuple(-(-side // stride) for side in size)


def upsample(logits_BKhw: Tensor, size: Sequence[int], *, stride: int, align_corners: bool = False) -> Tensor:
    """Widen logits bilinearly by their stride, then crop to the image: (B, K, h, w) -> (B, K, H, W).

    The one definition of full resolution in this project. The grid is the padded one, (h * stride,
    w * stride), whatever the image's size, so an image and the same image padded agree inside. Volumes
    (B, K, d, h, w) are widened trilinearly. Beyond tests and small uses call `terrazzo.kernels`, which never
    builds this tensor.

    Raises:
        ValueError: the logits are not (ceil(H / stride), ceil(W / stride)).
    """
    check_size(logits_BKhw, size, stride)
    given = logits_BKhw.shape[2:]
    if stride == 1:
        return logits_BKhw
    full = F.interpolate(
        logits_BKhw,
        size=[side * stride for side in given],
        mode="bilinear" if len(given) == 2 else "trilinear",
        align_corners=align_corners,
    )
    for dim, side in enumerate(size, start=2):
        full = full.narrow(dim, 0, side)
    return full


def check_size(logits_BKhw: Tensor, size: Sequence[int], stride: int) -> None:
    """Raise ValueError unless the logits are (ceil(H / stride), ceil(W / stride)) of an image of (H, W)."""
    given, expected = tuple(logits_BKhw.shape[2:]), logits_size(size, stride)
    if given != expected:
        raise ValueError(
            f"Logits of {_by(given)} do not belong to an image of {_by(size)} at stride {stride}: "
            f"expected {_by(expected)}."
        )


def channels_last(logits_BKhw: Tensor) -> Tensor:
    """Return the same with the classes of a pixel (of a voxel, where there are five dimensions) side by side.

    Interpolation, maximum and softmax over the classes then run along memory.
    """
    layout = torch.channels_last if logits_BKhw.ndim == 4 else torch.channels_last_3d
    return logits_BKhw.contiguous(memory_format=layout)


def _by(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


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
class Boundary:
    """The output of a boundary branch, for training: is this pixel next to another class?

    The loss is the one of PIDNet (Xu et al. 2023, section 3.4): a class-balanced binary cross-entropy on the
    branch, and the cross-entropy of the main output where the branch sees a boundary.
    """

    logits: Tensor
    """(B, 1, h, w), before the sigmoid."""

    stride: int
    """Full-size pixels per logit, in both directions."""

    weight: float
    """Factor on the binary cross-entropy."""

    aware_weight: float
    """Factor on the main output's cross-entropy at boundaries."""

    threshold: float = 0.8
    """Probability from which on the branch sees a boundary, 0..1."""

    align_corners: bool = False
    """How the logits are widened to full size."""


@dataclass(frozen=True)
class Queries:
    """The output of a mask transformer, for training: Q masks, and a class for each.

    The loss matches masks to true segments (Cheng et al. 2022, Mask2Former, section 4.1).
    """

    mask_logits: Tensor
    """(B, Q, h, w), before the sigmoid."""

    class_logits: Tensor
    """(B, Q, K + 1), before the softmax; the last is "no object"."""

    stride: int
    """Full-size pixels per mask logit, in both directions."""

    weight: float = 1.0
    """Factor on this output's loss."""


@dataclass(frozen=True)
class Prediction:
    """The output of every network."""

    logits: Tensor
    """(B, K, h, w) raw scores before softmax, h = ceil(H / stride), w = ceil(W / stride)."""

    stride: int
    """Full-size pixels per logit, in both directions."""

    size: tuple[int, ...]
    """(H, W) of the image that went in, pixels; (D, H, W) of a volume."""

    align_corners: bool = False
    """How the logits are widened to full size; False but for weights that were trained otherwise."""

    auxiliary: tuple[Auxiliary, ...] = ()
    """Deep supervision outputs, in training mode only."""

    boundaries: tuple[Boundary, ...] = ()
    """Outputs of boundary branches, in training mode only."""

    queries: tuple[Queries, ...] = ()
    """Masks with classes, in training mode only."""

    weight: float = 1.0
    """Factor on the main output's loss; 0 where the published loss is on the other outputs alone."""

    def full_size(self) -> Tensor:
        """Return logits (B, K, H, W) in float32. For tests and small uses: the kernels never build it."""
        return upsample(
            self.logits.to(torch.float32), self.size, stride=self.stride, align_corners=self.align_corners
        )


def to_probabilities(prediction: Prediction) -> NDArray[np.float32]:
    """Return the (K, H, W) softmax over classes of a prediction for one image, in 0..1."""
    with torch.inference_mode():
        shares_KHW: NDArray[np.float32] = prediction.full_size()[0].softmax(dim=0).cpu().numpy()
    return shares_KHW


# So that torch.export can trace a network that returns them.
torch.export.register_dataclass(Auxiliary)
torch.export.register_dataclass(Boundary)
torch.export.register_dataclass(Queries)
torch.export.register_dataclass(Prediction)
