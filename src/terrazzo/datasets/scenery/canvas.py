"""The canvas: a picture and its labels, painted together in perspective, at twice the size of the scene.

Everything is painted by `fill` into both at once, so image and mask cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.light import RGB, Color, Light, Point

SCALE = 2
"""Canvas pixels per scene pixel, each way: edges are smooth after shrinking."""

NEAR = 1.3
"""Nothing is painted closer than this, metres."""

_SHIFT = 4  # fractional bits of polygon corners


class Label(IntEnum):
    """Train ids, in the order of `scenes.LABELS`."""

    SKY = 0
    BUILDING = 1
    ROAD = 2
    PAVEMENT = 3
    TERRAIN = 4
    TREE = 5
    CAR = 6
    PERSON = 7
    SIGN = 8


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from; all lengths on the canvas are canvas pixels."""

    focal: float
    center: float
    """Column that looks along the road."""

    horizon: float
    """Row at eye height."""

    height: float
    """Metres above the ground."""

    eye: float
    """Metres right of the road's middle."""

    curve: float
    """The road bends by curve * z * z metres, and everything along it."""

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., 2) columns and rows of world points (..., 3)."""
        x, y, z = points[..., 0], points[..., 1], np.maximum(points[..., 2], NEAR)
        column = self.center + self.focal * ((x - self.eye) / z + self.curve * z)
        row = self.horizon + self.focal * (self.height - y) / z
        return np.stack([column, row], axis=-1)

    def place(self, point: Point) -> tuple[float, float]:
        """Return column and row of one point; what `project` does, faster for few."""
        x, y, z = point
        z = max(z, NEAR)
        column = self.center + self.focal * ((x - self.eye) / z + self.curve * z)
        return column, self.horizon + self.focal * (self.height - y) / z


class Canvas:
    """Picture (H, W, 3) and labels (H, W), both uint8, and the light and camera they are painted by."""

    def __init__(self, size: tuple[int, int], camera: Camera, light: Light) -> None:
        """Start with an all-sky canvas; `size` is the canvas's own (H, W)."""
        self.image = np.zeros((*size, 3), dtype=np.uint8)
        self.label = np.zeros(size, dtype=np.uint8)
        self.camera = camera
        self.light = light

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in canvas pixels."""
        return self.label.shape[0], self.label.shape[1]

    def fill(self, polygons: Sequence[NDArray[np.float64]], color: RGB, label: Label | None) -> None:
        """Paint polygons (n, 2) of columns and rows; without a label what is beneath keeps its own."""
        corners = [(p * (1 << _SHIFT) + 0.5).astype(np.int32) for p in polygons]
        red, green, blue = (min(max(v, 0.0), 255.0) for v in color)
        cv2.fillPoly(self.image, corners, (red, green, blue), cv2.LINE_8, _SHIFT)
        if label is not None:
            cv2.fillPoly(self.label, corners, int(label), cv2.LINE_8, _SHIFT)

    def face(self, corners: Sequence[Point], color: Color, label: Label | None, normal: Point) -> None:
        """Paint one flat face, lit as it faces along a unit normal, and faded by its distance."""
        distance = sum(corner[2] for corner in corners) / len(corners)
        shown = self.light.seen(color, normal, distance)
        polygon = np.array([self.camera.place(corner) for corner in corners])
        self.fill([polygon], shown, label)

    def faces(self, corners: NDArray[np.float64], color: Color, normal: Point) -> None:
        """Paint many faces (m, n, 3) of one colour onto what is there, which keeps its label."""
        shown = self.light.seen(color, normal, float(corners[..., 2].mean()))
        self.fill(list(self.camera.project(corners)), shown, None)

    def glow(self, corners: NDArray[np.float64], color: Color) -> None:
        """Paint faces (m, n, 3) that shine by themselves."""
        shining = self.light.faded(color, float(corners[..., 2].mean()) * 0.5)
        self.fill(list(self.camera.project(corners)), shining, None)

    def stamp(
        self,
        alpha: NDArray[np.uint8],
        tone: NDArray[np.uint8],
        tint: NDArray[np.uint8],
        box: Sequence[float],
        label: Label,
    ) -> None:
        """Paint a cut-out, stretched to a box.

        Args:
            alpha: (h, w), painted where above 127.
            tone: (h, w), which of the 256 colours of the tint.
            tint: (256, 3) colours.
            box: left, top, right, bottom on the canvas.
            label: what it is.
        """
        left, top, right, bottom = (round(v) for v in box)
        height, width = self.size
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if x1 - x0 < 1 or y1 - y0 < 1:
            return
        both = cv2.resize(
            cv2.merge([alpha, tone]), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
        )
        both = both[y0 - top : y1 - top, x0 - left : x1 - left]
        shape = np.ascontiguousarray(both[..., 0] > 127).view(np.uint8)
        cv2.copyTo(tint[both[..., 1]], shape, self.image[y0:y1, x0:x1])
        self.label[y0:y1, x0:x1][shape > 0] = label


def upright(x: tuple[float, float], y: tuple[float, float], z: float) -> tuple[Point, Point, Point, Point]:
    """Return the corners of an upright rectangle that faces the camera, counter-clockwise from below left."""
    return (x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: Sequence[int]
) -> NDArray[np.float32]:
    """Return (H, W) noise of mean 0 and spread about 1: one octave per number of cells across, halving."""
    height, width = size
    total = np.zeros(size, dtype=np.float32)
    for octave, across in enumerate(cells):
        grid = rng.standard_normal(
            (max(2, across * height // max(width, 1)) + 1, across + 1), dtype=np.float32
        )
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * (0.6**octave)
    return total
