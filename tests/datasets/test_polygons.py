"""The rasteriser: centres count, shared edges are shared exactly, and nothing drawn vanishes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrazzo.core import DataError
from terrazzo.datasets.polygons import Patch, ellipse, fill, placed, rectangle, ring_of, union

SIZE = (12, 16)


def painted(patch: Patch, size: tuple[int, int] = SIZE) -> np.ndarray:
    canvas = np.zeros(size, dtype=np.uint8)
    patch.stamp(canvas, 1)
    return canvas


def test_fill__a_square_on_pixel_edges_is_exact() -> None:
    mask = painted(fill([rectangle(3, 2, 8, 6)], SIZE))
    assert mask.sum() == 5 * 4
    assert mask[2:6, 3:8].all()


def test_fill__centres_decide() -> None:
    assert painted(fill([rectangle(3.4, 2.4, 7.6, 5.6)], SIZE)).sum() == 5 * 4
    assert painted(fill([rectangle(3.6, 2.6, 7.4, 5.4)], SIZE)).sum() == 3 * 2
    exactly_on_centres = painted(fill([rectangle(3.5, 2.5, 7.5, 5.5)], SIZE))
    assert exactly_on_centres[2:5, 3:7].all()
    assert exactly_on_centres.sum() == 3 * 4


def test_fill__holes_and_crossed_outlines_by_even_odd() -> None:
    mask = painted(fill([rectangle(1, 1, 9, 9), rectangle(3, 3, 5, 5)], SIZE))
    assert mask.sum() == 64 - 4
    bow = fill([ring_of([[0, 0], [8, 8], [8, 0], [0, 8]], "")], SIZE)
    assert not painted(bow)[0, 4]
    assert painted(bow)[4, 1]


def test_fill__what_reaches_beyond_the_image_is_cut() -> None:
    assert painted(fill([rectangle(-50, -50, 50, 50)], SIZE)).all()
    assert painted(fill([rectangle(-5, 3, 2, 5)], SIZE)).sum() == 2 * 2
    assert painted(fill([rectangle(14, 10, 99, 99)], SIZE)).sum() == 2 * 2
    assert not painted(fill([rectangle(50, 50, 60, 60)], SIZE)).any()


def test_fill__too_thin_for_any_centre_leaves_its_outline() -> None:
    pole = painted(fill([rectangle(4.1, 1, 4.3, 9)], SIZE))
    assert pole[1:9, 4].all()
    assert pole.sum() in (8, 9)
    assert painted(ellipse((4.1, 4.1), (0.1, 0.1), SIZE)).sum() == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 15), st.floats(0, 12)), min_size=3, max_size=8),
    st.floats(1, 15),
)
def test_fill__two_sides_of_a_cut_neither_overlap_nor_leave_a_gap(
    points: list[tuple[float, float]], cut: float
) -> None:
    """Two shapes with a common outline between them cover the image once."""
    middle = sorted(points, key=lambda point: point[1])
    left = [(0.0, 0.0), (cut, 0.0), *middle, (cut, 12.0), (0.0, 12.0)]
    right = [(16.0, 0.0), (16.0, 12.0), (cut, 12.0), *middle[::-1], (cut, 0.0)]
    one, other = (painted(fill([np.array(ring)], SIZE)) for ring in (left, right))
    assert (one + other == 1).all()


def test_fill__area_is_right_on_average_where_a_library_is_larger() -> None:
    rng = np.random.default_rng(0)
    ours, theirs, true = 0, 0, 0.0
    for _ in range(50):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        ring = 60 + 40 * np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.4, 1, (7, 1))
        x, y = ring.T
        true += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        patch = fill([ring], (120, 120))
        ours += patch.area
        canvas = np.zeros((120, 120), np.uint8)
        cv2.fillPoly(canvas, [np.round(ring).astype(np.int32)], 1)
        theirs += int(canvas.sum())
        assert not (painted(patch, (120, 120)) > cv2.dilate(canvas, np.ones((3, 3), np.uint8))).any()
    assert ours / true == pytest.approx(1, abs=0.002)
    assert theirs / true > 1.03


def test_ellipse__turned() -> None:
    flat, upright = ellipse((8, 6), (5, 2), SIZE), ellipse((8, 6), (5, 2), SIZE, degrees=90)
    assert flat.area == pytest.approx(np.pi * 10, abs=3)
    assert painted(flat)[6, 4]
    assert not painted(flat)[2, 8]
    assert painted(upright)[2, 8]
    slanted = painted(ellipse((8, 6), (5, 1), SIZE, degrees=45))
    assert slanted[9, 11], "clockwise, as seen with y downwards"
    assert not slanted[2, 11]


def test_rectangle__turned_around_its_middle_or_a_corner() -> None:
    assert painted(fill([rectangle(4, 5, 10, 7, degrees=90)], SIZE))[3:9, 6:8].all()
    around = painted(fill([rectangle(4, 2, 10, 4, degrees=90, around=(4, 2))], SIZE))
    assert around[2:8, 2:4].all()
    assert around.sum() == 12


def test_union__of_parts() -> None:
    parts = [fill([rectangle(1, 1, 3, 3)], SIZE), fill([rectangle(10, 8, 12, 10)], SIZE)]
    assert painted(union(parts, SIZE)).sum() == 8
    thin = fill([rectangle(4.1, 1, 4.3, 9)], SIZE)
    assert union([parts[0], thin], SIZE).area == 4 + thin.area


@pytest.mark.parametrize(
    "points", [[[1, 2], [3, 4]], [1, 2, 3, 4, 5, 6, 7], [[1, 2], [3, float("nan")], [5, 6]], "ab", None]
)
def test_ring_of__no_polygon(points: object) -> None:
    with pytest.raises(DataError, match=r"a\.json: a polygon of .*expected three or more points"):
        ring_of(points, "a.json")


def test_placed__beyond_the_image() -> None:
    with pytest.raises(
        DataError, match="x: a mask of 3 x 4 at row 10, column 2 reaches out of its image of 12 x 16"
    ):
        placed(np.ones((3, 4), bool), 10, 2, SIZE, "x")
