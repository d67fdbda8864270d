"""Opening and closing by hand, against scipy, and what they must hold to."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from terrazzo.predict.postprocess.morphology import close_class, disc, open_class


def blobs(seed: int, classes: int = 4) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(random.standard_normal((50, 60)), 2) for _ in range(classes)]
    ids: NDArray[np.uint8] = np.array(smooth).argmax(axis=0).astype(np.uint8)
    return ids


def test_disc__pixels_within_the_radius() -> None:
    assert disc(1).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert disc(2).tolist() == [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1] * 5, [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]


def test_close_class__a_gap_and_a_hole_are_closed() -> None:
    ids = np.zeros((7, 11), np.uint8)
    ids[2:5, 2:9] = 1
    ids[3, 3] = 0  # a hole
    ids[:, 5] = 2  # a gap of one pixel, through and through
    expected = ids.copy()
    expected[3, [3, 5]] = 1  # a disc outside of the class still reaches the two ends of the gap
    assert close_class(ids, 1, 1).tolist() == expected.tolist()


def test_open_class__a_spur_becomes_the_nearest_other_class() -> None:
    ids = np.zeros((7, 9), np.uint8)
    ids[4:] = 2
    ids[1:6, 1:6] = 1
    ids[3, 6:] = 1  # a spur along the border of 0 and 2: above it 0, below it 2
    opened = open_class(ids, 1, 1)
    assert opened[3, 7:].tolist() == [0, 0]  # equally near: the first in reading order
    corners = [(1, 1), (1, 5), (5, 1), (5, 5)]
    assert [int(opened[y, x]) for y, x in corners] == [0, 0, 2, 2]
    ids[3, 6:] = 0
    assert (open_class(ids, 1, 1) == 1).sum() == 25 - 4


@pytest.mark.parametrize("radius", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_open_and_close__as_scipy_has_them_and_idempotent(seed: int, radius: int) -> None:
    ids = blobs(seed)
    ball = disc(radius).astype(bool)
    for k in range(4):
        mask = ids == k
        eroded = ndimage.binary_erosion(mask, ball, border_value=1)
        opened = open_class(ids, k, radius)
        np.testing.assert_array_equal(opened == k, ndimage.binary_dilation(eroded, ball))
        dilated = ndimage.binary_dilation(mask, ball)
        closed = close_class(ids, k, radius)
        np.testing.assert_array_equal(closed == k, ndimage.binary_erosion(dilated, ball, border_value=1))
        np.testing.assert_array_equal(open_class(opened, k, radius), opened)
        np.testing.assert_array_equal(close_class(closed, k, radius), closed)
        assert (closed[closed != k] == ids[closed != k]).all()
        assert (opened[~mask] == ids[~mask]).all()


@pytest.mark.parametrize("radius", [1, 3])
def test_open_class__the_nearest_pixel_of_another_class(radius: int) -> None:
    ids = blobs(3)
    opened = open_class(ids, 2, radius)
    lost = (ids == 2) & (opened != 2)
    assert lost.any()
    others = np.argwhere(ids != 2)
    for y, x in np.argwhere(lost).tolist():
        away = ((others - (y, x)) ** 2).sum(axis=1)
        nearest = {int(ids[a, b]) for a, b in others[away == away.min()].tolist()}
        assert int(opened[y, x]) in nearest


def test_open_and_close__nothing_to_do() -> None:
    ids = np.ones((6, 7), np.uint8)
    for change in (open_class, close_class):
        assert change(ids, 0, 3) is ids
        assert change(ids, 1, 0) is ids
        assert (change(ids, 1, 3) == 1).all()
