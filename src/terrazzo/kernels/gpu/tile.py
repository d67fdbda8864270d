"""From logits to a tile of widened logits, and from its gradient back: what all Triton kernels share.

Logits come times log2(e) wherever exponentials follow, since the GPU's exponential is that of 2.

Shapes: K classes taken together, Y rows and X columns of pixels, N logits that gather a gradient.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
LOWEST = tl.constexpr(-3.0e38)
"""Where a maximum starts: so that classes of minus infinity do not become nan."""


@triton.jit
def first_pixel(cell, scale, shift, parts):
    """Return the first pixel of a row or column of cells; those before logit 0 are cell -1."""
    return tl.where(cell < 0, 0, (tl.maximum(cell, 0) * parts - shift + scale - 1) // scale)


@triton.jit
def place(pixel, count, scale, shift, parts):
    """Return the logit before a pixel, the one after, and the latter's share.

    Where that share is 0 both are the same: so a pixel never reads a logit that it does not see.
    """
    position = tl.maximum(pixel * scale + shift, 0)
    before = tl.minimum(position // parts, count - 1)
    share = (position % parts).to(tl.float32) / (parts + 0.0)
    after = tl.where((share > 0.0) & (before + 1 < count), before + 1, before)
    return before, after, tl.where(after > before, share, 0.0)


@triton.jit
def line(
    image, k, num_classes, step_k, above, below, left, right, share, used,
    FLAT: tl.constexpr, UNIT: tl.constexpr,
):  # fmt: skip
    """Return, per class and column, the logit at the row above and how it grows to the row below.

    Args:
        image: pointer to an image's logits.
        k: (K,) class numbers; beyond num_classes the logit is minus infinity.
        num_classes: how many there are.
        step_k: from class to class, in elements.
        above: start of the row of logits above.
        below: start of the one below.
        left: (X,) offset of the logit to the left of each column.
        right: (X,) offset of the one to its right.
        share: (X,) the latter's share.
        used: (X,) whether a column is to be read.
        FLAT: whether the logits are at full size: nothing to widen.
        UNIT: what they are multiplied by, 1 or LOG2_E.
    """
    known = (k < num_classes)[:, None, None]
    at = image + (k * step_k)[:, None, None]
    mask = known & used[None, None, :]
    top = tl.load(at + (above + left)[None, None, :], mask=mask, other=0.0).to(tl.float32)
    slope = tl.zeros_like(top)
    if not FLAT:
        part = share[None, None, :]
        top_right = tl.load(at + (above + right)[None, None, :], mask=mask, other=0.0).to(tl.float32)
        low = tl.load(at + (below + left)[None, None, :], mask=mask, other=0.0).to(tl.float32)
        low_right = tl.load(at + (below + right)[None, None, :], mask=mask, other=0.0).to(tl.float32)
        top = top + part * (top_right - top)
        slope = (low + part * (low_right - low) - top) * UNIT
    return tl.where(known, top * UNIT, -float("inf")), slope


@triton.jit
def along(top, slope, share_row, FLAT: tl.constexpr, EXACT: tl.constexpr):
    """Return the (K, Y, X) logits of some rows on those lines.

    Args:
        top: (K, 1, X) from `line`.
        slope: (K, 1, X) from `line`.
        share_row: (Y,) share of the row below.
        FLAT: as in `line`.
        EXACT: whether a row may lie on a row of logits, and must then not see the next.
    """
    if FLAT:
        return top
    part = share_row[None, :, None]
    value = top + part * slope
    if EXACT:
        value = tl.where(part > 0.0, value, top)
    return value


@triton.jit
def at_class(
    image, k, step_k, above, below, left, right, share, share_row, used,
    FLAT: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Return log2(e) times the (Y, X) logit of each pixel's own class, k (Y, X); as `line` and `along` do."""
    at = image + k * step_k
    top = tl.load(at + (above + left)[None, :], mask=used, other=0.0).to(tl.float32)
    slope = tl.zeros_like(top)
    if not FLAT:
        part = share[None, :]
        top_right = tl.load(at + (above + right)[None, :], mask=used, other=0.0).to(tl.float32)
        low = tl.load(at + (below + left)[None, :], mask=used, other=0.0).to(tl.float32)
        low_right = tl.load(at + (below + right)[None, :], mask=used, other=0.0).to(tl.float32)
        top = top + part * (top_right - top)
        slope = (low + part * (low_right - low) - top) * LOG2_E
    top = top * LOG2_E
    if FLAT:
        return top
    value = top + share_row[:, None] * slope
    if EXACT:
        value = tl.where(share_row[:, None] > 0.0, value, top)
    return value


@triton.jit
def shares_of(left, right, share, first, N: tl.constexpr):
    """Return (X, N): what each column of pixels gives to each of the logits from `first` on."""
    logit = (first + tl.arange(0, N))[None, :]
    from_left = tl.where(left[:, None] == logit, 1.0 - share[:, None], 0.0)
    return from_left + tl.where((right[:, None] == logit) & (share[:, None] > 0.0), share[:, None], 0.0)


@triton.jit
def give_back(
    gradient, value, k0, num_classes, height, width, upper, lower, share_row, shares, first,
    row0, own_rows, column0, own_columns,
    K: tl.constexpr, X: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Add the gradient of a tile to the logits that this program owns; nobody else writes there.

    Args:
        gradient: pointer to an image's gradient, contiguous (classes, height, width).
        value: (K, Y, X) gradient of the widened logits.
        k0: first class.
        num_classes: how many there are.
        height: rows of logits.
        width: columns of logits.
        upper: row of logits above the tile.
        lower: row below; the same where there is none.
        share_row: (Y,) the latter's share.
        shares: (X, N) from `shares_of`.
        first: as there.
        row0: first row of the logits owned.
        own_rows: how many rows are.
        column0: first column of the logits owned.
        own_columns: how many columns are.
        K: classes.
        X: columns of pixels.
        N: columns of logits.
    """
    part = share_row[None, :, None]
    to_upper = tl.sum(value * (1.0 - part), axis=1)
    to_lower = tl.sum(value * part, axis=1)
    both = tl.reshape(tl.permute(tl.join(to_upper, to_lower), (2, 0, 1)), (2 * K, X))
    # Three products of 10 bits each: float32's digits on the matrix unit.
    sums = tl.dot(both, shares, input_precision="tf32x3")
    line_of = tl.arange(0, 2 * K)
    k = k0 + line_of % K
    row = tl.where(line_of < K, upper, lower)
    mine = (k < num_classes) & (row >= row0) & (row < row0 + own_rows)
    mine = mine & (tl.where(line_of < K, 1, lower - upper) > 0)
    column = first + tl.arange(0, N)
    mask = (
        mine[:, None] & ((column >= column0) & (column < tl.minimum(column0 + own_columns, width)))[None, :]
    )
    at = gradient + (k * height * width + row * width)[:, None] + column[None, :]
    tl.store(at, tl.load(at, mask=mask, other=0.0) + sums, mask=mask)
    # The next tile adds to what this one wrote.
    tl.debug_barrier()
