"""The class with the largest widened logit, in Triton.

A widened logit is a mean of four. So a class that is the largest at all four is the largest everywhere
between them: the winners among the logits themselves are found first, and a tile of pixels whose logits have
all the same one is written without a look at the classes. Most tiles of a real segmentation are such.

Shapes: B images, K classes, h x w logits, H x W full size; in kernels Y rows and X columns of pixels.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from terrazzo.kernels.gpu.grid import layout_of, on_device
from terrazzo.kernels.gpu.tile import LOG2_E, along, first_pixel, line, place

_KINDS = {"torch.float16": 1, "torch.uint8": 2}
_UNROLLED = 4
"""Classes whose loads are under way together."""


def label(
    logits_BKhw: Tensor, labels_BHW: Tensor, chance_BHW: Tensor, stride: int, align_corners: bool
) -> None:
    """Write the winning class of every pixel, and its probability unless `chance_BHW` has no elements."""
    winners_Bhw = labels_BHW
    if stride > 1 and not chance_BHW.numel():
        batch, _, height, width = logits_BKhw.shape
        winners_Bhw = torch.empty((batch, height, width), dtype=labels_BHW.dtype, device=labels_BHW.device)
        _launch(logits_BKhw, winners_Bhw, winners_Bhw, chance_BHW, 1, align_corners)
    _launch(logits_BKhw, winners_Bhw, labels_BHW, chance_BHW, stride, align_corners)


def _launch(
    logits_BKhw: Tensor,
    winners_Bhw: Tensor,
    labels_BHW: Tensor,
    chance_BHW: Tensor,
    stride: int,
    align_corners: bool,
) -> None:
    layout = layout_of(logits_BKhw, (labels_BHW.shape[1], labels_BHW.shape[2]), stride, align_corners)
    tile = layout.tile
    batch, _, height, _ = layout.logits.shape
    rows = 1 if stride == 1 else height + 1  # before the first logit lie pixels too
    with on_device(layout.logits):
        _argmax_kernel[(-(-layout.size[1] // tile.columns), rows, batch)](
            layout.logits,
            winners_Bhw,
            labels_BHW,
            chance_BHW,
            *layout.arguments,
            FLAT=stride == 1,
            EXACT=align_corners or stride % 2 == 1,
            CHANCE=_KINDS[str(chance_BHW.dtype)] if chance_BHW.numel() else 0,
            Y=tile.rows,
            X=tile.columns,
            U=_UNROLLED,
            num_warps=tile.warps,
            enable_fp_fusion=True,
        )


@triton.jit
def _argmax_kernel(
    logits, winners, labels, chance,
    num_classes, height, width, full_height, full_width, step_b, step_k, step_row, step_column,
    scale_y, shift_y, parts_y, scale_x, shift_x, parts_x,
    FLAT: tl.constexpr, EXACT: tl.constexpr, CHANCE: tl.constexpr,
    Y: tl.constexpr, X: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Label the pixels of a column of tiles between two rows of logits."""
    b = tl.program_id(2).to(tl.int64)
    image = logits + b * step_b
    cell = 0 if FLAT else tl.program_id(1) - 1
    upper, lower = tl.maximum(cell, 0), tl.minimum(cell + 1, height - 1)
    above, below = upper * step_row, lower * step_row
    x = tl.program_id(0) * X + tl.arange(0, X)
    used = x < full_width
    left, right, share_x = place(x, width, scale_x, shift_x, parts_x)
    least, most = 0, 1
    if not FLAT and CHANCE == 0:
        least, most = _range_of(winners + b * height * width, upper * width, lower * width, left, right, used)
    left, right = left * step_column, right * step_column
    y_end = tl.minimum(first_pixel(cell + 1, scale_y, shift_y, parts_y), full_height)
    for y_tile in range(first_pixel(cell, scale_y, shift_y, parts_y), y_end, Y):
        y = y_tile + tl.arange(0, Y)
        _upper_y, _lower_y, share_y = place(y, height, scale_y, shift_y, parts_y)
        at = b * full_height * full_width + y[:, None] * full_width + x[None, :]
        mask = (y < y_end)[:, None] & used[None, :]
        if least == most:
            winner = tl.zeros([Y, X], tl.int32) + most
            tl.store(labels + at, winner.to(labels.dtype.element_ty), mask=mask)
        else:
            best, winner = _search(
                image, num_classes, step_k, above, below, left, right, share_x, share_y, used,
                FLAT, EXACT, Y, X, U,
            )  # fmt: skip
            tl.store(labels + at, winner.to(labels.dtype.element_ty), mask=mask)
            if CHANCE > 0:
                p = _probability(
                    image, best, num_classes, step_k, above, below, left, right, share_x, share_y, used,
                    FLAT, EXACT, Y, X,
                )  # fmt: skip
                if CHANCE == 2:
                    p = tl.floor(p * 255.0 + 0.5)
                tl.store(chance + at, p.to(chance.dtype.element_ty), mask=mask)


@triton.jit
def _range_of(winners, above, below, left, right, used):
    """Return the least and the largest class that wins among the logits of some columns."""
    a = tl.load(winners + above + left, mask=used, other=0).to(tl.int32)
    b = tl.load(winners + above + right, mask=used, other=0).to(tl.int32)
    c = tl.load(winners + below + left, mask=used, other=0).to(tl.int32)
    d = tl.load(winners + below + right, mask=used, other=0).to(tl.int32)
    least = tl.minimum(tl.minimum(a, b), tl.minimum(c, d))
    most = tl.maximum(tl.maximum(a, b), tl.maximum(c, d))
    return tl.min(tl.where(used, least, 32767)), tl.max(tl.where(used, most, 0))


@triton.jit
def _search(
    image, num_classes, step_k, above, below, left, right, share_x, share_y, used,
    FLAT: tl.constexpr, EXACT: tl.constexpr, Y: tl.constexpr, X: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Return the (Y, X) largest logit and its class, the lowest where several are equal."""
    best = tl.full([1, Y, X], -float("inf"), tl.float32)
    winner = tl.zeros([1, Y, X], tl.int32)
    for k0 in range(0, num_classes, U):
        for u in tl.static_range(U):
            # The last class again, beyond it: it is never larger than itself.
            k = tl.minimum(k0 + u, num_classes - 1) + tl.arange(0, 1)
            top, slope = line(
                image, k, num_classes, step_k, above, below, left, right, share_x, used, FLAT, 1.0
            )
            value = along(top, slope, share_y, FLAT, EXACT)
            winner = tl.where(value > best, k[:, None, None], winner)
            best = tl.where(value > best, value, best)
    return tl.reshape(best, [Y, X]), tl.reshape(winner, [Y, X])


@triton.jit
def _probability(
    image, best, num_classes, step_k, above, below, left, right, share_x, share_y, used,
    FLAT: tl.constexpr, EXACT: tl.constexpr, Y: tl.constexpr, X: tl.constexpr,
):  # fmt: skip
    """Return the (Y, X) softmax of the winning logit."""
    total = tl.zeros([1, Y, X], tl.float32)
    for k in range(0, num_classes):
        top, slope = line(
            image, k + tl.arange(0, 1), num_classes, step_k, above, below, left, right, share_x, used,
            FLAT, 1.0,
        )  # fmt: skip
        value = along(top, slope, share_y, FLAT, EXACT)
        total += tl.exp2((value - best[None, :, :]) * LOG2_E)
    return tl.reshape(1.0 / total, [Y, X])
