"""Rain: streaks in three depths, dimmer light, and far things behind a curtain of water."""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, draw_key, from_share, keyed
from terrazzo.transforms.weather.air import Share, air_color, distance, faded, veiled

# of each layer: streaks per square of the shorter side, length and width as shares of it, opacity
_LAYERS = ((1100, 0.05, 0.002, 0.35), (400, 0.10, 0.003, 0.42), (60, 0.22, 0.0045, 0.36))


@dataclass(frozen=True)
class Rain:
    """How hard it rains, and from where."""

    intensity: float
    """0 none, 1 a cloudburst."""

    slant: float
    """Degrees from upright, positive to the right."""

    key: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Dim the light, draw the curtain, then the streaks from far to near."""
        share, size = as_share(image, view), image.shape[:2]
        rng, hard = keyed(self.key), self.intensity
        air = air_color(share, 0.62)
        dim = faded(share, 0.5 * hard) * np.float32(1 - 0.3 * hard)
        veil = np.broadcast_to(1 - np.exp(np.float32(-0.07 * hard) * distance(size, view)), size)
        wet = veiled(dim, np.asarray(veil), air)
        light = tuple(min(1.0, 0.2 + 1.05 * value) for value in air)
        for layer in _LAYERS:
            wet = veiled(wet, _streaks(size, layer, hard, self.slant, rng), (light[0], light[1], light[2]))
        return from_share(wet, image, view)


def draw_rain(amount: float, rng: np.random.Generator, *, slant: float = 20.0) -> Rain:
    """Draw a rain.

    Args:
        amount: 0..1.
        rng: draws slant and streaks.
        slant: degrees from upright at most, to either side.
    """
    return Rain(amount, float(rng.uniform(-slant, slant)), draw_key(rng))


def _streaks(
    size: tuple[int, ...],
    layer: tuple[float, float, float, float],
    hard: float,
    slant: float,
    rng: np.random.Generator,
) -> Share:
    """Return the opacity (H, W) of one layer's streaks; harder rain has more and longer ones."""
    height, width = size
    side = min(height, width)
    density, length, thickness, opacity = layer
    count = round(density * hard * height * width / side**2)
    canvas, pixels = np.zeros((height, width), dtype=np.uint8), thickness * side
    if count:
        top = rng.uniform((-0.2 * side, -0.2 * side), (width + 0.2 * side, height), (count, 2))
        tilt = np.deg2rad(slant + rng.normal(0, 1.5, count))
        reach = side * length * (0.6 + 0.4 * hard) * rng.uniform(0.6, 1.3, count)
        step = np.stack([np.sin(tilt), np.cos(tilt)], axis=1) * reach[:, None]
        lines = np.rint(8 * np.stack([top, top + step], axis=1)).astype(np.int32)
        cv2.polylines(canvas, list(lines), False, 255, max(1, round(pixels)), cv2.LINE_AA, shift=3)
        # A line is one pixel wide at least: where it should be finer, it is fainter.
        opacity *= min(1.0, 0.4 + 0.6 * pixels)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.5 + 0.25 * pixels)
    return np.asarray(soft.astype(np.float32) * np.float32(opacity / 255))
