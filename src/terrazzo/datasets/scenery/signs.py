"""Signs on posts: warnings, orders, directions and advertisements, in paints that other things wear too."""

import math

import numpy as np

from terrazzo.datasets.scenery.canvas import Canvas, Label, upright
from terrazzo.datasets.scenery.light import Color, Point

_TOWARD = (0.0, 0.25, -0.97)
_WHITE = np.array([234.0, 232, 226])
_RED = np.array([196.0, 34, 34])
_BLUE = np.array([36.0, 84, 176])
_YELLOW = np.array([236.0, 186, 40])
_GREEN = np.array([38.0, 118, 84])
_BLACK = np.array([36.0, 36, 40])
_ARROW = ((-0.12, -0.5), (0.12, -0.5), (0.12, 0.05), (0.34, 0.05), (0, 0.55), (-0.34, 0.05), (-0.12, 0.05))


def paint_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Paint a sign that stands at (x, z)."""
    kind = int(rng.integers(6))
    half = float(rng.uniform(0.52, 0.76))
    middle = float(rng.uniform(2.1, 2.7))
    worn = rng.uniform(0.78, 1.05)
    post = upright((x - 0.08, x + 0.08), (0, middle + half * 0.5), z)
    canvas.face(post, np.full(3, rng.uniform(90, 160)), Label.SIGN, _TOWARD)
    painters = (_warning, _ban, _stop, _order, _direction, _advertisement)
    for corners, color in painters[kind](rng, half, middle, x, z):
        canvas.face(corners, color * worn, Label.SIGN, _TOWARD)


def footprint(x: float, z: float) -> list[tuple[float, float]]:
    """Return the ground that a post covers, for the shadow."""
    return [(x - 0.08, z - 0.05), (x + 0.08, z - 0.05), (x + 0.08, z + 0.05), (x - 0.08, z + 0.05)]


Plate = list[Point]
Design = list[tuple[Plate, Color]]


def _warning(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    field = _WHITE if rng.random() < 0.6 else _YELLOW
    return [
        (_outline(3, half * 1.2, y, x, z, turn=math.pi / 2), _RED),
        (_outline(3, half * 0.78, y, x, z, turn=math.pi / 2), field),
        (_bar(0.1, half * 0.32, y + 0.02, x, z), _BLACK),
    ]


def _ban(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    mark = _bar(half * 0.45, half * 0.12, y, x, z) if rng.random() < 0.5 else _bar(0.09, half * 0.4, y, x, z)
    return [(_outline(18, half, y, x, z), _RED), (_outline(18, half * 0.7, y, x, z), _WHITE), (mark, _BLACK)]


def _stop(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    return [
        (_outline(8, half * 1.05, y, x, z, turn=math.pi / 8), _WHITE),
        (_outline(8, half * 0.94, y, x, z, turn=math.pi / 8), _RED),
        (_bar(half * 0.62, half * 0.16, y, x, z), _WHITE),
    ]


def _order(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    down = 1 if rng.random() < 0.6 else -1
    corners = [(x + dx * half, y + dy * down * half, z) for dx, dy in _ARROW]
    return [(_outline(18, half, y, x, z), _BLUE), (corners, _WHITE)]


def _direction(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    color = (_BLUE, _GREEN, _YELLOW)[int(rng.integers(3))]
    ink = _BLACK if color is _YELLOW else _WHITE
    wide = half * 1.5
    return [
        (_bar(wide, half * 0.75, y, x, z), color),
        (_bar(wide * 0.7, half * 0.1, y + half * 0.3, x - 0.1, z), ink),
        (_bar(wide * 0.5, half * 0.1, y - half * 0.25, x - 0.2, z), ink),
    ]


def _advertisement(rng: np.random.Generator, half: float, y: float, x: float, z: float) -> Design:
    field, patch, line = rng.uniform(40, 240, (3, 3))
    return [
        (_bar(half * 1.25, half * 1.15, y, x, z), _BLACK * 1.6),
        (_bar(half * 1.12, half * 1.02, y, x, z), field),
        (_outline(14, half * 0.5, y + half * 0.25, x + half * 0.3, z), patch),
        (_bar(half * 0.8, half * 0.12, y - half * 0.6, x, z), line),
    ]


def _outline(corners: int, radius: float, y: float, x: float, z: float, *, turn: float = 0.0) -> Plate:
    """Return a regular polygon that faces the camera."""
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a), z) for a in angles]


def _bar(wide: float, high: float, y: float, x: float, z: float) -> Plate:
    """Return an upright rectangle by its half width and half height."""
    return list(upright((x - wide, x + wide), (y - high, y + high), z))
