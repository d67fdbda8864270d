"""From logits at output stride to labels at full size, without the logits of full size.

On CPU compiled loops answer (`kernels.cpu.argmax`); elsewhere, for volumes, for float64 and where numba is
missing it is PyTorch, one image at a time.

Shapes: B images, K classes, h x w logits, H x W full size (d x h x w and D x H x W of volumes).
"""

from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from terrazzo.core.prediction import channels_last, check_size, upsample
from terrazzo.kernels.cpu import compiled_room

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


@torch.no_grad()
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
    check_size(logits_BKhw, size, stride)
    batch, num_classes = logits_BKhw.shape[:2]
    dtype = torch.uint8 if num_classes <= MAX_UINT8_CLASSES else torch.int16
    labels_BHW = torch.empty((batch, *size), dtype=dtype, device=logits_BKhw.device)
    chance_BHW = None
    if probability is not None:
        chance_BHW = torch.empty((batch, *size), dtype=torch.float32, device=logits_BKhw.device)
    room = compiled_room("argmax") if _compiled_takes(logits_BKhw) else None
    if room is None:
        _by_image(logits_BKhw, labels_BHW, chance_BHW, stride, align_corners)
    else:
        _compiled(room, logits_BKhw, labels_BHW, chance_BHW, stride, align_corners)
    if chance_BHW is None:
        return labels_BHW
    if probability == "uint8":
        return labels_BHW, chance_BHW.mul_(255).round_().to(torch.uint8)
    return labels_BHW, chance_BHW.to(torch.float16)


def _compiled_takes(logits_BKhw: Tensor) -> bool:
    return logits_BKhw.device.type == "cpu" and logits_BKhw.ndim == 4 and logits_BKhw.dtype != torch.float64


def _compiled(
    room: Any,
    logits_BKhw: Tensor,
    labels_BHW: Tensor,
    chance_BHW: Tensor | None,
    stride: int,
    align_corners: bool,
) -> None:
    chance = torch.empty((0, 0, 0)) if chance_BHW is None else chance_BHW
    # Where logits are at full size their float32 copy is an image's, not the batch's.
    per_call = 1 if stride == 1 and logits_BKhw.dtype != torch.float32 else len(logits_BKhw)
    for first in range(0, len(logits_BKhw), max(per_call, 1)):
        part = slice(first, first + per_call)
        room.label(
            logits_BKhw[part].detach().float().contiguous().numpy(),
            labels_BHW[part].numpy(),
            chance[part].numpy(),
            stride,
            align_corners,
            torch.get_num_threads(),
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
