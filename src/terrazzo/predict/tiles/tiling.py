"""How one side of an image is cut into tiles, and how the tiles are blended again: pure functions.

A tile of the image is a start of its rows and a start of its columns; its weight at a logit is the weight
of the row times the weight of the column. So everything here is about one side.

Isensee et al. 2021, nnU-Net, Methods, "Inference": a sliding window whose middle counts more, by a Gaussian;
https://doi.org/10.1038/s41592-020-01008-z. Its width is that of the official `compute_gaussian`.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError

SIGMA = 1 / 8
"""Standard deviation of the Gaussian as a share of the tile, as nnU-Net's `sigma_scale`."""


def tile_steps(size: int, tile: int, overlap: int, stride: int) -> tuple[int, ...]:
    """Return where tiles start along one side, so that together they cover all of it.

    Neighbours overlap by at least `overlap`, all by the same amount but for the rounding to `stride`; there
    are as few tiles as that allows. The last tile ends at the side's end or up to `stride - 1` pixels beyond,
    where the caller cuts it off (`min(start + tile, size)`).

    Args:
        size: length of the side, pixels.
        tile: length of a tile, pixels, a multiple of `stride`; one that is as long as the side is the only.
        overlap: pixels that neighbours share, below `tile`.
        stride: every start is a multiple of this. Give the coarsest stride of the network: only shifts by
            whole steps of its coarsest grid leave its logits as they are.

    Raises:
        RequestError: an impossible tile or overlap.
    """
    check_tile(tile, overlap, stride)
    if size <= tile:
        return (0,)
    last = -(-(size - tile) // stride)
    longest = (tile - overlap) // stride
    count = -(-last // longest)
    return tuple(stride * (index * last // count) for index in range(count + 1))


def tile_weights(tile: int, stride: int) -> NDArray[np.float32]:
    """Return the weights of a tile's logits along one side: a Gaussian, 1 in the middle and never 0.

    Args:
        tile: length of a tile, pixels, a multiple of `stride`.
        stride: image pixels per logit.

    Returns:
        (tile / stride,), in 0..1.
    """
    count = tile // stride
    offset = (np.arange(count) - (count - 1) / 2) / (SIGMA * count)
    bell: NDArray[np.float64] = np.exp(-0.5 * offset**2)
    weights: NDArray[np.float32] = (bell / bell.max()).astype(np.float32)
    return weights


def tile_shares(starts: Sequence[int], size: int, tile: int, stride: int) -> list[NDArray[np.float32]]:
    """Return what each tile along one side counts for: its weights over the sum of all weights there.

    Adding up the tiles' logits times these *is* the blended result; nothing is left to be divided. Where
    there is but one tile its share is exactly 1.

    Args:
        starts: as of `tile_steps`.
        size: length of the side, pixels.
        tile: length of a tile, pixels.
        stride: image pixels per logit; divides every start.

    Returns:
        For each tile (t,), t = ceil(its length within the side / stride); they sum to 1 at every logit.
    """
    weights = tile_weights(tile, stride)
    total = np.zeros(-(-size // stride), np.float32)
    places = [slice(start // stride, -(-min(start + tile, size) // stride)) for start in starts]
    for place in places:
        total[place] += weights[: place.stop - place.start]
    return [weights[: place.stop - place.start] / total[place] for place in places]


def check_tile(tile: int, overlap: int, stride: int) -> None:
    """Refuse tiles that do not fit a network's grid, and overlaps that leave no step.

    Raises:
        RequestError: the tile is no multiple of the stride, or the overlap is negative or (nearly) the tile.
    """
    if tile < 1 or tile % stride:
        nearest = max(1, round(tile / stride)) * stride
        raise RequestError(
            f"A tile of {tile} pixels does not fit this network; expected a multiple of {stride}, "
            f"such as {nearest}."
        )
    if not 0 <= overlap <= tile - stride:
        raise RequestError(
            f"An overlap of {overlap} pixels does not fit tiles of {tile}; expected 0 to {tile - stride}. "
            f"A quarter of the tile, {tile // 4}, is usual."
        )


def overlaps(starts: Sequence[int], tile: int) -> list[int]:
    """Return by how many pixels each tile overlaps the next."""
    return [first + tile - second for first, second in pairwise(starts)]
