"""The ground: meadow, pavements, the road with its lines, and the shadows that fall on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.canvas import NEAR, Canvas, Label
from terrazzo.datasets.scenery.light import Color

FAR = 260.0
UP = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Street:
    """The cross-section of the street and its colours; lengths in metres."""

    half: float
    """Half the road's width."""

    verge: tuple[float, float]
    """Grass between road and pavement, left and right."""

    walk: tuple[float, float]
    """Width of the pavements, left and right; 0 where there is none."""

    asphalt: Color
    stone: Color
    meadow: Color
    lines: int
    """0 none, 1 a dashed middle line, 2 also lines at the edges."""

    crossing: float | None
    """Distance of a zebra crossing."""

    def walk_edges(self, side: int) -> tuple[float, float]:
        """Return inner and outer |x| of a pavement; side 0 is left, 1 right."""
        inner = self.half + self.verge[side]
        return inner, inner + self.walk[side]


def draw_street(rng: np.random.Generator, meadow: Color) -> Street:
    """Draw a street; pavement may be paler or darker than the road, so colour alone does not tell."""
    grey = rng.uniform(82, 150)
    warm = rng.normal(0, 6)
    stone = rng.uniform(95, 190) + np.array([rng.uniform(0, 22), rng.uniform(0, 8), -rng.uniform(0, 16)])
    walks = rng.uniform(2.2, 4.4, 2) * (rng.random(2) < 0.9)
    verges = rng.uniform(0.6, 1.8, 2) * (rng.random(2) < 0.3)
    return Street(
        half=float(rng.uniform(3.0, 4.8)),
        verge=(float(verges[0]), float(verges[1])),
        walk=(float(walks[0]), float(walks[1])),
        asphalt=np.array([grey + warm, grey, grey - warm]),
        stone=stone,
        meadow=meadow,
        lines=int(rng.integers(0, 3)),
        crossing=float(rng.uniform(6, 18)) if rng.random() < 0.35 else None,
    )


def paint_ground(canvas: Canvas, street: Street) -> None:
    """Paint meadow, pavements and road, far to near."""
    strips = np.geomspace(FAR, NEAR, 9).tolist()
    for far, near in pairwise(strips):
        _strip(canvas, (-400.0, 400.0), (near, far), street.meadow, Label.TERRAIN)
    for far, near in pairwise(strips):
        depth = (near, far)
        for side, sign in ((0, -1), (1, 1)):
            inner, outer = (sign * edge for edge in street.walk_edges(side))
            if inner != outer:
                _strip(canvas, (inner, outer), depth, street.stone, Label.PAVEMENT)
                curb = inner + 0.14 * sign
                _strip(canvas, (inner, curb), depth, street.stone * 1.18, None)
    _paint_slabs(canvas, street)
    for far, near in pairwise(strips):
        _strip(canvas, (-street.half, street.half), (near, far), street.asphalt, Label.ROAD)
    _paint_lines(canvas, street)


def _paint_slabs(canvas: Canvas, street: Street) -> None:
    """Paint the joints between the slabs of the pavements, as far as they can be seen."""
    for side, sign in ((0, -1), (1, 1)):
        inner, outer = street.walk_edges(side)
        if inner == outer:
            continue
        joint = street.stone * 0.78
        for x in np.arange(inner + 1.0, outer, 1.0).tolist():
            _strip(canvas, (sign * x, sign * (x + 0.05)), (NEAR, 14.0), joint, None)
        for z in np.arange(2.0, 14.0, 1.0).tolist():
            _strip(canvas, (sign * (inner + 0.14), sign * outer), (z, z + 0.03 + 0.008 * z), joint, None)


def _paint_lines(canvas: Canvas, street: Street) -> None:
    white = np.array([222.0, 220, 212])
    if street.lines:
        for start in np.arange(2.0, 50, 5.0).tolist():
            _strip(canvas, (-0.09, 0.09), (start, start + 2.4), white, None)
    if street.lines == 2:
        edges = np.geomspace(80, NEAR, 7).tolist()
        for far, near in pairwise(edges):
            for x in (-street.half + 0.3, street.half - 0.42):
                _strip(canvas, (x, x + 0.12), (near, far), white * 0.93, None)
    if street.crossing is not None:
        for x in np.arange(-street.half + 0.3, street.half - 0.4, 0.95).tolist():
            _strip(canvas, (x, x + 0.5), (street.crossing, street.crossing + 2.6), white, None)


def _strip(
    canvas: Canvas, x: tuple[float, float], z: tuple[float, float], color: Color, label: Label | None
) -> None:
    """Paint a piece of ground between two distances; a few points a side follow the bends of the road."""
    depths = (z[0], z[0] ** 0.67 * z[1] ** 0.33, z[0] ** 0.33 * z[1] ** 0.67, z[1])
    corners = [(x[0], 0.0, d) for d in depths] + [(x[1], 0.0, d) for d in reversed(depths)]
    canvas.face(corners, color, label, UP)


class Shadows:
    """Shadows are collected first and fall on the ground together, soft at the edge."""

    def __init__(self, canvas: Canvas) -> None:
        """Start without any."""
        self._canvas = canvas
        self._dark = np.full(canvas.size, 255, dtype=np.uint8)
        sun = canvas.light.toward_sun
        self._slope = np.array([-sun[0], -sun[2]]) / max(sun[1], 0.25)
        strength = float((canvas.light.sun / (canvas.light.sun + canvas.light.ambient)).mean())
        self._direct = round(255 * (1 - 0.85 * strength))
        self._contact = round(255 * 0.55)

    def cast(self, footprint: Sequence[tuple[float, float]], height: float) -> None:
        """Cast the shadow of an upright prism over a footprint of (x, z)."""
        if self._direct > 235:  # overcast: nothing to be seen of it
            return
        base = np.array(footprint, dtype=float)
        both = np.concatenate([base, base + self._slope * min(height, 12.0)])
        hull = cv2.convexHull(both.astype(np.float32))[:, 0].astype(float)
        self._draw(hull, self._direct)

    def contact(self, footprint: Sequence[tuple[float, float]]) -> None:
        """Darken the ground right beneath a thing, whatever the light."""
        self._draw(np.array(footprint, dtype=float), self._contact)

    def fall(self) -> None:
        """Darken the painted ground."""
        top = max(0, int(self._canvas.camera.horizon))
        if top >= self._canvas.size[0]:
            return
        soft = cv2.blur(self._dark[top:], (5, 5))
        ground = self._canvas.image[top:]
        cv2.multiply(ground, cv2.merge([soft, soft, soft]), dst=ground, scale=1 / 255)

    def _draw(self, ground: NDArray[np.float64], level: int) -> None:
        points = np.insert(ground, 1, 0.0, axis=1)
        points[:, 2] = np.maximum(points[:, 2], NEAR)
        corners = np.round(self._canvas.camera.project(points) * 16).astype(np.int32)
        cv2.fillPoly(self._dark, [corners], level, cv2.LINE_8, 4)
