"""Projection, boxes and ground, on places that are known."""

import numpy as np
import pytest

from terrazzo.predict.points import Box, find_ground, project, to_camera, to_scanner
from terrazzo.predict.points.kitti import Calibration
from tests.predict.points.made_street import CALIBRATION, SIZE, make_street

PLAIN = Calibration(
    projection=np.array([[100.0, 0, 50, 0], [0, 100, 20, 0], [0, 0, 1, 0]]),
    rectification=np.eye(3),
    velodyne_to_camera=np.array([[0, -1.0, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]),
)
"""A camera in the scanner's place: (x, y, z) falls to column 50 - 100 y / x, row 20 - 100 z / x."""


def test_project__a_point_falls_into_the_pixel_worked_out_by_hand() -> None:
    xyz = np.array([[10.0, 1.0, -1.0], [10.0, 0.999, -1.0], [20.0, 0.0, 0.0]])
    seen = project(xyz, PLAIN, (40, 100))
    assert seen.inside.all()
    assert list(zip(seen.row.tolist(), seen.column.tolist(), strict=True)) == [(30, 40), (30, 40), (20, 50)]
    np.testing.assert_allclose(seen.depth, [10, 10, 20])


def test_project__what_is_behind_is_not_mirrored_into_the_image() -> None:
    seen = project(np.array([[-10.0, 1.0, -1.0], [0.0, 0.0, 0.0]]), PLAIN, (40, 100))
    assert seen.inside.tolist() == [False, False]
    assert (seen.row.tolist(), seen.column.tolist()) == ([0, 0], [0, 0])


def test_project__the_frame_is_half_open() -> None:
    ends = np.array(
        [[10, 5.0, 0], [10, 5.001, 0], [10, -4.999, 0], [10, -5.0, 0], [10, 0, 2.0], [10, 0, -2.0]]
    )
    assert project(ends, PLAIN, (40, 100)).inside.tolist() == [True, False, True, False, True, False]


def test_to_scanner__undoes_to_camera() -> None:
    xyz = np.random.default_rng(0).uniform(-50, 50, (100, 3))
    np.testing.assert_allclose(to_scanner(to_camera(xyz, CALIBRATION), CALIBRATION), xyz, atol=1e-9)


def test_to_camera__rectifies_after_the_scanner_is_turned() -> None:
    xyz = np.array([[12.0, -3.0, 1.0]])
    moved = CALIBRATION.velodyne_to_camera @ [12.0, -3.0, 1.0, 1.0]
    np.testing.assert_allclose(to_camera(xyz, CALIBRATION)[0], CALIBRATION.rectification @ moved)


def test_project__agrees_with_the_mask_that_the_camera_sees() -> None:
    street = make_street(np.random.default_rng(3), step=0.5)
    seen = project(street.points[:, :3], CALIBRATION, SIZE)
    kinds = np.array([2 if box.kind == "Car" else 3 for box in street.boxes])
    of_objects = seen.inside & (street.item >= 0)
    labels = street.mask[seen.row, seen.column]
    # The rest are points that the camera, 27 cm further back, sees other things before.
    assert (labels[of_objects] == kinds[street.item[of_objects]]).mean() > 0.97


@pytest.fixture
def box() -> Box:
    """A car 2 m high, 2 m wide, 4 m long, turned by 30 degrees."""
    return Box("Car", 0, 0.0, (0, 0, 0, 0), (2.0, 2.0, 4.0), (3.0, 1.5, 20.0), np.radians(30))


def test_box__its_corners_shrunk_are_in_it_and_grown_are_not(box: Box) -> None:
    middle = np.array([3.0, 0.5, 20.0])
    corners = box.corners()
    assert box.holds(middle + 0.999 * (corners - middle)).all()
    assert not box.holds(middle + 1.001 * (corners - middle)).any()


def test_box__stands_on_its_place_and_turns_from_x_towards_minus_z(box: Box) -> None:
    assert box.corners()[:, 1].tolist() == [1.5] * 4 + [-0.5] * 4  # y is down
    front = np.array([3 + 1.9 * np.cos(np.radians(30)), 1.0, 20 - 1.9 * np.sin(np.radians(30))])
    mirrored = front * [1, 1, -1] + [0, 0, 40]
    assert box.holds(np.stack([front, mirrored])).tolist() == [True, False]


def test_box__points_of_a_made_object_are_in_its_box() -> None:
    street = make_street(np.random.default_rng(3), step=0.5)
    camera = to_camera(street.points[:, :3], CALIBRATION)
    for item, box in enumerate(street.boxes):
        members = street.item == item
        assert members.sum() < 10 or box.holds(camera[members]).mean() > 0.97


@pytest.mark.parametrize("slope", [0.0, 0.05, -0.1])
def test_find_ground__finds_the_plane_under_clutter(slope: float) -> None:
    random = np.random.default_rng(0)
    ground = random.uniform(-40, 40, (4000, 3))
    ground[:, 2] = -1.7 + slope * ground[:, 0] + random.normal(0, 0.02, 4000)
    clutter = random.uniform([-40, -40, -1.5], [40, 40, 4], (6000, 3))
    plane = find_ground(np.concatenate([ground, clutter]), np.random.default_rng(1))
    assert plane is not None
    assert np.abs(plane.height(ground)).max() < 0.12
    assert plane.normal[2] > 0.9


def test_find_ground__a_wall_is_no_ground_however_large() -> None:
    random = np.random.default_rng(0)
    wall = np.column_stack([random.uniform(0, 40, 5000), np.full(5000, 5.0), random.uniform(-2, 4, 5000)])
    floor = np.column_stack([random.uniform(-20, 20, (1000, 2)), np.full(1000, -1.7)])
    plane = find_ground(np.concatenate([wall, floor]), np.random.default_rng(0))
    assert plane is not None
    np.testing.assert_allclose(plane.height(floor), 0, atol=0.05)


def test_find_ground__the_same_generator_gives_the_same_plane() -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)) * [20, 20, 0.1]
    first, second = (find_ground(points, np.random.default_rng(7)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.normal.tolist(), first.offset) == (second.normal.tolist(), second.offset)


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.zeros((50, 3)), np.eye(3)[[0] * 30] * 5])
def test_find_ground__without_three_corners_there_is_none(points: np.ndarray) -> None:
    assert find_ground(points, np.random.default_rng(0)) is None
