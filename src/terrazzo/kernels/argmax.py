"""From logits at output stride to labels at full size, without the logits of full size.

It is a custom operator, `terrazzo::upsample_argmax`, so that a network that ends in it can be exported;
`dispatch` says who computes it. Sizes are checked when it runs, not when it is traced: so an exported network
takes any size.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor

from terrazzo.core.prediction import channels_last, check_size, upsample
from terrazzo.kernels.dispatch import room_of
from terrazzo.kernels.loops import loops_label

MAX_UINT8_CLASSES = 255  # 255 itself stays free for void

ProbabilityType = Literal["uint8", "float16"]


@overload
def upsample_argmax(
    logits_BKhw: Tensor,
    size: Sequence[int],
    *,
    stride: int,
    align_corners: bool = ...,
    probability: None = ...,
) -> Tensor: ...


@overload
def upsample_argmax(
    logits_BKhw: Tensor,
    size: Sequence[int],
    *,
    stride: int,
    align_corners: bool = ...,
    probability: ProbabilityType,
) -> tuple[Tensor, Tensor]: ...


def upsample_argmax(
    logits_BKhw: Tensor,
    size: Sequence[int],
    *,
    stride: int,
    align_corners: bool = False,
    probability: ProbabilityType | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the class with the largest upsampled logit at every pixel, the lowest where several are equal.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type; widened in float32.
        size: (H, W) of the image, or (D, H, W) of a volume, pixels; h = ceil(H / stride) and so on.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened, as in `core.prediction.upsample`.
        probability: also return the softmax probability of the winning class: "float16" in 0..1, or "uint8",
            0..255 for 0..1.

    Returns:
        (B, *size) labels 0..K-1 on the logits' device, uint8 (int16 beyond 255 classes), and with
        `probability` a second tensor of the same shape. An image's labels do not depend on the others in its
        batch.

    Raises:
        ValueError: the logits do not belong to an image of this size, or `probability` is not one of these.
    """
    if probability not in (None, "uint8", "float16"):
        raise ValueError(f"probability is {probability!r}; expected None, 'uint8' or 'float16'.")
    given = (logits_BKhw.detach(), list(size), stride, align_corners, probability or "")
    labels_BHW, chance_BHW = _argmax_op(*given)
    return labels_BHW if probability is None else (labels_BHW, chance_BHW)


@torch.library.custom_op("terrazzo::upsample_argmax", mutates_args=())
def _argmax_op(
    logits_BKhw: Tensor, size: Sequence[int], stride: int, align_corners: bool, probability: str
) -> tuple[Tensor, Tensor]:
    """Return labels and probability, the latter without elements where `probability` is empty."""
    check_size(logits_BKhw, size, stride)
    labels_BHW, chance_BHW = _outputs(logits_BKhw, size, probability)
    room = room_of("argmax", logits_BKhw, stride)
    if room.kind == "triton":
        room.module.label(logits_BKhw, labels_BHW, chance_BHW, stride, align_corners)
        return labels_BHW, chance_BHW
    wide_BHW = torch.empty(chance_BHW.shape, device=logits_BKhw.device) if probability else None
    if room.kind == "loops":
        loops_label(room.module, logits_BKhw, labels_BHW, wide_BHW, stride, align_corners)
    else:
        _by_image(logits_BKhw, labels_BHW, wide_BHW, stride, align_corners)
    if wide_BHW is not None:
        chance_BHW.copy_(wide_BHW.mul_(255).round_() if probability == "uint8" else wide_BHW)
    return labels_BHW, chance_BHW


@_argmax_op.register_fake
def _(
    logits_BKhw: Tensor, size: Sequence[int], stride: int, align_corners: bool, probability: str
) -> tuple[Tensor, Tensor]:
    return _outputs(logits_BKhw, size, probability)


def _outputs(logits_BKhw: Tensor, size: Sequence[int], probability: str) -> tuple[Tensor, Tensor]:
    """Return tensors to be filled."""
    batch, num_classes = logits_BKhw.shape[:2]
    dtype = torch.uint8 if num_classes <= MAX_UINT8_CLASSES else torch.int16
    labels_BHW = logits_BKhw.new_empty((batch, *size), dtype=dtype)
    if not probability:
        return labels_BHW, logits_BKhw.new_empty((0,), dtype=torch.float16)
    return labels_BHW, logits_BKhw.new_empty(
        (batch, *size), dtype=torch.uint8 if probability == "uint8" else torch.float16
    )


def _by_image(
    logits_BKhw: Tensor, labels_BHW: Tensor, chance_BHW: Tensor | None, stride: int, align_corners: bool
) -> None:
    for image in range(len(logits_BKhw)):
        # channels-last: both the interpolation and the maximum then run along memory (7x on CPU).
        logits_1Khw = channels_last(logits_BKhw[image : image + 1].float())
        size = labels_BHW.shape[1:]
        full_1KHW = upsample(logits_1Khw, size, stride=stride, align_corners=align_corners)
        labels_BHW[image] = full_1KHW[0].argmax(dim=0)
        if chance_BHW is not None:
            chance_BHW[image] = full_1KHW[0].softmax(dim=0).amax(dim=0)
