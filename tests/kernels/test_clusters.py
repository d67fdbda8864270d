"""Clusters by hand, by properties, and compiled loops against plain Python."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from terrazzo.kernels import clusters
from terrazzo.kernels.clusters import drop_clusters, keep_largest
from terrazzo.kernels.plain_clusters import find_clusters


@pytest.fixture(params=["compiled", "plain"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the small maps of a test through either way."""
    if request.param == "compiled":
        monkeypatch.setattr(clusters, "_SMALL", -1)
    else:
        monkeypatch.setattr(clusters, "compiled_room", lambda _: None)


def drawn(text: str) -> NDArray[np.uint8]:
    return np.array([[int(c) for c in line] for line in text.split()], np.uint8)


def dropped(text: str, *areas: int) -> str:
    ids = drop_clusters(drawn(text), np.array(areas))
    return "\n".join("".join(map(str, row)) for row in ids.tolist())


def lines(text: str) -> str:
    return "\n".join(text.split())


@pytest.mark.usefixtures("either")
class TestByHand:
    def test_drop_clusters__below_the_area_and_not_at_it(self) -> None:
        speck = "00000 01100 00000"
        assert dropped(speck, 3, 3) == lines("00000 00000 00000")
        assert dropped(speck, 2, 2) == lines(speck)
        ids = drawn(speck)
        assert drop_clusters(ids, np.array([2, 2])) is ids

    def test_drop_clusters__a_hole_is_a_cluster_of_what_is_in_it(self) -> None:
        assert dropped("11111 10001 11111", 4, 0) == lines("11111 11111 11111")

    def test_drop_clusters__of_some_classes_only(self) -> None:
        assert dropped("00000 01020 00000", 0, 0, 5) == lines("00000 01000 00000")

    def test_drop_clusters__the_class_that_shares_most_sides_takes_it(self) -> None:
        # The 2 has three sides with 0 and one with 1, whatever the numbers of pixels of these.
        assert dropped("11111 11111 00200 00000", 3, 3, 3) == lines("11111 11111 00000 00000")

    def test_drop_clusters__of_equal_shares_the_first_class(self) -> None:
        assert dropped("1112000", 2, 2, 2) == lines("1110000")
        assert dropped("0002111", 2, 2, 2) == lines("0000111")

    def test_drop_clusters__corners_connect(self) -> None:
        diagonal = "1000 0100 0010 0000"
        assert dropped(diagonal, 3, 3) == lines(diagonal)
        assert dropped(diagonal, 4, 4) == lines("0000 0000 0000 0000")
        assert dropped("0010 0100 1000 0000", 3, 3) == lines("0010 0100 1000 0000")

    def test_drop_clusters__corners_do_not_vote_but_join(self) -> None:
        # The middle 2 touches 1 at four corners and 0 with four sides; as 0 it joins four stretches of 0.
        assert dropped("101 020 101", 0, 0, 6) == lines("101 000 101")

    def test_drop_clusters__the_smallest_first_and_what_it_joins_counts(self) -> None:
        # 1 (one pixel) becomes 2, its longest border; together they are four pixels and stay.
        assert dropped("00000 02220 02120 02220 00000", 4, 4, 4) == lines("00000 02220 02220 02220 00000")
        # Two pixels of 2 below a 1: three sides of the 1 are with 0, so it goes to 0, and the 2 after it.
        assert dropped("00000 00100 00220 00000", 3, 3, 3) == lines("00000 00000 00000 00000")

    def test_drop_clusters__specks_together_can_be_enough(self) -> None:
        # The 3 has two sides with 2 and one each with 0 and 1: 2 becomes three pixels and stays.
        assert dropped("0000 0230 0120 0000", 3, 3, 3, 3)[:4] == "0000"
        assert dropped("2200 3200 0000", 3, 3, 4, 3) == lines("2200 2200 0000")

    def test_drop_clusters__all_below_leaves_one(self) -> None:
        # 0 shares two sides with either: it goes to 1, the first, which is then the larger one.
        assert dropped("0011 0011 2222", 99, 99, 99) == lines("1111 1111 1111")
        assert dropped("000", 99) == "000"

    def test_keep_largest__the_others_become_what_is_about_them(self) -> None:
        ids = drawn("11011 11001 00000 10001")
        kept = keep_largest(ids, np.array([False, True]))
        assert kept.tolist() == drawn("11000 11000 00000 00000").tolist()

    def test_keep_largest__of_equal_ones_the_first(self) -> None:
        kept = keep_largest(drawn("1010"), np.array([False, True]))
        assert kept.tolist() == [[1, 0, 0, 0]]

    def test_keep_largest__nothing_else_counts(self) -> None:
        ids = drawn("0120 0000 0010")
        assert keep_largest(ids, np.array([True, False, True])) is ids

    def test_volumes__faces_vote_and_corners_connect(self) -> None:
        ids = np.zeros((3, 3, 3), np.uint8)
        ids[0, 0, 0] = ids[1, 1, 1] = 1  # they touch at a corner of voxels
        assert drop_clusters(ids, np.array([0, 2])) is ids
        assert not drop_clusters(ids, np.array([0, 3])).any()
        ids[1] = 2
        ids[1, 1, 1] = 1  # four faces with 2, two with 0
        assert drop_clusters(ids, np.array([0, 3, 0]))[1, 1, 1] == 2


