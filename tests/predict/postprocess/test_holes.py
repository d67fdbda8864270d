"""Holes by hand and against scipy."""

import numpy as np
from scipy import ndimage

from terrazzo.predict.postprocess.clusters import fill_holes
from tests.kernels.test_clusters import drawn, street


def test_fill_holes__below_the_area_whatever_is_in_them() -> None:
    ids = drawn("11111 10231 11111 22222")
    assert fill_holes(ids, 1, 4).tolist() == drawn("11111 11111 11111 22222").tolist()
    assert fill_holes(ids, 1, 3) is ids


def test_fill_holes__what_reaches_the_edge_is_none() -> None:
    ids = drawn("1111 1001 1011")
    assert fill_holes(ids, 1, 99) is ids
    assert fill_holes(ids, 3, 99) is ids


def test_fill_holes__a_diagonal_line_encloses() -> None:
    ids = drawn("00100 01010 00100 00000")
    assert fill_holes(ids, 1, 2).tolist() == drawn("00100 01110 00100 00000").tolist()


def test_fill_holes__all_of_them_as_scipy_has_them() -> None:
    ids = street(np.random.default_rng(4))
    for k in range(6):
        filled = fill_holes(ids, k, ids.size)
        np.testing.assert_array_equal(filled == k, ndimage.binary_fill_holes(ids == k))
        assert (filled[filled != k] == ids[filled != k]).all()
        assert fill_holes(filled, k, ids.size) is filled
