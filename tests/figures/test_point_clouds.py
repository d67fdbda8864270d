"""Pictures of scans: points where they belong, near ones on top, one frame per cluster."""

import numpy as np

from terrazzo.core.labels import LabelMap
from terrazzo.figures.point_clouds import PAPER, classes_shown, points_from_above, points_on_image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_points_on_image__near_ones_hide_far_ones_on_a_dimmed_image() -> None:
    image = np.full((20, 30, 3), 200, dtype=np.uint8)
    colors = np.array([RED, BLUE], dtype=np.uint8)
    picture = points_on_image(image, np.array([5, 5]), np.array([7, 7]), colors, np.array([3.0, 40.0]))
    assert picture[5, 7].tolist() == list(RED)
    assert picture[15, 20].tolist() == [90, 90, 90]
    assert image.min() == 200


def test_points_from_above__forwards_is_up_and_left_is_left() -> None:
    xy = np.array([[20.0, 5.0], [-3.0, 0.0], [99.0, 0.0], [10.0, -31.0]])  # the others lie outside
    picture = points_from_above(xy, np.array([RED] * 4, dtype=np.uint8), np.full(4, -1))
    rows, columns = np.nonzero((picture == RED).all(axis=-1))
    assert rows.tolist() == [478, 478, 479, 479]  # 720 - 1 - 20 * 12, and the one before
    assert columns.tolist() == [300, 301, 300, 301]  # 360 - 5 * 12
    assert picture[700, 20].tolist() == list(PAPER)


def test_points_from_above__a_cluster_has_a_frame_in_its_colour() -> None:
    xy = np.array([[20.0, 5.0], [22.0, 4.0]])
    colors = np.array([BLUE, BLUE], dtype=np.uint8)
    plain = points_from_above(xy, colors, np.array([-1, -1]))
    framed = points_from_above(xy, colors, np.array([0, 0]))
    assert (framed == BLUE).all(axis=-1).sum() > (plain == BLUE).all(axis=-1).sum() + 40


def test_points_from_above__a_name_of_any_script_is_drawn() -> None:
    picture = points_from_above(
        np.zeros((0, 2)), np.zeros((0, 3), np.uint8), np.zeros(0, int), [("Straße", RED)]
    )
    assert (picture[8:20, 8:20] == RED).all()


def test_classes_shown__lists_what_is_there() -> None:
    labels = LabelMap.of({"a": (1, 1, 1), "b": (2, 2, 2), "c": (3, 3, 3)})
    assert classes_shown(labels, np.array([2, -1, 0, 2])) == [("a", (1, 1, 1)), ("c", (3, 3, 3))]
