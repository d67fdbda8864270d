"""The sums of Dice, Jaccard and Tversky losses and their gradient, in Triton; see `grid` first.

Shapes: B images, K classes, h x w logits, H x W full size; in kernels Y rows and X columns of pixels.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from terrazzo.kernels.gpu.grid import Layout, layout_of, on_device
from terrazzo.kernels.gpu.tile import (
    LOG2_E,
    LOWEST,
    along,
    at_class,
    first_pixel,
    give_back,
    line,
    place,
    shares_of,
)
from terrazzo.kernels.plain_region import RegionOptions


def sums(logits_BKhw: Tensor, target_BHW: Tensor, options: RegionOptions) -> Tensor:
    """Return (B, 3, K): the sums of P Y, of P^power and of Y; nan where the target holds a wrong id."""
    layout = _layout(logits_BKhw, target_BHW, options)
    batch, num_classes = logits_BKhw.shape[:2]
    shape = (batch, layout.programs // batch, 3, num_classes + 1)
    parts_BP3K = torch.zeros(shape, device=logits_BKhw.device)
    _launch(_sums_kernel, layout, target_BHW, parts_BP3K, parts_BP3K, options)
    sums_B3K = parts_BP3K.sum(dim=1, dtype=torch.float64)
    wrong = sums_B3K[:, :, -1].sum()  # their number stands in a column of its own
    return sums_B3K[:, :, :-1].where(wrong == 0, torch.nan).float()


def gradient(logits_BKhw: Tensor, target_BHW: Tensor, upstream_B3K: Tensor, options: RegionOptions) -> Tensor:
    """Return the logits' gradient from that of the sums."""
    layout = _layout(logits_BKhw, target_BHW, options)
    new = torch.empty if options.stride == 1 else torch.zeros
    gradient_BKhw = new(logits_BKhw.shape, device=logits_BKhw.device)
    _launch(_gradient_kernel, layout, target_BHW, upstream_B3K.float(), gradient_BKhw, options)
    return gradient_BKhw


def _layout(logits_BKhw: Tensor, target_BHW: Tensor, options: RegionOptions) -> Layout:
    size = (target_BHW.shape[1], target_BHW.shape[2])
    return layout_of(logits_BKhw, size, options.stride, options.align_corners)


def _launch(
    kernel: triton.JITFunction,
    layout: Layout,
    target_BHW: Tensor,
    first: Tensor,
    second: Tensor,
    options: RegionOptions,
) -> None:
    tile = layout.tile
    with on_device(layout.logits):
        kernel[layout.grid](
            layout.logits,
            target_BHW.contiguous(),
            first,
            second,
            *layout.arguments,
            tile.own_rows,
            tile.own_columns,
            options.ignore_index,
            FLAT=options.stride == 1,
            EXACT=options.align_corners or options.stride % 2 == 1,
            POWER=options.power,
            K=tile.classes,
            Y=tile.rows,
            X=tile.columns,
            N=tile.slots,
            num_warps=tile.warps,
            enable_fp_fusion=True,
            maxnreg=tile.registers,
        )


