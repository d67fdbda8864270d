"""KITTI's files: what is read, and one sentence for each way in which they can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.errors import DataError
from terrazzo.core.images import image_size
from terrazzo.predict.points import project, read_boxes, read_calibration, read_velodyne

GENUINE = Path(__file__).parents[4] / "shared" / "data" / "samples" / "kitti_object" / "training"
needs_genuine = pytest.mark.skipif(
    not GENUINE.is_dir(), reason="the shared KITTI frames are not beside this checkout"
)
CALIBRATION = {"P2": range(12), "R0_rect": range(9), "Tr_velo_to_cam": range(12)}


def write_calibration(path: Path, matrices: dict[str, range]) -> Path:
    path.write_text("".join(f"{name}: {' '.join(map(str, m))}\n" for name, m in matrices.items()) + "\n")
    return path


def test_read_velodyne__gives_rows_of_four(tmp_path: Path) -> None:
    points = np.arange(12, dtype="<f4").reshape(3, 4)
    (tmp_path / "a.bin").write_bytes(points.tobytes())
    read = read_velodyne(tmp_path / "a.bin")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, points)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.bin: the point cloud is empty (0 bytes); expected 16 bytes for each point"),
        (b"12345678901234567890", "a.bin: 20 bytes are not a whole number of points; expected 16 bytes"),
        (np.array([1, 2, 3, 0, np.nan, 2, 3, 0], "<f4").tobytes(), "1 of 2 points are not finite, the first"),
    ],
)
def test_read_velodyne__what_is_no_scan_is_one_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_velodyne(tmp_path / "a.bin")
    assert sentence in str(caught.value)


def test_read_velodyne__a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.bin: there is no such file"):
        read_velodyne(tmp_path / "b.bin")


def test_read_calibration__matrices_are_read_row_by_row(tmp_path: Path) -> None:
    calibration = read_calibration(write_calibration(tmp_path / "c.txt", CALIBRATION))
    np.testing.assert_array_equal(calibration.projection, np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(calibration.rectification, np.arange(9.0).reshape(3, 3))
    np.testing.assert_array_equal(calibration.velodyne_to_camera, np.arange(12.0).reshape(3, 4))


def test_read_calibration__a_missing_matrix_is_named_with_what_there_is(tmp_path: Path) -> None:
    given = {"P0": range(12), "P2": range(12), "Tr": range(12)}
    with pytest.raises(DataError) as caught:
        read_calibration(write_calibration(tmp_path / "c.txt", given))
    assert "c.txt: no R0_rect and no Tr_velo_to_cam; there is P0, P2, Tr." in str(caught.value)


def test_read_calibration__an_empty_file_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("")
    with pytest.raises(DataError, match="there is nothing"):
        read_calibration(tmp_path / "c.txt")


@pytest.mark.parametrize("numbers", ["1 2 3", "1 2 3 4 5 6 7 8 x", "1 2 3 4 5 6 7 8 nan"])
def test_read_calibration__a_matrix_of_other_numbers_is_refused(tmp_path: Path, numbers: str) -> None:
    path = write_calibration(tmp_path / "c.txt", CALIBRATION)
    path.write_text(path.read_text().replace("0 1 2 3 4 5 6 7 8\n", f"{numbers}\n"))
    with pytest.raises(DataError, match=r"R0_rect is '.*'; expected 9 numbers, the 3 rows of 3"):
        read_calibration(path)


def test_read_boxes__leaves_out_what_has_no_box(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text(
        "Car 0.10 2 1.85 387 181 423 203 1.67 1.87 3.69 -16.53 2.39 58.49 1.57\n"
        "DontCare -1 -1 -10 503 169 590 190 -1 -1 -1 -1000 -1000 -1000 -10\n"
    )
    (box,) = read_boxes(tmp_path / "l.txt")
    assert (box.kind, box.occluded, box.truncated, box.turn) == ("Car", 2, 0.1, 1.57)
    assert (box.frame, box.size) == ((387, 181, 423, 203), (1.67, 1.87, 3.69))
    assert box.place == (-16.53, 2.39, 58.49)


def test_read_boxes__another_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("\nCar 1 2 3\n")
    with pytest.raises(DataError, match=r"l\.txt, line 2: 'Car 1 2 3' is no object"):
        read_boxes(tmp_path / "l.txt")


@needs_genuine
@pytest.mark.parametrize(
    ("name", "points", "size", "inside"),
    [("000000", 115384, (370, 1224), 20285), ("000001", 120268, (375, 1242), 18630)],
)
def test_genuine_frames__as_many_points_as_their_readme_says(
    name: str, points: int, size: tuple[int, int], inside: int
) -> None:
    scan = read_velodyne(GENUINE / "velodyne" / f"{name}.bin")
    assert image_size(GENUINE / "image_2" / f"{name}.png") == size
    calibration = read_calibration(GENUINE / "calib" / f"{name}.txt")
    assert (len(scan), int(project(scan[:, :3], calibration, size).inside.sum())) == (points, inside)
