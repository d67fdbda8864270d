"""Shadow: soft-edged polygons on the ground, as of trees and houses beside the camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, from_share
from terrazzo.transforms.weather.air import skyward


@dataclass(frozen=True)
class Shadow:
    """How dark, where, how soft."""

    depth: float
    """Share of the light that is taken away."""

    polygons: tuple[tuple[tuple[float, float], ...], ...]
    """Corners (x, y) of each: x a share of the width, y 0 at the horizon and 1 at the lower edge."""

    softness: float
    """Width of the half shadow, a share of the shorter side."""

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Take light away; what remains in a shadow comes from the sky and is slightly blue."""
        share, (height, width) = as_share(image, view), image.shape[:2]
        canvas = np.zeros((height, width), dtype=np.float32)
        for polygon in self.polygons:
            corners = np.array(polygon) * (width, view.ground - view.horizon) + (0, view.horizon)
            cv2.fillPoly(canvas, [np.rint(16 * corners).astype(np.int32)], 1.0, cv2.LINE_8, shift=4)
        soft = cv2.GaussianBlur(canvas, (0, 0), max(0.5, self.softness * min(height, width)))
        soft = soft * (1 - 0.85 * skyward((height, width), view)) * np.float32(self.depth)
        left = np.array((1.0, 0.97, 0.90) if image.shape[2] == 3 else (1.0,) * image.shape[2], np.float32)
        return from_share(share * (1 - soft[..., None] * left), image, view)


def draw_shadow(amount: float, rng: np.random.Generator) -> Shadow:
    """Draw one to three polygons; at amount 1 nine tenths of the light go."""
    polygons = tuple(_band(rng) if rng.random() < 0.6 else _blob(rng) for _ in range(int(rng.integers(1, 4))))
    return Shadow(0.9 * amount, polygons, float(rng.uniform(0.006, 0.02)))


def _band(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """Return a band across the road, wider towards the camera: the shadow of a trunk, a pole, a house."""
    near, slope = rng.uniform(0.25, 0.95), rng.uniform(-0.25, 0.25)
    thick = rng.uniform(0.1, 0.35) * (0.3 + near)
    left, right = near - slope, near + slope
    return (-0.1, left - thick), (1.1, right - 0.7 * thick), (1.1, right), (-0.1, left)


def _blob(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """Return an uneven polygon reaching in from one side: the shadow of a tree."""
    side, reach = float(rng.random() < 0.5), rng.uniform(0.35, 0.75)
    middle, tall = rng.uniform(0.35, 0.85), rng.uniform(0.15, 0.35)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 7)
    radii = rng.uniform(0.7, 1.15, 7)
    corners = [
        (reach * float(r * np.cos(a)), middle + tall * float(r * np.sin(a)))
        for a, r in zip(angles, radii, strict=True)
    ]
    corners = [(-0.1, corners[0][1]), *corners, (-0.1, corners[-1][1])]
    return tuple((1 - x if side else x, y) for x, y in corners)
