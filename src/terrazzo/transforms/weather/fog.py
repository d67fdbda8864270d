"""Fog: light fades with distance into the grey of the air (Koschmieder's law), in drifting banks."""

from dataclasses import dataclass

import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, draw_key, from_share, keyed, smooth_noise
from terrazzo.transforms.weather.air import air_color, distance, faded, veiled


@dataclass(frozen=True)
class Fog:
    """How thick it is, and where its banks drift."""

    density: float
    """Extinction over the distance of the picture's lower edge."""

    brightness: float
    """Of the air, share of white."""

    patches: float
    """How unevenly it lies, 0..1."""

    key: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Fade every pixel by its distance; far things lose colour before they vanish."""
        share, size = as_share(image, view), image.shape[:2]
        rng = keyed(self.key)
        banks = 0.65 * smooth_noise(rng, size, 2) + 0.35 * smooth_noise(rng, size, 5)
        thick = np.float32(self.density) * distance(size, view) * (1 + self.patches * (2 * banks - 1))
        # Even the nearest ground is seen through some of it.
        veil = 1 - np.exp(-(thick + np.float32(self.density)))
        air = air_color(share, self.brightness)
        return from_share(veiled(faded(share, 0.4 * (1 - np.exp(-2 * self.density))), veil, air), image, view)


def draw_fog(amount: float, rng: np.random.Generator, *, patches: float = 0.6) -> Fog:
    """Draw a fog.

    Args:
        amount: 0..1; at 1 nothing but the nearest ground is left.
        rng: draws the brightness of the air and the banks.
        patches: how unevenly it lies, 0..1.
    """
    return Fog(0.42 * amount**2, float(rng.uniform(0.72, 0.92)), patches, draw_key(rng))
