"""Buildings: boxes along the street with windows, doors, shop fronts, and flat or gabled roofs."""

from dataclasses import dataclass

import numpy as np

from terrazzo.datasets.scenery.canvas import Canvas, Label
from terrazzo.datasets.scenery.light import Color, Point

Wall = tuple[Point, Point, Point, Point]
"""Corners: below at the start and end, above at the end and start."""

_WALLS = np.array(
    [
        (172, 92, 74), (196, 128, 92), (214, 186, 138), (226, 214, 190), (168, 164, 158), (132, 136, 142),
        (150, 166, 176), (206, 160, 148), (188, 178, 120), (120, 108, 100), (232, 228, 220), (140, 152, 128),
    ],
    dtype=float,
)  # fmt: skip
_BLURRED = 50.0  # metres after which windows are smaller than a pixel
_ROOFS = np.array([(150, 72, 56), (110, 66, 54), (84, 84, 92), (122, 104, 92), (68, 76, 84)], dtype=float)


@dataclass(frozen=True)
class Building:
    """One building; lengths in metres."""

    side: int
    """-1 left of the street, 1 right."""

    x: float
    """|x| of the front."""

    z: tuple[float, float]
    width: float
    """Away from the street."""

    height: float
    wall: Color
    roof: Color | None
    """Colour of a gabled roof; None is flat."""

    shop: Color | None
    """Colour of the awning of a shop on the ground floor."""

    lit: float
    """Share of windows with light in them."""

    @property
    def footprint(self) -> list[tuple[float, float]]:
        """Corners (x, z) on the ground."""
        inner, outer = self.side * self.x, self.side * (self.x + self.width)
        return [(inner, self.z[0]), (outer, self.z[0]), (outer, self.z[1]), (inner, self.z[1])]


def draw_building(
    rng: np.random.Generator, side: int, x: float, z: tuple[float, float], *, tall: float, darkness: float
) -> Building:
    """Draw a building; `tall` from 0 (houses) to 1 (blocks)."""
    gable = rng.random() > tall
    floors = int(rng.integers(1, 3)) if gable else int(rng.integers(2, 3 + round(5 * tall)))
    wall = _WALLS[rng.integers(len(_WALLS))] * rng.uniform(0.75, 1.1) + rng.normal(0, 7, 3)
    shop = rng.uniform(50, 220, 3) if rng.random() < 0.3 * (0.3 + tall) else None
    return Building(
        side=side,
        x=x,
        z=z,
        width=float(rng.uniform(7, 13)),
        height=floors * 3.0 + 0.7,
        wall=wall,
        roof=_ROOFS[rng.integers(len(_ROOFS))] * rng.uniform(0.8, 1.2) if gable else None,
        shop=shop,
        lit=float(darkness * rng.uniform(0.3, 0.8)),
    )


def paint_building(canvas: Canvas, building: Building, rng: np.random.Generator) -> None:
    """Paint roof, the wall toward the camera, and the front along the street."""
    front = building.side * building.x
    back = front + building.side * building.width
    near, far = building.z
    top = building.height
    end: Wall = ((front, 0, near), (back, 0, near), (back, top, near), (front, top, near))
    side: Wall = ((front, 0, near), (front, 0, far), (front, top, far), (front, top, near))
    if building.roof is not None:
        _paint_gable(canvas, building, (front, back))
    facing = (-float(building.side), 0.0, 0.0)
    canvas.face(end, building.wall * 0.94, Label.BUILDING, (0, 0, -1))
    canvas.face(side, building.wall, Label.BUILDING, facing)
    if building.roof is None:
        _paint_parapet(canvas, building, end, side)
    _paint_windows(canvas, building, end, (0, 0, -1), rng)
    _paint_windows(canvas, building, side, facing, rng)
    if building.shop is not None:
        _paint_shop(canvas, building, side, facing)


def _paint_gable(canvas: Canvas, building: Building, x: tuple[float, float]) -> None:
    """Paint a roof whose ridge runs along the street."""
    assert building.roof is not None
    front, back = x
    near, far = building.z
    eaves, ridge = building.height, building.height + building.width * 0.38
    middle, over = (front + back) / 2, front - building.side * 0.4
    slope = [(over, eaves - 0.25, near - 0.3), (over, eaves - 0.25, far), (middle, ridge, far)]
    slope.append((middle, ridge, near - 0.3))
    canvas.face(slope, building.roof, Label.BUILDING, (-building.side * 0.6, 0.8, 0))
    end = ((front, eaves, near), (back, eaves, near), (middle, ridge, near))
    canvas.face(end, building.wall * 0.94, Label.BUILDING, (0, 0, -1))


def _paint_parapet(canvas: Canvas, building: Building, end: Wall, side: Wall) -> None:
    for wall, normal in ((end, (0.0, 0.0, -1.0)), (side, (-float(building.side), 0.0, 0.0))):
        edge = _panel(wall, (0, 1), (building.height - 0.45, building.height))
        canvas.face(edge, building.wall * 0.72, Label.BUILDING, normal)


def _paint_windows(
    canvas: Canvas, building: Building, wall: Wall, normal: Point, rng: np.random.Generator
) -> None:
    length = abs(wall[1][0] - wall[0][0]) + abs(wall[1][2] - wall[0][2])
    columns, floors = max(1, int(length / 2.6)), int(building.height / 3.0)
    first = 1 if building.shop is not None and normal[2] == 0 else 0
    if first >= floors or wall[0][2] > _BLURRED:
        return
    panels = np.array(
        [
            _panel(wall, ((c + 0.25) / columns, (c + 0.75) / columns), (f * 3 + 0.95, f * 3 + 2.45))
            for f in range(first, floors)
            for c in range(columns)
        ]
    )
    shining = rng.random(len(panels)) < building.lit
    middle = panels.mean(axis=1, keepdims=True)
    canvas.faces(middle + (panels - middle) * 1.28, building.wall * 1.16 + 12, normal)
    glass = np.array([74.0, 88, 104]) + canvas.light.haze * 0.12
    canvas.faces(panels, glass, normal)
    panes = panels.copy()
    panes[:, 2:] = panels[:, 2:] * 0.55 + panels[:, [1, 0]] * 0.45
    canvas.faces(panes, glass * 0.72, normal)
    if shining.any():
        canvas.glow(panels[shining], np.array([255.0, 214, 132]))


def _paint_shop(canvas: Canvas, building: Building, wall: Wall, normal: Point) -> None:
    assert building.shop is not None
    canvas.face(_panel(wall, (0.05, 0.95), (0.3, 2.3)), np.array([62.0, 70, 78]), None, normal)
    canvas.face(_panel(wall, (0.42, 0.58), (0.0, 2.2)), building.wall * 0.55, None, normal)
    (x0, y0, z0), (x1, y1, z1), *upper = _panel(wall, (0.03, 0.97), (2.15, 2.85))
    out = building.side * 0.8
    awning = [(x0 - out, y0, z0), (x1 - out, y1, z1), *upper]
    canvas.face(awning, building.shop, Label.BUILDING, (normal[0] * 0.6, 0.8, 0))


def _panel(wall: Wall, across: tuple[float, float], y: tuple[float, float]) -> Wall:
    """Return the corners of a part of a wall, `across` as shares of its length, y in metres."""
    (x0, _, z0), (x1, _, z1) = wall[:2]
    start, end = ((x0 + (x1 - x0) * share, z0 + (z1 - z0) * share) for share in across)
    low, high = y
    below = (start[0], low, start[1]), (end[0], low, end[1])
    return (*below, (end[0], high, end[1]), (start[0], high, start[1]))
