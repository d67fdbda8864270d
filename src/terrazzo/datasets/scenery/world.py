"""What stands where: one street is drawn from the generator, then painted from far to near."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery import cars, people, signs
from terrazzo.datasets.scenery.backdrop import paint_hills, paint_sky
from terrazzo.datasets.scenery.buildings import draw_building, paint_building
from terrazzo.datasets.scenery.canvas import SCALE, Camera, Canvas
from terrazzo.datasets.scenery.ground import Shadows, Street, draw_street, paint_ground
from terrazzo.datasets.scenery.lens import develop
from terrazzo.datasets.scenery.light import Color, draw_light
from terrazzo.datasets.scenery.plants import paint_bush, paint_tree

# Meadows and leaves by season; leaves are drawn per tree
_SEASONS: tuple[tuple[tuple[int, int, int], tuple[tuple[int, int, int], ...]], ...] = (
    ((112, 146, 62), ((72, 118, 50), (92, 136, 58), (58, 98, 54), (104, 132, 66))),
    ((140, 158, 72), ((124, 168, 70), (106, 150, 62), (214, 164, 176), (142, 176, 92))),
    ((158, 138, 82), ((196, 122, 44), (212, 160, 58), (158, 74, 44), (104, 118, 52))),
    ((184, 164, 104), ((112, 116, 62), (132, 130, 74), (92, 106, 62), (140, 116, 70))),
)


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground, and how it is painted."""

    z: float
    """What is farther is painted first."""

    paint: Callable[[], None]


