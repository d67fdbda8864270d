"""Reading KITTI's object files: velodyne (.bin), calib (.txt) and label_2 (.txt).

Formats: the readme of the object development kit (Geiger, Lenz, Urtasun, CVPR 2012), and Geiger et al.,
Vision meets Robotics, IJRR 2013, for the axes. A velodyne file is N points of four little-endian
float32: x forwards, y to the left, z up, in metres from the sensor, and the reflectance, 0..1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.predict.points.boxes import Box

POINT_BYTES = 16
MATRICES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
"""What is read of a calibration file, and the shape of each, rows after one another."""

LABEL_COLUMNS = 15
"""type, truncated, occluded, alpha, 2-D box (4), height, width, length, x, y, z, rotation_y."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """From the scanner's coordinates to the pixels of the left colour camera."""

    projection: NDArray[np.float64]
    """P2, (3, 4): rectified coordinates of camera 0 to pixels of camera 2, times depth."""

    rectification: NDArray[np.float64]
    """R0_rect, (3, 3): camera 0 to rectified camera 0."""

    velodyne_to_camera: NDArray[np.float64]
    """Tr_velo_to_cam, (3, 4): scanner to camera 0, metres."""


def read_velodyne(path: str | Path) -> NDArray[np.float32]:
    """Return the points of a scan, (N, 4): x, y, z in metres, and the reflectance.

    Raises:
        DataError: no such file, no points, not whole points, or numbers that are not finite.
    """
    path = Path(path)
    data = _read_bytes(path)
    if not data:
        raise DataError(
            f"{path}: the point cloud is empty (0 bytes); expected {POINT_BYTES} bytes for each point. "
            "Copy the file again, or leave this frame out."
        )
    if len(data) % POINT_BYTES:
        raise DataError(
            f"{path}: {len(data)} bytes are not a whole number of points; expected {POINT_BYTES} bytes for "
            "each (x, y, z, reflectance as float32). The file is cut short, or of another format."
        )
    points_N4 = np.frombuffer(data, dtype="<f4").reshape(-1, 4).astype(np.float32)
    wrong = ~np.isfinite(points_N4).all(axis=1)
    if wrong.any():
        raise DataError(
            f"{path}: {int(wrong.sum())} of {len(points_N4)} points are not finite, the first is point "
            f"{int(wrong.argmax())}. Remove them; a scan lists returns only."
        )
    return points_N4


def read_calibration(path: str | Path) -> Calibration:
    """Read P2, R0_rect and Tr_velo_to_cam of a KITTI calibration file.

    Raises:
        DataError: no such file, or a matrix is missing or has another number of numbers.
    """
    path = Path(path)
    rows = _named_rows(path)
    missing = [name for name in MATRICES if name not in rows]
    if missing:
        raise DataError(
            f"{path}: no {' and no '.join(missing)}; there is {', '.join(rows) or 'nothing'}. "
            "Give the calibration of KITTI's object benchmark (calib/NUMBER.txt), which holds "
            f"{', '.join(MATRICES)}."
        )
    projection, rectification, velodyne = (_matrix(name, rows[name], path) for name in MATRICES)
    return Calibration(projection, rectification, velodyne)


def read_boxes(path: str | Path) -> list[Box]:
    """Return the objects of a label_2 file in its order; `DontCare` regions, which have no box, are left out.

    Raises:
        DataError: no such file, or a line that is none of label_2.
    """
    path = Path(path)
    lines = _read_bytes(path).decode("utf-8", errors="replace").splitlines()
    boxes = [_box(line.split(), path, number) for number, line in enumerate(lines, start=1) if line.strip()]
    return [box for box in boxes if box.kind != "DontCare"]


def _box(words: list[str], path: Path, line: int) -> Box:
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError:
        numbers = []
    if len(numbers) not in {LABEL_COLUMNS - 1, LABEL_COLUMNS}:  # a detector's files end in a score
        raise DataError(
            f"{path}, line {line}: {' '.join(words)[:60]!r} is no object; expected a type and "
            f"{LABEL_COLUMNS - 1} numbers, as in KITTI's label_2."
        )
    left, top, right, bottom = numbers[3:7]
    height, width, length, x, y, z, turn = numbers[7:14]
    return Box(
        kind=words[0],
        occluded=int(numbers[1]),
        truncated=numbers[0],
        frame=(left, top, right, bottom),
        size=(height, width, length),
        place=(x, y, z),
        turn=turn,
    )


def _named_rows(path: Path) -> dict[str, str]:
    text = _read_bytes(path).decode("utf-8", errors="replace")
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): numbers for name, _, numbers in pairs}


def _matrix(name: str, text: str, path: Path) -> NDArray[np.float64]:
    shape = MATRICES[name]
    try:
        numbers = np.array(text.split(), dtype=np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != shape[0] * shape[1] or not np.isfinite(numbers).all():
        raise DataError(
            f"{path}: {name} is {text.strip()[:60]!r}; expected {shape[0] * shape[1]} numbers, "
            f"the {shape[0]} rows of {shape[1]} after one another."
        )
    return numbers.reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
