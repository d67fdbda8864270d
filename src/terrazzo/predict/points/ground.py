"""The ground of a scan: the upright plane with the most points near it, by RANSAC (Fischler and Bolles 1981).

Coordinates are the scanner's: z up, metres. Hypotheses are tried in one batch, all on the same sample of
points; the best is fitted again to its points by least squares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HYPOTHESES = 256
"""Planes tried. With 4 points in 10 on the ground, all miss it once in 10^7 scans."""

SAMPLE = 8192
"""Points that judge a hypothesis."""

FIT = 0.15
"""Metres from the plane within which a point speaks for it."""

STEEPEST = 15.0
"""Degrees: a steeper plane is a wall or an embankment, not the ground a car stands on."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in the scanner's coordinates."""

    normal: NDArray[np.float64]
    """(3,), of length 1, upwards."""

    offset: float
    """Metres: `normal @ point + offset` is the height above the plane."""

    def height(self, xyz_N3: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the metres of each point (N, 3) above the plane."""
        height: NDArray[np.float64] = xyz_N3 @ self.normal + self.offset
        return height


def find_ground(xyz_N3: NDArray[np.floating], random: np.random.Generator) -> Plane | None:
    """Find the ground of a scan; None where no three points span a plane that is flat enough.

    Args:
        xyz_N3: (N, 3) points of the whole scan, not of the image alone: the more ground the better.
        random: which points are tried.
    """
    if len(xyz_N3) < 3:
        return None
    xyz = xyz_N3.astype(np.float64)
    judges = xyz[random.permutation(len(xyz))[:SAMPLE]]
    normals, offsets = _planes_through(xyz[random.integers(len(xyz), size=(HYPOTHESES, 3))])
    if len(normals) == 0:
        return None
    votes = (np.abs(judges @ normals.T + offsets) < FIT).sum(axis=0)
    best = int(votes.argmax())
    plane = Plane(normals[best], float(offsets[best]))
    for _ in range(2):
        plane = _fitted(xyz[np.abs(plane.height(xyz)) < FIT]) or plane
    return plane


def _planes_through(corners_M33: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return normals (M', 3) and offsets (M') of the flat enough planes through three points each."""
    first, second, third = corners_M33.transpose(1, 0, 2)
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-6
    normals, first = normals[usable] / lengths[usable, None], first[usable]
    normals *= np.where(normals[:, 2:] < 0, -1.0, 1.0)
    flat = normals[:, 2] >= np.cos(np.radians(STEEPEST))
    return normals[flat], -(normals[flat] * first[flat]).sum(axis=1)


def _fitted(near_N3: NDArray[np.float64]) -> Plane | None:
    """Fit z = a x + b y + c by least squares; None where too few points or all on one line."""
    if len(near_N3) < 3:
        return None
    sides = np.column_stack([near_N3[:, :2], np.ones(len(near_N3))])
    (a, b, c), _, rank, _ = np.linalg.lstsq(sides, near_N3[:, 2], rcond=None)
    if rank < 3:
        return None
    length = float(np.sqrt(a * a + b * b + 1))
    return Plane(np.array([-a, -b, 1.0]) / length, float(-c) / length)
