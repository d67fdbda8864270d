"""From points in space to pixels: P2 * R0_rect * Tr_velo_to_cam (Geiger et al., IJRR 2013).

Shapes: N points. R0_rect and Tr_velo_to_cam are extended to (4, 4) so that the product is one of homogeneous
coordinates. A point behind the camera would be mirrored into the image by the division, so it is dropped
before. A point belongs to the pixel it falls into: row floor(v), column floor(u), inside where 0 <= u < W and
0 <= v < H.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.points.kitti import Calibration


@dataclass(frozen=True, eq=False)
class Projection:
    """Where the points of a scan fall in an image."""

    inside: NDArray[np.bool_]
    """(N,): before the camera, and in the image."""

    row: NDArray[np.int64]
    """(N,): the pixel's row, 0 where not inside."""

    column: NDArray[np.int64]
    """(N,): the pixel's column, 0 where not inside."""

    depth: NDArray[np.float64]
    """(N,): metres before the camera along its axis; negative behind it."""


def to_camera(xyz_N3: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Return points (N, 3) of the scanner in rectified coordinates of camera 0, those of label_2's boxes."""
    rectify = np.eye(4)
    rectify[:3, :3] = calibration.rectification
    whole = rectify @ _extended(calibration.velodyne_to_camera)
    camera_N3: NDArray[np.float64] = xyz_N3.astype(np.float64) @ whole[:3, :3].T + whole[:3, 3]
    return camera_N3


def to_scanner(camera_N3: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Undo `to_camera`, for instance for the corners of a box."""
    rotation = calibration.rectification @ calibration.velodyne_to_camera[:, :3]
    moved = camera_N3 - calibration.rectification @ calibration.velodyne_to_camera[:, 3]
    return np.linalg.solve(rotation, moved.T).T.astype(np.float64)


def project(xyz_N3: NDArray[np.floating], calibration: Calibration, size: tuple[int, int]) -> Projection:
    """Find the pixel of every point.

    Args:
        xyz_N3: (N, 3) points in the scanner's coordinates, metres.
        calibration: of the frame.
        size: (H, W) of the image, pixels.
    """
    camera_N3 = to_camera(xyz_N3, calibration)
    image_N3 = camera_N3 @ calibration.projection[:, :3].T + calibration.projection[:, 3]
    depth = image_N3[:, 2]
    before = (depth > 0) & (camera_N3[:, 2] > 0)
    safe = np.where(before, depth, 1.0)
    u, v = image_N3[:, 0] / safe, image_N3[:, 1] / safe
    inside = before & (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
    row, column = (np.floor(np.where(inside, side, 0)).astype(np.int64) for side in (v, u))
    return Projection(inside, row, column, depth)


def _extended(matrix_34: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the row 0 0 0 1."""
    return np.vstack([matrix_34, [0.0, 0.0, 0.0, 1.0]])
