"""Tensors to the compiled CPU loops and back: float32, contiguous, numpy views.

Shapes: B images, K classes, h x w logits, H x W full size.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from terrazzo.core.prediction import channels_last
from terrazzo.kernels.mining import KEEP_ALL, keep_from
from terrazzo.kernels.plain import LossParts, Options
from terrazzo.kernels.plain_region import RegionOptions


def loops_loss(
    room: Any,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor | None,
    options: Options,
    wants_gradient: bool,
) -> tuple[LossParts, bool]:
    """Return the loss's parts, and whether the target held an id that is neither class nor void.

    The divisor of the mean is known before the loops run, so the gradient needs no second pass.
    """
    weight_K = torch.ones(logits_BKhw.shape[1]) if weight_K is None else weight_K
    bound, hardness_BHW = KEEP_ALL, None
    if options.keep_hardest is not None:
        hardness_BHW = torch.empty(target_BHW.shape, dtype=torch.float32)
        _mean(room, logits_BKhw, target_BHW, weight_K, options, bound, None, hardness_BHW)
        bound = keep_from(hardness_BHW, options.keep_hardest)
    divided_K = weight_K / _divisor(room, target_BHW, hardness_BHW, weight_K, options.ignore_index, bound)
    del hardness_BHW
    gradient_BKhw = None
    if wants_gradient:
        gradient_BKhw = _zeros(logits_BKhw)
    mean, wrong = _mean(room, logits_BKhw, target_BHW, divided_K, options, bound, gradient_BKhw, None)
    return LossParts(torch.tensor(mean), gradient_BKhw, torch.ones(())), wrong > 0


def _zeros(like: Tensor) -> Tensor:
    """Return float32 zeros that nobody has written: torch would wake its threads, which then wait busily."""
    return torch.from_numpy(np.zeros(tuple(like.shape), np.float32))


def _divisor(
    room: Any,
    target_BHW: Tensor,
    hardness_BHW: Tensor | None,
    weight_K: Tensor,
    ignore_index: int,
    bound: float,
) -> float:
    """Return what the summed loss of the pixels that count is divided by; 1 where there are none."""
    total: float = room.weight_sum(
        target_BHW.contiguous().numpy(),
        (torch.empty((0, 0, 0)) if hardness_BHW is None else hardness_BHW).numpy(),
        weight_K.numpy(),
        np.float32(bound),
        ignore_index,
        torch.get_num_threads(),
    )
    return total if total > 0 else 1.0


def _mean(
    room: Any,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    weight_K: Tensor,
    options: Options,
    bound: float,
    gradient_BKhw: Tensor | None,
    hardness_BHW: Tensor | None,
) -> tuple[float, int]:
    """Return the loss summed with these weights, and the number of ids that are neither class nor void.

    Fills gradient and hardness where they are given.
    """
    batch = len(logits_BKhw)
    loop_options = room.Options(
        weights=weight_K.numpy(),
        smoothing=np.float32(options.label_smoothing),
        gamma=np.float32(options.focal_gamma),
        keep_from=np.float32(bound),
        ignore_index=options.ignore_index,
    )
    # Where logits are at full size their float32 copy is an image's, not the batch's.
    per_call = 1 if options.stride == 1 and logits_BKhw.dtype != torch.float32 else batch
    sums = np.zeros(2)
    for first in range(0, batch, per_call):
        part = slice(first, first + per_call)
        sums += room.loss_sums(
            logits_BKhw[part].float().contiguous().numpy(),
            target_BHW[part].contiguous().numpy(),
            (torch.empty((0, 0, 0, 0)) if gradient_BKhw is None else gradient_BKhw[part]).numpy(),
            (torch.empty((0, 0, 0)) if hardness_BHW is None else hardness_BHW[part]).numpy(),
            loop_options,
            options.stride,
            options.align_corners,
            torch.get_num_threads(),
        )
    return float(sums[0]), int(sums[1])


def loops_label(
    room: Any,
    logits_BKhw: Tensor,
    labels_BHW: Tensor,
    chance_BHW: Tensor | None,
    stride: int,
    align_corners: bool,
) -> None:
    """Fill the labels and, where wanted, the probability 0..1 in float32."""
    if stride == 1 and chance_BHW is None and _classes_side_by_side(logits_BKhw):
        logits_BhwK = channels_last(logits_BKhw).movedim(1, -1)
        flat = logits_BhwK.flatten(1, 2).numpy(), labels_BHW.flatten(1).numpy()
        room.label_last(*flat, torch.get_num_threads())
        return
    chance = torch.empty((0, 0, 0)) if chance_BHW is None else chance_BHW
    batch = len(logits_BKhw)
    # Where logits are at full size their float32 copy is an image's, not the batch's.
    per_call = 1 if stride == 1 and logits_BKhw.dtype != torch.float32 else batch
    for first in range(0, batch, per_call):
        part = slice(first, first + per_call)
        room.label(
            logits_BKhw[part].float().contiguous().numpy(),
            labels_BHW[part].numpy(),
            chance[part].numpy(),
            stride,
            align_corners,
            torch.get_num_threads(),
        )


def _classes_side_by_side(logits_BKhw: Tensor) -> bool:
    """Say whether turning float32 logits into planes of classes would cost more than reading them does."""
    return logits_BKhw.dtype == torch.float32 and logits_BKhw.stride(1) == 1 and logits_BKhw.shape[1] > 1


def loops_region(
    room: Any, logits_BKhw: Tensor, target_BHW: Tensor, options: RegionOptions
) -> tuple[Tensor, bool]:
    """Return the sums (B, 3, K), and whether the target held an id that is neither class nor void."""
    sums_B3K, wrong = room.region_sums(
        logits_BKhw.float().contiguous().numpy(), target_BHW.contiguous().numpy(), *_plain_values(options)
    )
    return torch.from_numpy(sums_B3K).float(), bool(wrong)


def loops_region_gradient(
    room: Any, logits_BKhw: Tensor, target_BHW: Tensor, upstream_B3K: Tensor, options: RegionOptions
) -> Tensor:
    """Return the logits' gradient from that of the sums."""
    gradient_BKhw = _zeros(logits_BKhw)
    room.region_gradient(
        logits_BKhw.float().contiguous().numpy(),
        target_BHW.contiguous().numpy(),
        upstream_B3K[:, :2].float().contiguous().numpy(),
        gradient_BKhw.numpy(),
        *_plain_values(options),
    )
    return gradient_BKhw


def _plain_values(options: RegionOptions) -> tuple[int, int, int, bool, int]:
    return (
        options.power,
        options.ignore_index,
        options.stride,
        options.align_corners,
        torch.get_num_threads(),
    )
