"""Cars: a side profile drawn out to a car's width, with windows, wheels and lights."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.canvas import Canvas, Label, upright
from terrazzo.datasets.scenery.light import Color, Point

# (length, height) as shares, from the rear bumper over the roof to the front bumper
_PROFILES = {
    "saloon": ((0, 0.16), (0, 0.6), (0.1, 0.6), (0.24, 0.98), (0.6, 1), (0.76, 0.6), (0.98, 0.5), (1, 0.16)),
    "estate": ((0, 0.16), (0.01, 0.60), (0.07, 1.0), (0.62, 1.0), (0.77, 0.62), (0.98, 0.54), (1, 0.16)),
    "van": ((0, 0.12), (0.01, 0.98), (0.05, 1.0), (0.74, 1.0), (0.90, 0.56), (0.99, 0.46), (1, 0.12)),
}  # fmt: skip
_PAINTS = np.array(
    [
        (186, 34, 36), (34, 66, 148), (228, 228, 226), (40, 42, 48), (142, 146, 150), (206, 168, 50),
        (52, 104, 76), (112, 62, 50), (96, 140, 178), (198, 192, 176),
    ],
    dtype=float,
)  # fmt: skip

_CIRCLE = [(math.cos(turn), math.sin(turn)) for turn in np.linspace(0, 2 * math.pi, 14, endpoint=False)]


def paint_car(canvas: Canvas, rng: np.random.Generator, x: float, z: float, *, away: bool) -> None:
    """Paint a car whose near end is at (x, z); `away` shows its rear, else its front."""
    kind = ("saloon", "estate", "estate", "van")[int(rng.integers(4))]
    high = 2.1 if kind == "van" else float(rng.uniform(1.42, 1.6))
    long = float(rng.uniform(4.0, 4.8))
    half = float(rng.uniform(0.86, 0.96))
    profile = np.array(_PROFILES[kind])
    if not away:
        profile = np.stack([1 - profile[::-1, 0], profile[::-1, 1]], axis=1)
    profile = profile * (long, high)
    paint = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.8, 1.1) + rng.normal(0, 5, 3)
    inward = -1 if x > canvas.camera.eye else 1
    _paint_underside(canvas, (x - half, x + half), z)
    _paint_skin(canvas, profile, (x - half, x + half), z, paint, high)
    if abs(x - canvas.camera.eye) > half:
        _paint_flank(canvas, profile, x + inward * half, z, paint, high)
        _paint_wheels(canvas, x + inward * half, z, long)
    _paint_end(canvas, x, half, z, high, away=away)


def footprint(x: float, z: float) -> list[tuple[float, float]]:
    """Return the ground that a car covers, for its shadow."""
    return [(x - 0.9, z + 0.1), (x + 0.9, z + 0.1), (x + 0.9, z + 4.3), (x - 0.9, z + 4.3)]


def _paint_skin(
    canvas: Canvas, profile: NDArray[np.float64], x: tuple[float, float], z: float, paint: Color, high: float
) -> None:
    """Paint the faces across the car that can be seen, far to near."""
    for (z0, y0), (z1, y1) in reversed(list(pairwise(profile.tolist()))):
        length = max(math.hypot(z1 - z0, y1 - y0), 1e-6)
        normal = (0.0, (z1 - z0) / length, (y0 - y1) / length)
        toward_eye = canvas.camera.height - (y0 + y1) / 2, -(z + (z0 + z1) / 2)
        if normal[1] * toward_eye[0] + normal[2] * toward_eye[1] <= 0:
            continue
        face = ((x[0], y0, z + z0), (x[1], y0, z + z0), (x[1], y1, z + z1), (x[0], y1, z + z1))
        canvas.face(face, paint, Label.CAR, normal)
        steep = abs(z1 - z0) < 1.6 * abs(y1 - y0) and max(y0, y1) > 0.8 * high
        if steep:
            ends = (0.14, 0.12) if min(y0, y1) > 0.45 * high else (0.52, 0.08)
            canvas.face(_inset(face, 0.10, ends), _glass(canvas), None, normal)


def _paint_flank(
    canvas: Canvas, profile: NDArray[np.float64], x: float, z: float, paint: Color, high: float
) -> None:
    """Paint the side toward the middle of the picture, with its windows."""
    normal = (-1.0 if x > canvas.camera.eye else 1.0, 0.05, 0.0)
    points = profile.tolist()
    canvas.face([(x, y, z + along) for along, y in points], paint * 0.96, Label.CAR, normal)
    long = points[-1][0]
    sill = [(x, 0.16 * high, z), (x, 0.3 * high, z), (x, 0.3 * high, z + long), (x, 0.16 * high, z + long)]
    canvas.face(sill, paint * 0.62, None, normal)
    roof = [along for along, y in points if y > 0.9 * high]
    start, end = z + roof[0], z + roof[-1]
    belt, top, lean, middle = 0.62 * high, 0.93 * high, 0.12 * (end - start), (start + end) / 2
    rear = (
        (x, belt, start - lean),
        (x, top, start + 0.05),
        (x, top, middle - 0.06),
        (x, belt, middle - 0.06),
    )
    fore = ((x, belt, middle + 0.06), (x, top, middle + 0.06), (x, top, end - 0.05), (x, belt, end + lean))
    for pane in (rear, fore):
        canvas.face(pane, _glass(canvas) * 0.85, None, normal)


def _paint_wheels(canvas: Canvas, x: float, z: float, long: float) -> None:
    for along in (0.19, 0.80):
        for radius, color, label in ((0.34, 26.0, Label.CAR), (0.19, 120.0, None)):
            hub = z + long * along
            rim = [(x, 0.34 + radius * sin, hub + radius * cos) for cos, sin in _CIRCLE]
            canvas.face(rim, np.full(3, color), label, (0, 0.6, -0.6))


def _paint_underside(canvas: Canvas, x: tuple[float, float], z: float) -> None:
    canvas.face(upright(x, (0.05, 0.42), z + 0.1), np.full(3, 22.0), Label.CAR, (0, 0, -1))
    for edge in (x[0] + 0.1, x[1] - 0.32):
        canvas.face(upright((edge, edge + 0.22), (0, 0.4), z + 0.1), np.full(3, 20.0), Label.CAR, (0, 0, -1))


def _paint_end(canvas: Canvas, x: float, half: float, z: float, high: float, *, away: bool) -> None:
    """Paint lamps, bumper and number plate on the near end."""
    lamp = np.array([210.0, 28, 24]) if away else np.array([250.0, 244, 214])
    y = 0.44 * high if high < 1.9 else 0.36 * high
    near = z - 0.01
    for side in (-1, 1):
        middle = x + side * (half - 0.24)
        corners = upright((middle - 0.2, middle + 0.2), (y - 0.11, y + 0.11), near)
        if canvas.light.darkness > 0.3:
            canvas.glow(np.array([corners]), lamp)
        else:
            canvas.face(corners, lamp, None, (0, 0.3, -0.9))
    bumper = upright((x - half, x + half), (0.24 * high - 0.09, 0.24 * high + 0.09), near)
    canvas.face(bumper, np.full(3, 58.0), None, (0, 0, -1))
    plate = upright((x - 0.26, x + 0.26), (0.33 * high - 0.06, 0.33 * high + 0.06), near)
    canvas.face(plate, np.array([226.0, 224, 210]), None, (0, 0, -1))


def _inset(face: Sequence[Point], side: float, ends: tuple[float, float]) -> list[Point]:
    """Shrink a face of four corners: by a share at both sides, and at its first and last edge."""
    a, b, c, d = face
    low = _between(a, d, ends[0]), _between(b, c, ends[0])
    top = _between(a, d, 1 - ends[1]), _between(b, c, 1 - ends[1])
    return [_between(*low, side), _between(*low, 1 - side), _between(*top, 1 - side), _between(*top, side)]


def _between(start: Point, end: Point, share: float) -> Point:
    x, y, z = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return x, y, z


def _glass(canvas: Canvas) -> Color:
    return np.asarray(np.array([40.0, 48, 58]) + canvas.light.haze * 0.16)
