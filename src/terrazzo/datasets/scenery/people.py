"""People: walking or standing, tall and small, in clothes of any colour."""

import math
from collections.abc import Sequence

import numpy as np

from terrazzo.datasets.scenery.canvas import Canvas, Label
from terrazzo.datasets.scenery.light import Color

_SKIN = np.array([(236, 196, 166), (206, 156, 120), (158, 106, 76), (104, 70, 52)], dtype=float)
_HAIR = np.array([(40, 30, 26), (92, 62, 40), (176, 136, 78), (150, 150, 150), (28, 28, 34)], dtype=float)
_TOWARD = (0.0, 0.35, -0.94)

_CIRCLE = [(math.cos(turn), math.sin(turn)) for turn in np.linspace(0, 2 * math.pi, 12, endpoint=False)]


def paint_person(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a person who stands at (x, z)."""
    tall = float(rng.uniform(1.55, 1.9)) * (0.68 if rng.random() < 0.15 else 1.0)
    skin = _SKIN[rng.integers(len(_SKIN))]
    coat = rng.uniform(30, 225, 3)
    trousers = coat * 0.6 if rng.random() < 0.2 else rng.uniform(25, 140) + rng.normal(0, 14, 3)
    stride = float(rng.uniform(-0.16, 0.16))
    swing = -stride * 0.9
    skirt = bool(rng.random() < 0.25)
    draw = _Figure(canvas, x, z, tall)
    for foot in (stride, -stride):
        draw.limb(
            (math.copysign(0.05, foot), 0.5), (foot, 0.02), 0.085, 0.065, trousers * (0.82 if foot > 0 else 1)
        )
        draw.limb((foot - 0.03, 0.025), (foot + 0.07, 0.02), 0.035, 0.03, np.full(3, 35.0))
    draw.limb((-0.15, 0.79), (-0.18 + swing, 0.48), 0.06, 0.05, coat * 0.82)
    if skirt:
        draw.shape([(-0.09, 0.6), (0.09, 0.6), (0.15, 0.3), (-0.15, 0.3)], coat * 0.9)
    draw.shape([(-0.11, 0.47), (0.11, 0.47), (0.155, 0.8), (0.1, 0.84), (-0.1, 0.84), (-0.155, 0.8)], coat)
    draw.shape([(0.03, 0.47), (0.11, 0.47), (0.155, 0.8), (0.1, 0.83), (0.05, 0.8)], coat * 0.86)
    draw.limb((0.15, 0.79), (0.18 - swing, 0.48), 0.06, 0.05, coat * 0.9)
    if rng.random() < 0.3:
        draw.shape([(0.12, 0.33), (0.24, 0.33), (0.23, 0.47), (0.13, 0.47)], rng.uniform(30, 200, 3))
    draw.limb((0, 0.83), (0, 0.88), 0.04, 0.04, skin * 0.9)
    draw.disc((0, 0.92), 0.078, 0.088, skin)
    draw.disc((0, 0.955), 0.08, 0.06, _HAIR[rng.integers(len(_HAIR))])


def footprint(x: float, z: float) -> list[tuple[float, float]]:
    """Return the ground that a person covers, for the shadow."""
    return [(x - 0.2, z - 0.12), (x + 0.2, z - 0.12), (x + 0.2, z + 0.12), (x - 0.2, z + 0.12)]


class _Figure:
    """Paints shapes given in shares of a body's height, x across and y up from the feet."""

    def __init__(self, canvas: Canvas, x: float, z: float, tall: float) -> None:
        self._canvas, self._x, self._z, self._tall = canvas, x, z, tall

    def shape(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        corners = [(self._x + x * self._tall, y * self._tall, self._z) for x, y in points]
        self._canvas.face(corners, color, Label.PERSON, _TOWARD)

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], thick: float, thin: float, color: Color
    ) -> None:
        (x0, y0), (x1, y1) = start, end
        length = max(math.hypot(x1 - x0, y1 - y0), 1e-6)
        dx, dy = (y0 - y1) / length, (x1 - x0) / length
        near = (x0 + dx * thick, y0 + dy * thick), (x0 - dx * thick, y0 - dy * thick)
        far = (x1 + dx * thin, y1 + dy * thin), (x1 - dx * thin, y1 - dy * thin)
        self.shape([near[0], far[0], far[1], near[1]], color)

    def disc(self, center: tuple[float, float], wide: float, high: float, color: Color) -> None:
        self.shape([(center[0] + wide * cos, center[1] + high * sin) for cos, sin in _CIRCLE], color)
