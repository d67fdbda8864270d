"""Time of day and weather: what colour light has, where it comes from, and how far one can see."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Color = NDArray[np.float64]
"""RGB, 0..255 before light falls on it."""

RGB = tuple[float, float, float]
"""A colour as it is painted, 0..255 but for clipping."""

Point = tuple[float, float, float]
"""x, y, z in metres, or a direction."""


@dataclass(frozen=True)
class Light:
    """The light of one scene."""

    zenith: Color
    """Colour of the sky overhead."""

    haze: Color
    """Colour of the sky at the horizon, which distant things fade into."""

    sun: Color
    """Strength of direct light per channel, about 0..1."""

    ambient: Color
    """Strength of light from everywhere per channel, about 0.3..0.8."""

    toward_sun: Point
    """Unit vector (x, y, z) toward the sun."""

    sight: float
    """Metres after which a thing has faded to 37 per cent."""

    clouds: float
    """Cover, 0 clear to 1 overcast."""

    @property
    def darkness(self) -> float:
        """0 by day to 1 by night: windows and lamps are lit by it."""
        return float(np.clip((0.95 - (self.ambient + self.sun).mean()) / 0.4, 0, 1))

    def seen(self, color: Color, normal: Point, distance: float) -> RGB:
        """Return how a surface looks that faces along a unit normal, so many metres away.

        In plain numbers: it is called for every face of a scene, and arrays of three cost more.
        """
        x, y, z = self.toward_sun
        direct = max(0.0, normal[0] * x + normal[1] * y + normal[2] * z)
        clear = math.exp(-max(distance, 0.0) / self.sight)
        red, green, blue = (
            shade * (ambient + sun * direct) * clear + haze * (1 - clear)
            for shade, ambient, sun, haze in zip(color.tolist(), *self._numbers, strict=True)
        )
        return red, green, blue

    def faded(self, color: Color, distance: float) -> RGB:
        """Return how something looks that shines by itself, so many metres away."""
        clear = math.exp(-max(distance, 0.0) / self.sight)
        red, green, blue = (color * clear + self.haze * (1 - clear)).tolist()
        return red, green, blue

    @cached_property
    def _numbers(self) -> tuple[list[float], list[float], list[float]]:
        return self.ambient.tolist(), self.sun.tolist(), self.haze.tolist()


# zenith, haze, sun, ambient, sight in metres, clouds
_MOODS = {
    "noon": ((64, 124, 208), (188, 214, 236), (0.78, 0.75, 0.68), (0.46, 0.51, 0.58), 320, 0.35),
    "morning": ((112, 160, 208), (238, 226, 204), (0.80, 0.70, 0.52), (0.48, 0.50, 0.56), 140, 0.3),
    "golden": ((84, 116, 178), (252, 204, 144), (1.00, 0.70, 0.40), (0.44, 0.42, 0.48), 210, 0.4),
    "overcast": ((158, 168, 180), (206, 210, 214), (0.14, 0.14, 0.14), (0.74, 0.76, 0.79), 180, 0.95),
    "mist": ((186, 194, 200), (218, 219, 216), (0.16, 0.16, 0.15), (0.68, 0.69, 0.71), 46, 0.9),
    "dusk": ((52, 58, 112), (236, 148, 118), (0.42, 0.24, 0.20), (0.38, 0.36, 0.47), 170, 0.5),
}
_WEIGHTS = (0.28, 0.17, 0.19, 0.16, 0.08, 0.12)


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a time of day and weather: between two moods, so that no two scenes are lit alike."""
    first, second = rng.choice(len(_MOODS), size=2, p=_WEIGHTS)
    moods = list(_MOODS.values())
    share = rng.uniform(0, 0.45)

    def mixed(field: int) -> NDArray[np.float64]:
        return (
            np.asarray(moods[first][field], float) * (1 - share)
            + np.asarray(moods[second][field], float) * share
        )

    side, height = rng.uniform(-1.3, 1.3), rng.uniform(0.35, 1.1)
    sun = np.array([np.sin(side), height, -0.35 * np.cos(side)])  # mostly behind or beside the camera
    x, y, z = (sun / np.linalg.norm(sun)).tolist()
    return Light(
        zenith=mixed(0) * rng.uniform(0.9, 1.08),
        haze=mixed(1) * rng.uniform(0.92, 1.04),
        sun=mixed(2) * rng.uniform(0.8, 1.15),
        ambient=mixed(3) * rng.uniform(0.9, 1.08),
        toward_sun=(x, y, z),
        sight=float(mixed(4)) * rng.uniform(0.75, 1.3),
        clouds=float(np.clip(mixed(5) + rng.normal(0, 0.15), 0, 1)),
    )
