"""Moves: rotate, affine, perspective, scale jitter, flips and quarter turns, each a matrix.

Amounts are 0..1 before calibration (see `strengths`); what 1 means stands beside each number.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from terrazzo.transforms.operation import Matrix, signed
from terrazzo.transforms.warp import around


@dataclass(frozen=True)
class Rotate:
    """A turn around the middle."""

    degrees: float
    """Counter-clockwise."""

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the matrix of the turn."""
        return around(_turn(self.degrees), size)


def draw_rotate(amount: float, rng: np.random.Generator, *, degrees: float = 45.0) -> Rotate:
    """Turn to either side.

    Args:
        amount: 0..1.
        rng: draws the side.
        degrees: the turn at amount 1.
    """
    return Rotate(signed(rng) * amount * degrees)


@dataclass(frozen=True)
class Affine:
    """A shear, a turn, a stretch and a shift, around the middle."""

    degrees: float
    shear: tuple[float, float]
    """Tangents, along x and along y."""

    stretch: tuple[float, float]
    """Factors along x and y."""

    offset: tuple[float, float]
    """(x, y) as shares of width and height."""

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return stretch, then shear, then turn, then shift."""
        stretch = np.diag([*self.stretch, 1.0])
        shear = np.array([[1, self.shear[0], 0], [self.shear[1], 1, 0], [0, 0, 1]])
        total = around(_turn(self.degrees) @ shear @ stretch, size)
        total[0, 2] += self.offset[0] * size[1]
        total[1, 2] += self.offset[1] * size[0]
        return total


def draw_affine(amount: float, rng: np.random.Generator) -> Affine:
    """Draw all parts; at amount 1 up to 20 degrees, shears of 0.3, a third larger or smaller, shifts of 0.15.

    The parts lie between 0.6 and 1 of those ends: where all could be small, a strength would mean little.
    """
    turn, *rest = (signed(rng) * rng.uniform(0.6, 1.0) * amount for _ in range(7))
    return Affine(
        degrees=20 * turn,
        shear=(0.3 * rest[0], 0.3 * rest[1]),
        stretch=(float(1.33 ** rest[2]), float(1.33 ** rest[3])),
        offset=(0.15 * rest[4], 0.15 * rest[5]),
    )


@dataclass(frozen=True)
class Perspective:
    """Every corner moves by itself, as if the camera looked at the scene from another side."""

    corners: tuple[tuple[float, float], ...]
    """(x, y) of upper left, upper right, lower left, lower right: shares of width and height, inward."""

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the homography that takes the moved corners to the frame's own."""
        height, width = size
        right, bottom = width - 1, height - 1
        frame = np.array([(0, 0), (right, 0), (0, bottom), (right, bottom)], dtype=np.float32)
        inward = np.array([(1, 1), (-1, 1), (1, -1), (-1, -1)]) * np.array(self.corners)
        moved = (frame + inward * (width, height)).astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(moved, frame), dtype=np.float64)


def draw_perspective(amount: float, rng: np.random.Generator) -> Perspective:
    """Move each corner inward or outward by 0.05 to 0.2 of the frame at amount 1."""
    ends = rng.uniform(0.05, 0.2, (4, 2)) * amount * np.where(rng.random((4, 2)) < 0.7, 1, -1)
    return Perspective(tuple((float(x), float(y)) for x, y in ends))


@dataclass(frozen=True)
class Scale:
    """Larger or smaller around the middle."""

    factor: float

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the matrix of the stretch."""
        return around(np.diag([self.factor, self.factor, 1.0]), size)


def draw_scale(amount: float, rng: np.random.Generator, *, factor: float = 2.0) -> Scale:
    """Make larger or smaller with equal chance.

    Args:
        amount: 0..1.
        rng: draws which.
        factor: how many times larger or smaller at amount 1.
    """
    return Scale(float(factor ** (signed(rng) * amount)))


@dataclass(frozen=True)
class Flip:
    """A mirror image."""

    vertical: bool

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the matrix of the mirror."""
        return around(np.diag([1.0, -1.0, 1.0] if self.vertical else [-1.0, 1.0, 1.0]), size)


def draw_flip(amount: float, rng: np.random.Generator) -> Flip | None:
    """Mirror left and right; on or off, so the amount is how often."""
    return Flip(vertical=False) if rng.random() < amount else None


def draw_flip_vertical(amount: float, rng: np.random.Generator) -> Flip | None:
    """Mirror top and bottom; on or off, so the amount is how often."""
    return Flip(vertical=True) if rng.random() < amount else None


@dataclass(frozen=True)
class Rot90:
    """Quarter turns around the middle; a frame that is no square shows other parts of its source."""

    turns: int
    """1 to 3, counter-clockwise."""

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the exact matrix, without rounding of sines."""
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[self.turns]
        turn: Any = [[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]
        return around(np.array(turn, dtype=np.float64), size)


def draw_rot90(amount: float, rng: np.random.Generator) -> Rot90 | None:
    """Turn by one to three quarters; on or off, so the amount is how often."""
    turns = int(rng.integers(1, 4))
    return Rot90(turns) if rng.random() < amount else None


def _turn(degrees: float) -> Matrix:
    """Return a counter-clockwise turn, as seen with y pointing down."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
