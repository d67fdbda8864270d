"""Cross-entropy and its gradient in Triton; see `grid` for who works on what.

A tile of pixels goes twice over the classes: once for the maximum and the sum of exponentials, once for the
gradient, which is gathered by a small matrix product. What is kept in memory is the gradient, and three sums
per program.

Shapes: B images, K classes, h x w logits, H x W full size; in kernels Y rows and X columns of pixels.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from terrazzo.kernels.gpu.grid import Layout, layout_of, on_device
from terrazzo.kernels.gpu.tile import (
    LN_2,
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
from terrazzo.kernels.mining import KEEP_ALL, VOID_HARDNESS, keep_from
from terrazzo.kernels.plain import LossParts, Options


def loss(
    logits_BKhw: Tensor, target_BHW: Tensor, weight_K: Tensor | None, options: Options, wants_gradient: bool
) -> LossParts:
    """Return the mean loss and its parts; nan where the target holds an id that is neither class nor void."""
    size = (target_BHW.shape[1], target_BHW.shape[2])
    layout = layout_of(logits_BKhw, size, options.stride, options.align_corners)
    device = logits_BKhw.device
    if weight_K is None:
        weight_K = torch.ones(logits_BKhw.shape[1], device=device)
    bound = KEEP_ALL
    if options.keep_hardest is not None:
        hardness_BHW = torch.empty(target_BHW.shape, device=device)
        _launch(layout, target_BHW, weight_K, options, bound, None, hardness_BHW)
        bound = keep_from(hardness_BHW, options.keep_hardest)
        del hardness_BHW
    gradient_BKhw = None
    if wants_gradient:
        new = torch.empty if options.stride == 1 else torch.zeros
        gradient_BKhw = new(logits_BKhw.shape, device=device)
    sums_3P = _launch(layout, target_BHW, weight_K, options, bound, gradient_BKhw, None)
    total, weights, wrong = sums_3P.sum(dim=1, dtype=torch.float64).unbind()
    scale = 1 / weights.where(weights > 0, 1.0)
    mean = (total * scale).where(wrong == 0, torch.nan)
    return LossParts(mean.float(), gradient_BKhw, scale.float())


def _launch(
    layout: Layout,
    target_BHW: Tensor,
    weight_K: Tensor,
    options: Options,
    bound: float,
    gradient_BKhw: Tensor | None,
    hardness_BHW: Tensor | None,
) -> Tensor:
    """Return (3, programs) partial sums: loss and weight of the pixels that count, and wrong ids."""
    tile = layout.tile
    sums_3P = weight_K.new_empty((3, layout.programs))
    given: list[Any] = [layout.logits, target_BHW.contiguous(), weight_K, sums_3P]
    given.append(sums_3P if gradient_BKhw is None else gradient_BKhw)
    given.append(sums_3P if hardness_BHW is None else hardness_BHW)
    with on_device(layout.logits):
        _loss_kernel[layout.grid](
            *given,
            *layout.arguments,
            tile.own_rows,
            tile.own_columns,
            options.ignore_index,
            options.label_smoothing,
            options.focal_gamma,
            bound,
            FLAT=options.stride == 1,
            EXACT=options.align_corners or options.stride % 2 == 1,
            SMOOTH=options.label_smoothing > 0,
            FOCAL=options.focal_gamma > 0,
            WRITE_GRADIENT=gradient_BKhw is not None,
            WRITE_HARDNESS=hardness_BHW is not None,
            VOID_HARDNESS_=VOID_HARDNESS,
            K=tile.classes,
            Y=tile.rows,
            X=tile.columns,
            N=tile.slots,
            num_warps=tile.warps,
            enable_fp_fusion=True,
            maxnreg=tile.registers,
        )
    return sums_3P


@triton.jit
def _loss_kernel(
    logits, target, weight, sums, gradient, hardness,
    num_classes, height, width, full_height, full_width, step_b, step_k, step_row, step_column,
    scale_y, shift_y, parts_y, scale_x, shift_x, parts_x,
    own_rows, own_columns, ignore_index, smoothing, gamma, bound,
    FLAT: tl.constexpr, EXACT: tl.constexpr, SMOOTH: tl.constexpr, FOCAL: tl.constexpr,
    WRITE_GRADIENT: tl.constexpr, WRITE_HARDNESS: tl.constexpr, VOID_HARDNESS_: tl.constexpr,
    K: tl.constexpr, Y: tl.constexpr, X: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Work on the cells around a block of logits; count the pixels that begin in it."""
    b = tl.program_id(2).to(tl.int64)
    column0, row0 = tl.program_id(0) * own_columns, tl.program_id(1) * own_rows
    image = logits + b * step_b
    first_label = b * full_height * full_width
    own_gradient = gradient + b * num_classes * height * width
    all_weights = _sum_of(weight, num_classes, K) if SMOOTH else 0.0
    loss_sum, weight_sum = tl.zeros([Y, X], tl.float32), tl.zeros([Y, X], tl.float32)
    wrong = tl.zeros([Y, X], tl.int32)
    # Without a gradient, and at full size, nobody else's cells are needed.
    cell0 = row0 if FLAT or (not WRITE_GRADIENT and row0 > 0) else row0 - 1
    x0 = column0 if FLAT else first_pixel(column0 - 1, scale_x, shift_x, parts_x)
    x_end = tl.minimum(first_pixel(column0 + own_columns, scale_x, shift_x, parts_x), full_width)
    for x_tile in range(x0, x_end, X):
        x = x_tile + tl.arange(0, X)
        left, right, share_x = place(x, width, scale_x, shift_x, parts_x)
        first, _first_right, _first_share = place(x_tile, width, scale_x, shift_x, parts_x)
        shares = 0.0 if FLAT else shares_of(left, right, share_x, first, N)
        used = x < x_end
        own_x = used & (left >= column0) & (left < column0 + own_columns)
        left, right = left * step_column, right * step_column
        for cell in range(cell0, tl.minimum(row0 + own_rows, height)):
            upper, lower = tl.maximum(cell, 0), tl.minimum(cell + 1, height - 1)
            above, below = upper * step_row, lower * step_row
            y_end = tl.minimum(first_pixel(cell + 1, scale_y, shift_y, parts_y), full_height)
            for y_tile in range(first_pixel(cell, scale_y, shift_y, parts_y), y_end, Y):
                y = y_tile + tl.arange(0, Y)
                _upper_y, _lower_y, share_y = place(y, height, scale_y, shift_y, parts_y)
                inside = (y < y_end)[:, None] & used[None, :]
                own = inside & own_x[None, :] & (y * 0 + upper >= row0)[:, None]
                pixel = first_label + y[:, None] * full_width + x[None, :]
                label = tl.load(target + pixel, mask=inside, other=ignore_index).to(tl.int32)
                is_class = (label >= 0) & (label < num_classes)
                valid = inside & is_class & (label != ignore_index)
                wrong += (own & (is_class == 0) & (label != ignore_index)).to(tl.int32)
                label = tl.where(valid, label, 0)

                log_sum, plain = _log_sum(
                    image, weight, num_classes, step_k, above, below, left, right, share_x, share_y, used,
                    FLAT, EXACT, SMOOTH, K, Y, X,
                )  # fmt: skip
                n = log_sum - at_class(
                    image, label, step_k, above, below, left, right, share_x, share_y, valid, FLAT, EXACT
                )
                n *= LN_2
                if WRITE_HARDNESS:
                    tl.store(hardness + pixel, tl.where(valid, n, VOID_HARDNESS_), mask=own)
                # "not less": a loss of nan counts, so that it shows.
                kept = valid & ((n < bound) == 0)
                hard = tl.where(kept, tl.load(weight + label, mask=valid, other=0.0), 0.0)
                weight_sum += tl.where(own, hard, 0.0)
                spread = smoothing / (num_classes + 0.0)
                if FOCAL:
                    hard, loss = _focus(n, hard, gamma)
                    soft = hard
                elif SMOOTH:
                    hard *= 1.0 - smoothing
                    soft = hard + spread * all_weights
                    loss = hard * n + spread * (all_weights * log_sum - plain) * LN_2
                else:
                    soft = hard
                    loss = hard * n
                loss_sum += tl.where(own & kept, loss, 0.0)
                if WRITE_GRADIENT:
                    label = tl.where(kept, label, -1)
                    for k0 in range(0, num_classes, K):
                        k = k0 + tl.arange(0, K)
                        top, slope = line(
                            image,
                            k,
                            num_classes,
                            step_k,
                            above,
                            below,
                            left,
                            right,
                            share_x,
                            used,
                            FLAT,
                            LOG2_E,
                        )
                        z = along(top, slope, share_y, FLAT, EXACT)
                        g = tl.exp2(z - log_sum[None, :, :]) * soft[None, :, :]
                        if SMOOTH:
                            g -= spread * tl.load(weight + k, mask=k < num_classes, other=0.0)[:, None, None]
                        # Chosen, not multiplied by 0: what stands under void may be nan.
                        g = tl.where(kept[None, :, :], g, 0.0)
                        g = tl.where(k[:, None, None] == label[None, :, :], g - hard[None, :, :], g)
                        if FLAT:
                            at = own_gradient + (k * width)[:, None, None] + x[None, None, :]
                            tl.store(at, g, mask=(k < num_classes)[:, None, None] & used[None, None, :])
                        else:
                            give_back(
                                own_gradient, g, k0, num_classes, height, width, upper, lower, share_y,
                                shares, first, row0, own_rows, column0, own_columns, K, X, N,
                            )  # fmt: skip
    program = (b * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)
    programs = tl.num_programs(0).to(tl.int64) * tl.num_programs(1) * tl.num_programs(2)
    tl.store(sums + program, tl.sum(loss_sum))
    tl.store(sums + programs + program, tl.sum(weight_sum))
    tl.store(sums + 2 * programs + program, tl.sum(wrong).to(tl.float32))


