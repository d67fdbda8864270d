"""The objects of KITTI's label_2: upright 3-D boxes in camera coordinates, and which points are in them.

Camera coordinates are those of the rectified camera 0: x to the right, y down, z forwards, metres. A box
stands on its place (the middle of its bottom, so y is the lowest), turned about the y axis; at a turn of 0
its length lies along x (readme of the object development kit).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """One labelled object."""

    kind: str
    """Car, Pedestrian, Cyclist, Truck, ..., as written."""

    occluded: int
    """0 fully visible, 1 partly occluded, 2 largely occluded, 3 unknown."""

    truncated: float
    """The share that lies outside the image, 0..1."""

    frame: tuple[float, float, float, float]
    """The 2-D box in the image: left, top, right, bottom, pixels from 0."""

    size: tuple[float, float, float]
    """Height, width, length, metres."""

    place: tuple[float, float, float]
    """(x, y, z) of the middle of the bottom, camera coordinates."""

    turn: float
    """rotation_y: about the camera's y axis, radians."""

    def corners(self) -> NDArray[np.float64]:
        """Return the (8, 3) corners in camera coordinates: the bottom four, then the top four."""
        height, width, length = self.size
        along = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * length / 2
        across = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * width / 2
        up = np.array([0, 0, 0, 0, 1, 1, 1, 1]) * -height
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        x, z = cosine * along + sine * across, cosine * across - sine * along
        corners: NDArray[np.float64] = np.stack([x, up, z], axis=1) + np.array(self.place)
        return corners

    def holds(self, camera_N3: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Say for each point (N, 3) in camera coordinates whether it is in the box, its surface included."""
        height, width, length = self.size
        x, y, z = (camera_N3 - np.array(self.place)).T
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        along, across = cosine * x - sine * z, sine * x + cosine * z
        inside: NDArray[np.bool_] = (
            (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2) & (y <= 0) & (y >= -height)
        )
        return inside
