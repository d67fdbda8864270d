"""Cutting one side into tiles and weighing them: properties for any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrazzo.core.errors import RequestError
from terrazzo.predict.tiles.tiling import overlaps, tile_shares, tile_steps, tile_weights

STRIDES = (1, 2, 4, 8, 16, 32)


@st.composite
def sides(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Return size, tile, overlap and stride."""
    stride = draw(st.sampled_from(STRIDES))
    tile = stride * draw(st.integers(1, 40))
    overlap = draw(st.integers(0, tile - stride))
    return draw(st.integers(1, 5000)), tile, overlap, stride


@given(sides())
def test_tile_steps__cover_everything_on_the_grid(side: tuple[int, int, int, int]) -> None:
    size, tile, overlap, stride = side
    starts = tile_steps(size, tile, overlap, stride)
    assert starts[0] == 0
    assert all(start % stride == 0 for start in starts)
    assert size <= starts[-1] + tile < max(size, tile) + stride
    assert all(shared >= overlap for shared in overlaps(starts, tile))


@given(sides())
def test_tile_steps__even_overlap_and_no_tile_too_many(side: tuple[int, int, int, int]) -> None:
    size, tile, overlap, stride = side
    starts = tile_steps(size, tile, overlap, stride)
    shared = overlaps(starts, tile)
    if shared:
        assert max(shared) - min(shared) <= stride
        longest = (tile - overlap) // stride * stride
        assert (len(starts) - 2) * longest + tile < size, "one tile fewer would do"


@given(sides())
def test_tile_shares__sum_to_one_everywhere(side: tuple[int, int, int, int]) -> None:
    size, tile, overlap, stride = side
    starts = tile_steps(size, tile, overlap, stride)
    total, covered = np.zeros(-(-size // stride)), np.zeros(-(-size // stride), int)
    alone = []
    for start, share in zip(starts, tile_shares(starts, size, tile, stride), strict=True):
        assert (share > 0).all()
        place = slice(start // stride, start // stride + len(share))
        total[place] += share
        covered[place] += 1
        alone.append((place, share))
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for place, share in alone:
        assert (share[covered[place] == 1] == 1).all()


@pytest.mark.parametrize(
    ("size", "expected"), [(512, (0,)), (300, (0,)), (513, (0, 32)), (1024, (0, 256, 512))]
)
def test_tile_steps__by_hand(size: int, expected: tuple[int, ...]) -> None:
    assert tile_steps(size, 512, 128, 32) == expected


@pytest.mark.parametrize("tile", [32, 512, 2048])
@pytest.mark.parametrize("stride", [1, 4, 32])
def test_tile_weights__a_gaussian_that_is_never_zero(tile: int, stride: int) -> None:
    weights = tile_weights(tile, stride)
    assert weights.shape == (tile // stride,)
    assert weights.min() > 1e-4
    assert weights.max() == 1
    np.testing.assert_array_equal(weights, weights[::-1])


def test_tile_weights__an_eighth_of_the_tile_is_one_sigma() -> None:
    weights = tile_weights(1024, 1)
    middle = 1023 / 2
    np.testing.assert_allclose(weights[int(middle + 128)], np.exp(-0.5), rtol=5e-3)


@pytest.mark.parametrize(
    ("tile", "overlap", "sentence"),
    [
        (500, 0, "A tile of 500 pixels does not fit this network; expected a multiple of 32, such as 512"),
        (0, 0, "A tile of 0 pixels .* such as 32"),
        (512, 500, "An overlap of 500 pixels does not fit tiles of 512; expected 0 to 480. A quarter .* 128"),
        (512, -1, "An overlap of -1 pixels"),
    ],
)
def test_tile_steps__impossible_tiles(tile: int, overlap: int, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        tile_steps(2000, tile, overlap, 32)