@triton.jit
def _sum_of(weight, num_classes, K: tl.constexpr):
    total = tl.zeros([K], tl.float32)
    for k0 in range(0, num_classes, K):
        k = k0 + tl.arange(0, K)
        total += tl.load(weight + k, mask=k < num_classes, other=0.0)
    return tl.sum(total)


@triton.jit
def _log_sum(
    image, weight, num_classes, step_k, above, below, left, right, share_x, share_y, used,
    FLAT: tl.constexpr, EXACT: tl.constexpr, SMOOTH: tl.constexpr,
    K: tl.constexpr, Y: tl.constexpr, X: tl.constexpr,
):  # fmt: skip
    """Return (Y, X) the logarithm, to base 2, of the sum of exponentials, and the weighted sum of logits."""
    largest = tl.full([Y, X], LOWEST, tl.float32)
    total = tl.zeros([Y, X], tl.float32)
    plain = tl.zeros([Y, X], tl.float32)
    for k0 in range(0, num_classes, K):
        k = k0 + tl.arange(0, K)
        top, slope = line(
            image, k, num_classes, step_k, above, below, left, right, share_x, used, FLAT, LOG2_E
        )
        z = along(top, slope, share_y, FLAT, EXACT)
        larger = tl.maximum(largest, tl.max(z, axis=0))
        total = total * tl.exp2(largest - larger) + tl.sum(tl.exp2(z - larger[None, :, :]), axis=0)
        largest = larger
        if SMOOTH:
            known = (k < num_classes)[:, None, None]
            w = tl.load(weight + k, mask=k < num_classes, other=0.0)[:, None, None]
            plain += tl.sum(w * tl.where(known, z, 0.0), axis=0)
    return largest + tl.log2(total), plain


@triton.jit
def _focus(n, hard, gamma):
    """Return the factor of the gradient and the focal loss, hard (1 - p)^gamma n with n = -log p.

    With q = 1 - p its derivative by n is q^gamma (1 + gamma p n / q); Lin et al. 2017, Focal Loss, eq. 4.
    """
    n = tl.maximum(n, 1e-30)
    p = tl.exp2(-n * LOG2_E)
    # 1 - p loses its digits where p is nearly 1; the series keeps them.
    q = tl.where(n < 0.05, n * (1.0 - n * (0.5 - n * (1.0 - n * 0.25) / 6.0)), 1.0 - p)
    power = hard * tl.exp2(gamma * tl.log2(q))
    return power * (1.0 + gamma * p * n / q), power * n