class World:
    """One street with everything on it."""

    def __init__(self, canvas: Canvas, street: Street, leaves: Color, rng: np.random.Generator) -> None:
        """Take an empty street; `leaves` (n, 3) are the season's colours."""
        self.canvas, self.street, self.rng = canvas, street, rng
        self.leaves = leaves
        self.shadows = Shadows(canvas)
        self.things: list[Thing] = []

    def settle(self) -> None:
        """Draw everything that stands here."""
        built = float(self.rng.choice([0.12, 0.5, 0.85, 0.97], p=[0.2, 0.25, 0.3, 0.25]))
        tall = float(self.rng.uniform(0, 1)) * built
        for side in (-1, 1):
            self._line_side(side, built, tall)
            self._plant_avenue(side)
            self._put_signs(side)
        self._put_people()
        self._put_cars()

    def paint(self) -> None:
        """Paint shadows, then everything from far to near."""
        self.shadows.fall()
        for thing in sorted(self.things, key=lambda thing: -thing.z):
            thing.paint()

    def _line_side(self, side: int, built: float, tall: float) -> None:
        """Fill one side of the street with buildings, and gardens where there are none."""
        rng = self.rng
        index = (side + 1) // 2
        edge = self.street.walk_edges(index)[1] + float(rng.choice([0.1, 2.5], p=[0.6, 0.4]))
        z = float(rng.uniform(1.5, 5))
        while z < 75:
            length = float(rng.uniform(6, 14))
            if rng.random() < built:
                self._build(side, edge + float(rng.uniform(0, 0.8)), (z, z + length), tall)
                z += length + float(rng.choice([0.0, rng.uniform(1, 5)]))
            else:
                self._grow_garden(side, edge, (z, z + length))
                z += length

    def _build(self, side: int, x: float, z: tuple[float, float], tall: float) -> None:
        rng = self.rng
        house = draw_building(rng, side, x, z, tall=tall, darkness=self.canvas.light.darkness)
        self.shadows.cast(house.footprint, house.height)
        self.things.append(Thing(z[1], partial(paint_building, self.canvas, house, rng)))

    def _grow_garden(self, side: int, edge: float, z: tuple[float, float]) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(1, 5))):
            x, depth = side * (edge + float(rng.gamma(2, 4)) + 0.8), float(rng.uniform(*z))
            if depth < 4:
                continue
            if rng.random() < 0.7:
                self._plant(x, depth, float(rng.uniform(4.5, 10)))
            else:
                leaf = self._leaf()
                self.things.append(Thing(depth, partial(paint_bush, self.canvas, rng, x, depth, leaf)))

    def _plant_avenue(self, side: int) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            return
        inner, outer = self.street.walk_edges((side + 1) // 2)
        gap = float(rng.uniform(6, 15))
        for z in np.arange(float(rng.uniform(7, 14)), 60, gap):
            self._plant(side * (inner * 0.35 + outer * 0.65 + 0.2), float(z), float(rng.uniform(4, 7.5)))

    def _plant(self, x: float, z: float, height: float) -> None:
        leaf = self._leaf()
        spread = height * 0.3
        self.shadows.cast(
            [(x - spread, z - 0.3), (x + spread, z - 0.3), (x + spread, z + 0.3), (x - spread, z + 0.3)],
            height,
        )
        self.things.append(Thing(z, partial(paint_tree, self.canvas, self.rng, x, z, height, leaf)))

    def _put_signs(self, side: int) -> None:
        rng = self.rng
        inner, _ = self.street.walk_edges((side + 1) // 2)
        z = float(rng.uniform(4.3, 8))
        for _ in range(int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))):
            x = side * (inner + float(rng.uniform(0.1, 0.5)))
            self.shadows.cast(signs.footprint(x, z), 2.6)
            self.things.append(Thing(z, partial(signs.paint_sign, self.canvas, rng, x, z)))
            z += float(rng.uniform(2.5, 5))

    def _put_people(self) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(1, 8))):
            side = int(rng.choice([-1, 1]))
            inner, outer = self.street.walk_edges((side + 1) // 2)
            z = float(rng.uniform(3.0, 9.5))
            x = side * float(rng.uniform(inner + 0.3, max(outer - 0.3, inner + 0.9)))
            if self.street.crossing is not None and rng.random() < 0.5:
                x, z = float(rng.uniform(-inner, inner)), self.street.crossing + float(rng.uniform(0.4, 2.2))
            self.shadows.cast(people.footprint(x, z), 1.7)
            self.things.append(Thing(z, partial(people.paint_person, self.canvas, rng, x, z)))

    def _put_cars(self) -> None:
        rng = self.rng
        parked = rng.random(2) < 0.45
        for side in (-1, 1):
            lane = side * self.street.half * 0.5
            x = side * (self.street.half - 1.1) if parked[(side + 1) // 2] else lane
            z = float(rng.uniform(6, 18))
            while z < 55:
                if rng.random() < 0.62:
                    self._park(x + float(rng.normal(0, 0.1)), z, away=side > 0)
                z += float(rng.uniform(5.2, 8) if parked[(side + 1) // 2] else rng.uniform(8, 22))

    def _park(self, x: float, z: float, *, away: bool) -> None:
        ground = cars.footprint(x, z)
        self.shadows.cast(ground, 1.4)
        self.shadows.contact(ground)
        self.things.append(Thing(z, partial(cars.paint_car, self.canvas, self.rng, x, z, away=away)))

    def _leaf(self) -> Color:
        choice = self.leaves[self.rng.integers(len(self.leaves))]
        return np.asarray(choice * self.rng.uniform(0.75, 1.2) + self.rng.normal(0, 7, 3))


def paint_scene(
    size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint one scene.

    Args:
        size: (H, W), pixels.
        rng: everything is drawn from it, so equal generators give equal scenes.

    Returns:
        Image (H, W, 3) uint8 RGB and mask (H, W) uint8 train ids, void 255 at borders and along the frame.
    """
    height, width = (side * SCALE for side in size)
    street_side = float(rng.choice([-1, 0, 1], p=[0.3, 0.3, 0.4]))
    camera = Camera(
        eye=street_side * float(rng.uniform(0.8, 3.4)),
        focal=float(width * rng.uniform(0.78, 1.0)),
        center=float(width * rng.uniform(0.36, 0.64)),
        horizon=float(height * rng.uniform(0.43, 0.58)),
        height=float(rng.uniform(1.5, 2.3)),
        curve=float(rng.normal(0, 0.0035)),
    )
    meadow, leaves = _SEASONS[int(rng.integers(len(_SEASONS)))]
    ground = np.array(meadow, dtype=float) * rng.uniform(0.8, 1.1) + rng.normal(0, 8, 3)
    canvas = Canvas((height, width), camera, draw_light(rng))
    world = World(canvas, draw_street(rng, ground), np.array(leaves, dtype=float), rng)
    paint_sky(canvas, rng)
    paint_hills(canvas, rng, ground)
    paint_ground(canvas, world.street)
    world.settle()
    world.paint()
    return develop(canvas, rng)