@triton.jit
def _sums_kernel(
    logits, target, parts, same_parts,
    num_classes, height, width, full_height, full_width, step_b, step_k, step_row, step_column,
    scale_y, shift_y, parts_y, scale_x, shift_x, parts_x,
    own_rows, own_columns, ignore_index,
    FLAT: tl.constexpr, EXACT: tl.constexpr, POWER: tl.constexpr,
    K: tl.constexpr, Y: tl.constexpr, X: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Sum over the pixels that begin in a block of logits."""
    b = tl.program_id(2).to(tl.int64)
    column0, row0 = tl.program_id(0) * own_columns, tl.program_id(1) * own_rows
    image = logits + b * step_b
    program = (b * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)
    own_parts = parts + program * 3 * (num_classes + 1)
    wrong = tl.zeros([Y, X], tl.int32)
    cell0 = row0 if FLAT or row0 > 0 else row0 - 1
    x0 = tl.where(column0 > 0, first_pixel(column0, scale_x, shift_x, parts_x), 0)
    x_end = tl.minimum(first_pixel(column0 + own_columns, scale_x, shift_x, parts_x), full_width)
    for x_tile in range(x0, x_end, X):
        x = x_tile + tl.arange(0, X)
        left, right, share_x = place(x, width, scale_x, shift_x, parts_x)
        used = x < x_end
        left, right = left * step_column, right * step_column
        for cell in range(cell0, tl.minimum(row0 + own_rows, height)):
            upper, lower = tl.maximum(cell, 0), tl.minimum(cell + 1, height - 1)
            above, below = upper * step_row, lower * step_row
            y_end = tl.minimum(first_pixel(cell + 1, scale_y, shift_y, parts_y), full_height)
            for y_tile in range(first_pixel(cell, scale_y, shift_y, parts_y), y_end, Y):
                y = y_tile + tl.arange(0, Y)
                _upper_y, _lower_y, share_y = place(y, height, scale_y, shift_y, parts_y)
                inside = (y < y_end)[:, None] & used[None, :]
                pixel = b * full_height * full_width + y[:, None] * full_width + x[None, :]
                label = tl.load(target + pixel, mask=inside, other=ignore_index).to(tl.int32)
                is_class = (label >= 0) & (label < num_classes)
                valid = inside & is_class & (label != ignore_index)
                wrong += (inside & (is_class == 0) & (label != ignore_index)).to(tl.int32)
                label = tl.where(valid, label, -1)
                log_sum, _mean = _log_sum(
                    image, image, num_classes, step_k, above, below, left, right, share_x, share_y, used,
                    FLAT, EXACT, POWER, False, K, Y, X,
                )  # fmt: skip
                for k0 in range(0, num_classes, K):
                    k = k0 + tl.arange(0, K)
                    top, slope = line(
                        image, k, num_classes, step_k, above, below, left, right, share_x, used, FLAT, LOG2_E
                    )
                    z = along(top, slope, share_y, FLAT, EXACT)
                    # Chosen, not multiplied by 0: what stands under void may be nan.
                    p = tl.where(valid[None, :, :], tl.exp2(z - log_sum[None, :, :]), 0.0)
                    true = k[:, None, None] == label[None, :, :]
                    at = own_parts + k
                    _add(at, tl.where(true, p, 0.0), k < num_classes)
                    _add(at + num_classes + 1, p * p if POWER == 2 else p, k < num_classes)
                    _add(at + 2 * (num_classes + 1), true.to(tl.float32), k < num_classes)
                # The next rows add to what these wrote.
                tl.debug_barrier()
    tl.store(own_parts + num_classes, tl.sum(wrong).to(tl.float32))


@triton.jit
def _add(at, value, mask):
    """Add the sum over all pixels of a tile to what stands in memory."""
    tl.store(at, tl.load(at, mask=mask, other=0.0) + tl.sum(tl.sum(value, axis=1), axis=1), mask=mask)


@triton.jit
def _gradient_kernel(
    logits, target, upstream, gradient,
    num_classes, height, width, full_height, full_width, step_b, step_k, step_row, step_column,
    scale_y, shift_y, parts_y, scale_x, shift_x, parts_x,
    own_rows, own_columns, ignore_index,
    FLAT: tl.constexpr, EXACT: tl.constexpr, POWER: tl.constexpr,
    K: tl.constexpr, Y: tl.constexpr, X: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Work on the cells around a block of logits.

    With a and c the gradients of P Y and P^power, p the softmax and t the true class, logit k's is

        p_k (power c_k p_k^(power - 1) - m) + [k = t] p_t a_t,   m = p_t a_t + power sum c_j p_j^power
    """
    b = tl.program_id(2).to(tl.int64)
    column0, row0 = tl.program_id(0) * own_columns, tl.program_id(1) * own_rows
    image = logits + b * step_b
    own_gradient = gradient + b * num_classes * height * width
    of_hit = upstream + b * 3 * num_classes
    of_size = of_hit + num_classes
    cell0 = row0 if FLAT else row0 - 1
    x0 = column0 if FLAT else first_pixel(column0 - 1, scale_x, shift_x, parts_x)
    x_end = tl.minimum(first_pixel(column0 + own_columns, scale_x, shift_x, parts_x), full_width)
    for x_tile in range(x0, x_end, X):
        x = x_tile + tl.arange(0, X)
        left, right, share_x = place(x, width, scale_x, shift_x, parts_x)
        first, _first_right, _first_share = place(x_tile, width, scale_x, shift_x, parts_x)
        shares = 0.0 if FLAT else shares_of(left, right, share_x, first, N)
        used = x < x_end
        left, right = left * step_column, right * step_column
        for cell in range(cell0, tl.minimum(row0 + own_rows, height)):
            upper, lower = tl.maximum(cell, 0), tl.minimum(cell + 1, height - 1)
            above, below = upper * step_row, lower * step_row
            y_end = tl.minimum(first_pixel(cell + 1, scale_y, shift_y, parts_y), full_height)
            for y_tile in range(first_pixel(cell, scale_y, shift_y, parts_y), y_end, Y):
                y = y_tile + tl.arange(0, Y)
                _upper_y, _lower_y, share_y = place(y, height, scale_y, shift_y, parts_y)
                inside = (y < y_end)[:, None] & used[None, :]
                pixel = b * full_height * full_width + y[:, None] * full_width + x[None, :]
                label = tl.load(target + pixel, mask=inside, other=ignore_index).to(tl.int32)
                valid = inside & (label >= 0) & (label < num_classes) & (label != ignore_index)
                safe = tl.where(valid, label, 0)
                log_sum, mean = _log_sum(
                    image, of_size, num_classes, step_k, above, below, left, right, share_x, share_y, used,
                    FLAT, EXACT, POWER, True, K, Y, X,
                )  # fmt: skip
                z_true = at_class(
                    image, safe, step_k, above, below, left, right, share_x, share_y, valid, FLAT, EXACT
                )
                hit = tl.exp2(z_true - log_sum) * tl.load(of_hit + safe, mask=valid, other=0.0)
                mean = hit + POWER * mean
                label = tl.where(valid, label, -1)
                for k0 in range(0, num_classes, K):
                    k = k0 + tl.arange(0, K)
                    top, slope = line(
                        image, k, num_classes, step_k, above, below, left, right, share_x, used, FLAT, LOG2_E
                    )
                    z = along(top, slope, share_y, FLAT, EXACT)
                    p = tl.exp2(z - log_sum[None, :, :])
                    c = POWER * tl.load(of_size + k, mask=k < num_classes, other=0.0)[:, None, None]
                    g = p * ((c * p if POWER == 2 else c) - mean[None, :, :])
                    g = tl.where(valid[None, :, :], g, 0.0)
                    g = tl.where(k[:, None, None] == label[None, :, :], g + hit[None, :, :], g)
                    if FLAT:
                        at = own_gradient + (k * width)[:, None, None] + x[None, None, :]
                        tl.store(at, g, mask=(k < num_classes)[:, None, None] & used[None, None, :])
                    else:
                        give_back(
                            own_gradient, g, k0, num_classes, height, width, upper, lower, share_y,
                            shares, first, row0, own_rows, column0, own_columns, K, X, N,
                        )  # fmt: skip


@triton.jit
def _log_sum(
    image, of_size, num_classes, step_k, above, below, left, right, share_x, share_y, used,
    FLAT: tl.constexpr, EXACT: tl.constexpr, POWER: tl.constexpr, MEAN: tl.constexpr,
    K: tl.constexpr, Y: tl.constexpr, X: tl.constexpr,
):  # fmt: skip
    """Return (Y, X) the logarithm, to base 2, of the sum of exponentials, and the sum of c_k p_k^power."""
    largest = tl.full([Y, X], LOWEST, tl.float32)
    total, mean = tl.zeros([Y, X], tl.float32), tl.zeros([Y, X], tl.float32)
    for k0 in range(0, num_classes, K):
        k = k0 + tl.arange(0, K)
        top, slope = line(
            image, k, num_classes, step_k, above, below, left, right, share_x, used, FLAT, LOG2_E
        )
        z = along(top, slope, share_y, FLAT, EXACT)
        larger = tl.maximum(largest, tl.max(z, axis=0))
        shrink = tl.exp2(largest - larger)
        e = tl.exp2(z - larger[None, :, :])
        total = total * shrink + tl.sum(e, axis=0)
        largest = larger
        if MEAN:
            c = tl.load(of_size + k, mask=k < num_classes, other=0.0)[:, None, None]
            mean *= shrink * shrink if POWER == 2 else shrink
            mean += tl.sum(c * (e * e if POWER == 2 else e), axis=0)
    mean = mean / (total * total if POWER == 2 else total)
    return largest + tl.log2(total), mean
