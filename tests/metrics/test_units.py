import numpy as np
import pytest

from terrazzo.metrics.scores import Margins
from terrazzo.metrics.units import block_length, find_units, natural


def margins(rows: list[list[float]]) -> Margins:
    part = np.array(rows, dtype=float)
    return Margins(part, 10 * part, 100 * part)


def test_find_units__images_where_no_group_is_shared() -> None:
    for groups in ([None, None, None], ["x", "y", "z"], ["x", None, "y"]):
        units = find_units(["c", "a", "b"], groups)
        assert (units.kind, units.independent, units.order) == ("image", 3, (1, 2, 0))
        assert units.over == "images"


def test_find_units__groups_where_several_are_known() -> None:
    units = find_units(["c", "a", "b", "d"], ["x", "y", "x", None])
    assert (units.kind, units.independent, units.over) == ("group", 3, "groups (3)")
    sums = units.sums(margins([[1, 0], [2, 0], [3, 0], [4, 5]]))  # a (y), b (x), c (x), d (itself)
    assert sorted(sums.hits.tolist()) == [[1, 0], [4, 5], [5, 0]]
    np.testing.assert_array_equal(sums.predicted, 100 * sums.hits)


def test_find_units__blocks_of_one_sequence_in_the_order_of_its_numbers() -> None:
    ids = [f"frame_{i}" for i in (10, 9, 2, 1, 3, 4, 5, 6, 7, 8)]
    units = find_units(ids, ["video"] * 10)
    assert [ids[i] for i in units.order] == [f"frame_{i}" for i in range(1, 11)]
    assert (units.kind, units.length, units.independent) == ("block", 5, 2)
    sums = units.sums(margins([[float(i)] for i in range(10)]))
    assert sums.hits[:, 0].tolist() == [10, 15, 20, 25, 30, 35, 30, 25, 20, 15]  # a ring: 6+7+8+9+0, ...


@pytest.mark.parametrize(("frames", "length"), [(2, 2), (10, 5), (100, 13), (101, 14), (400, 26)])
def test_block_length__is_13_tenths_of_the_root(frames: int, length: int) -> None:
    assert block_length(frames) == length


def test_natural__never_compares_a_number_with_a_word() -> None:
    names = ["b2", "b10", "2b", "10b", "", "b", "007", "7"]
    assert sorted(names, key=natural) == ["", "2b", "007", "7", "10b", "b", "b2", "b10"]