def maps() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]]:
    random = np.random.default_rng(3)
    for number in range(150):
        shape = random.integers(1, 11, 2) if number % 2 else random.integers(1, 6, 3)
        classes = int(random.integers(1, 5))
        ids = random.integers(0, classes, shape).astype(np.uint8)
        if number % 3 == 0:
            ids = ids.repeat(2, axis=-1).repeat(2, axis=-2)
        yield ids, random.integers(0, 12, classes), random.random(classes) < 0.5


def test_drop_clusters__compiled_and_plain_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_SMALL", -1)
    by_loops = [(drop_clusters(ids, areas), keep_largest(ids, only)) for ids, areas, only in maps()]
    monkeypatch.setattr(clusters, "compiled_room", lambda _: None)
    for (dropped_ids, kept_ids), (ids, areas, only) in zip(by_loops, maps(), strict=True):
        np.testing.assert_array_equal(dropped_ids, drop_clusters(ids, areas))
        np.testing.assert_array_equal(kept_ids, keep_largest(ids, only))
        assert dropped_ids.dtype == ids.dtype


def street(random: np.random.Generator, dtype: Any = np.uint8) -> NDArray[Any]:
    """Smooth areas with specks, 60 x 80 pixels of 6 classes."""
    smooth = [ndimage.gaussian_filter(random.standard_normal((60, 80)), 4) for _ in range(6)]
    noise = 0.03 * random.standard_normal((6, 60, 80))
    ids: NDArray[Any] = (np.array(smooth) + noise).argmax(axis=0).astype(dtype)
    return ids


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_drop_clusters__nothing_below_is_left_nothing_is_invented_and_again_is_the_same(dtype: Any) -> None:
    ids = street(np.random.default_rng(0), dtype)
    areas = np.array([30, 5, 0, 200, 30, 30])
    result = drop_clusters(ids, areas)
    assert result.dtype == dtype
    found, class_of = find_clusters(result)
    assert (np.bincount(found.ravel()) >= areas[class_of]).all()
    assert (result != ids).any()
    assert drop_clusters(result, areas) is result
    for part, box in enumerate(_boxes(result != ids), start=1):
        here, changed = ids[box], ndimage.label(result != ids, np.ones((3, 3)))[0][box] == part
        assert set(result[box][changed]) <= set(here[ndimage.binary_dilation(changed, np.ones((3, 3)))])


def test_drop_clusters__unlisted_classes_only_grow() -> None:
    ids = street(np.random.default_rng(1))
    result = drop_clusters(ids, np.array([0, 40, 0, 0, 40, 0]))
    for k in (0, 2, 3, 5):
        assert (result[ids == k] == k).all()


def test_keep_largest__one_cluster_is_left_of_each() -> None:
    ids = street(np.random.default_rng(2))
    only = np.array([True, False, True, False, False, True])
    result = keep_largest(ids, only)
    for k in np.flatnonzero(only):
        parts, count = ndimage.label(ids == k, np.ones((3, 3)))
        assert ndimage.label(result == k, np.ones((3, 3)))[1] == 1
        largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
        assert count > 1
        assert (result[largest] == k).all()
    assert keep_largest(result, only) is result


def _boxes(mask: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Boxes of the mask's parts, one pixel wider on every side."""
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    return [
        (slice(max(0, y.start - 1), y.stop + 1), slice(max(0, x.start - 1), x.stop + 1))
        for y, x in ndimage.find_objects(parts)
    ]


def test_drop_clusters__of_nothing() -> None:
    empty = np.zeros((0, 5), np.uint8)
    assert drop_clusters(empty, np.array([3])) is empty
