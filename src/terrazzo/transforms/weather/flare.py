"""Sun flare and light beam: light that was not in the scene, added as a lens and hazy air add it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.transforms.operation import Pixels, View, as_share, from_share, tint
from terrazzo.transforms.weather.air import Share

_GHOSTS = ((1.0, 0.75, 0.5), (0.5, 1.0, 0.65), (0.55, 0.7, 1.0), (1.0, 0.6, 0.85), (0.8, 1.0, 0.6))


@dataclass(frozen=True)
class SunFlare:
    """A low sun in the picture: its glow, its rays, a veil, and ghosts of the lens."""

    power: float
    """0 none, 1 blinding."""

    place: tuple[float, float]
    """(x, y) of the sun as shares of width and of the height above the horizon, 0 at the horizon."""

    rays: tuple[float, ...]
    """Angles of its rays, radians."""

    ghosts: tuple[tuple[float, float, float], ...]
    """(place on the line through the middle, 1 being the sun's mirror; radius as share; strength)."""

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Add light without ever passing white."""
        share, (height, width, channels) = as_share(image, view), image.shape
        side = min(height, width)
        x = self.place[0] * width
        y = view.horizon - self.place[1] * max(view.ground - view.horizon, 1.0)
        dx, dy = _offsets((height, width), x, y)
        radius = np.sqrt(dx * dx + dy * dy) / side
        sun = self._sun(radius, np.arctan2(dy, dx))
        light = (self.power * sun)[..., None] * tint((1.0, 0.93, 0.78), channels)
        middle = np.array([width / 2, height / 2])
        for (along, size, strength), color in zip(self.ghosts, _GHOSTS, strict=False):
            cx, cy = middle + along * (middle - (x, y))
            gx, gy = _offsets((height, width), float(cx), float(cy))
            disc = _disc(np.sqrt(gx * gx + gy * gy) / side, size)
            light = light + (self.power * strength * disc)[..., None] * tint(color, channels)
        return from_share(_screened(share, light), image, view)

    def _sun(self, radius: Share, angle: Share) -> Share:
        """Return the light (H, W) around the sun: disc, glow, veil and rays."""
        core = np.exp(-((radius / np.float32(0.05)) ** 2))
        glow = 0.75 * np.exp(-radius / 0.16) + 0.5 * np.exp(-radius / 0.65)
        rays = np.zeros_like(radius)
        for ray in self.rays:
            apart = np.mod(angle - np.float32(ray - np.pi), np.float32(2 * np.pi)) - np.float32(np.pi)
            rays += np.exp(-((apart / 0.035) ** 2))
        return np.asarray(1.3 * core + glow + 0.45 * rays * np.exp(-radius / 0.22), dtype=np.float32)


def draw_sun_flare(amount: float, rng: np.random.Generator) -> SunFlare:
    """Draw where the sun stands, its rays, and three to five ghosts of the lens."""
    place = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.05, 0.7))
    start, count = rng.uniform(0, np.pi), int(rng.integers(6, 10))
    rays = tuple(float(start + k * 2 * np.pi / count + rng.normal(0, 0.06)) for k in range(count))
    ghosts = tuple(
        (float(rng.uniform(-0.5, 1.3)), float(rng.uniform(0.02, 0.1)), float(rng.uniform(0.08, 0.25)))
        for _ in range(int(rng.integers(3, 6)))
    )
    return SunFlare(amount, place, rays, ghosts)


@dataclass(frozen=True)
class LightBeam:
    """Shafts of light through hazy air, from a gap above."""

    power: float
    source: tuple[float, float]
    """(x, y) as shares of width and height; above the picture."""

    shafts: tuple[tuple[float, float, float], ...]
    """(direction in radians from straight down, half width in radians, strength)."""

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Add the shafts; they fade on their way down."""
        share, (height, width, channels) = as_share(image, view), image.shape
        dx, dy = _offsets((height, width), self.source[0] * width, self.source[1] * height)
        angle, radius = np.arctan2(dx, dy), np.sqrt(dx * dx + dy * dy) / height
        beam = np.zeros((height, width), dtype=np.float32)
        for toward, half, strength in self.shafts:
            beam += strength * np.exp(-(((angle - toward) / np.float32(half)) ** 2))
        light = self.power * beam * np.exp(-radius / 1.2)
        return from_share(_screened(share, light[..., None] * tint((1.0, 0.95, 0.82), channels)), image, view)


def draw_light_beam(amount: float, rng: np.random.Generator) -> LightBeam:
    """Draw where the light comes from, and two to five shafts."""
    x = float(rng.uniform(0.0, 1.0))
    count, lean = int(rng.integers(2, 6)), (0.5 - x) * 0.9
    shafts = tuple(
        (
            float(lean + rng.uniform(-0.55, 0.55)),
            float(rng.uniform(0.05, 0.15)),
            float(rng.uniform(0.35, 0.9)),
        )
        for _ in range(count)
    )
    return LightBeam(1.5 * amount, (x, float(rng.uniform(-0.35, -0.1))), shafts)


def _offsets(size: tuple[int, int], x: float, y: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how far right of and below a point every pixel is: (1, W) and (H, 1) made (H, W)."""
    columns = np.arange(size[1], dtype=np.float32)[None] + np.float32(0.5 - x)
    rows = np.arange(size[0], dtype=np.float32)[:, None] + np.float32(0.5 - y)
    return np.broadcast_to(columns, size), np.broadcast_to(rows, size)


def _disc(radius: Share, size: float) -> Share:
    """Return a disc with soft edge and a rim that is a little brighter, as lens ghosts have."""
    inside = 1 / (1 + np.exp(np.minimum((radius - size) / (0.07 * size), 50)))
    return np.asarray(inside * (0.65 + 0.35 * (radius / size) ** 2), dtype=np.float32)


def _screened(share: Share, light: Share) -> Share:
    """Add light to light so that white is never passed."""
    return np.asarray(1 - (1 - np.clip(share, 0, 1)) * np.exp(-light), dtype=np.float32)
