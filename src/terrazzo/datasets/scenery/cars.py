"""Cars: a side profile drawn out to a car's width, with windows, wheels and lights."""

import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.canvas import Canvas, Label
from terrazzo.datasets.scenery.light import Color

# (length, height) as shares, from the rear bumper over the roof to the front bumper
_PROFILES = {
    "saloon": ((0, 0.16), (0, 0.56), (0.10, 0.62), (0.24, 0.98), (0.60, 1.0), (0.76, 0.60), (0.98, 0.52), (1, 0.16)),
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
    flank = x - np.sign(x) * half
    _paint_underside(canvas, (x - half, x + half), z, long)
    _paint_wheels(canvas, (x + np.sign(x) * (half - 0.2),), z, long)
    _paint_skin(canvas, profile, (x - half, x + half), z, paint, high)
    if abs(x) > half:
        _paint_flank(canvas, profile, flank, z, paint, high)
    _paint_wheels(canvas, (flank,), z, long)
    _paint_end(canvas, x, half, z, high, away=away)


def footprint(x: float, z: float) -> list[tuple[float, float]]:
    """Return the ground that a car covers, for its shadow."""
    return [(x - 0.9, z + 0.1), (x + 0.9, z + 0.1), (x + 0.9, z + 4.3), (x - 0.9, z + 4.3)]


def _paint_skin(
    canvas: Canvas, profile: NDArray[np.float64], x: tuple[float, float], z: float, paint: Color, high: float
) -> None:
    """Paint the faces across the car that can be seen, far to near."""
    for (z0, y0), (z1, y1) in reversed(list(zip(profile[:-1], profile[1:], strict=True))):
        normal = np.array([0.0, z1 - z0, y0 - y1]) / max(np.hypot(z1 - z0, y1 - y0), 1e-6)
        eye = np.array([0.0, canvas.camera.height - (y0 + y1) / 2, -(z + (z0 + z1) / 2)])
        if normal @ eye <= 0:
            continue
        face = np.array([(x[0], y0, z + z0), (x[1], y0, z + z0), (x[1], y1, z + z1), (x[0], y1, z + z1)])
        canvas.face(face, paint, Label.CAR, normal)
        steep = abs(z1 - z0) < 1.6 * abs(y1 - y0) and max(y0, y1) > 0.8 * high
        if steep:
            pane = _inset(face, 0.10, (0.14, 0.12) if min(y0, y1) > 0.45 * high else (0.52, 0.08))
            canvas.face(pane, _glass(canvas), None, normal)


def _paint_flank(
    canvas: Canvas, profile: NDArray[np.float64], x: float, z: float, paint: Color, high: float
) -> None:
    """Paint the side toward the middle of the picture, with its windows."""
    outline = np.stack([np.full(len(profile), x), profile[:, 1], z + profile[:, 0]], axis=1)
    normal = (-float(np.sign(x)), 0.05, 0.0)
    canvas.face(outline, paint * 0.96, Label.CAR, normal)
    sill = canvas.light.shade(paint, np.array(normal)) * 0.62
    low = np.array([(x, 0.16 * high, z), (x, 0.3 * high, z), (x, 0.3 * high, z + profile[-1, 0]),
                    (x, 0.16 * high, z + profile[-1, 0])])  # fmt: skip
    canvas.fill([canvas.camera.project(low)], canvas.light.fade(sill, z), None)
    roof = profile[profile[:, 1] > 0.9 * high]
    start, end = float(roof[0, 0]), float(roof[-1, 0])
    belt, top, lean = 0.62 * high, 0.93 * high, 0.12 * (end - start)
    middle = (start + end) / 2
    panes = [
        [(x, belt, z + start - lean), (x, top, z + start + 0.05), (x, top, z + middle - 0.06), (x, belt, z + middle - 0.06)],
        [(x, belt, z + middle + 0.06), (x, top, z + middle + 0.06), (x, top, z + end - 0.05), (x, belt, z + end + lean)],
    ]  # fmt: skip
    canvas.face(np.array(panes), _glass(canvas) * 0.85, None, normal)


def _paint_wheels(canvas: Canvas, sides: tuple[float, ...], z: float, long: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for x in sides:
        for along in (0.19, 0.80):
            for radius, color, label in ((0.34, 26.0, Label.CAR), (0.19, 120.0, None)):
                rim = np.stack(
                    [np.full(14, x), 0.34 + radius * np.sin(turn), z + long * along + radius * np.cos(turn)],
                    axis=1,
                )
                canvas.face(rim, np.full(3, color), label, (0, 0.6, -0.6))


def _paint_underside(canvas: Canvas, x: tuple[float, float], z: float, long: float) -> None:
    low = np.array(
        [(x[0], 0.05, z + 0.1), (x[1], 0.05, z + 0.1), (x[1], 0.42, z + 0.1), (x[0], 0.42, z + 0.1)]
    )
    canvas.face(low, np.full(3, 22.0), Label.CAR, (0, 0, -1))
    for edge in (x[0] + 0.1, x[1] - 0.32):
        tyre = np.array(
            [(edge, 0, z + 0.1), (edge + 0.22, 0, z + 0.1), (edge + 0.22, 0.4, z + 0.1), (edge, 0.4, z + 0.1)]
        )
        canvas.face(tyre, np.full(3, 20.0), Label.CAR, (0, 0, -1))


def _paint_end(canvas: Canvas, x: float, half: float, z: float, high: float, *, away: bool) -> None:
    """Paint lamps, bumper and number plate on the near end."""
    lamp = np.array([210.0, 28, 24]) if away else np.array([250.0, 244, 214])
    y = 0.44 * high if high < 1.9 else 0.36 * high
    lamps = [_upright(x + s * (half - 0.24), y, 0.2, 0.11, z) for s in (-1, 1)]
    if canvas.light.darkness > 0.3:
        canvas.glow(np.array(lamps), lamp)
    else:
        canvas.face(np.array(lamps), lamp, None, (0, 0.3, -0.9))
    canvas.face(_upright(x, 0.24 * high, half, 0.09, z), np.full(3, 58.0), None, (0, 0, -1))
    canvas.face(_upright(x, 0.33 * high, 0.26, 0.06, z), np.array([226.0, 224, 210]), None, (0, 0, -1))


def _upright(x: float, y: float, half: float, rise: float, z: float) -> NDArray[np.float64]:
    near = z - 0.01
    return np.array(
        [
            (x - half, y - rise, near),
            (x + half, y - rise, near),
            (x + half, y + rise, near),
            (x - half, y + rise, near),
        ]
    )


def _inset(face: NDArray[np.float64], side: float, ends: tuple[float, float]) -> NDArray[np.float64]:
    """Shrink a face (4, 3): by a share at both sides, and at its first and last edge."""
    a, b, c, d = face
    low_a, low_b = a + (d - a) * ends[0], b + (c - b) * ends[0]
    top_a, top_b = a + (d - a) * (1 - ends[1]), b + (c - b) * (1 - ends[1])
    return np.array([
        low_a + (low_b - low_a) * side, low_b + (low_a - low_b) * side,
        top_b + (top_a - top_b) * side, top_a + (top_b - top_a) * side,
    ])  # fmt: skip


def _glass(canvas: Canvas) -> Color:
    return np.asarray(np.array([40.0, 48, 58]) + canvas.light.haze * 0.16)
