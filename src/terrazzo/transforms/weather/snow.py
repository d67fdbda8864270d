"""Snow: flakes in three depths, a white haze, and white on the ground where it lies."""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, draw_key, from_share, keyed, smooth_noise
from terrazzo.transforms.weather.air import Share, distance, faded, grey, skyward, veiled

# of each layer: flakes per square of the shorter side, radius as a share of it, opacity
_LAYERS = ((1500, 0.0022, 0.65), (450, 0.0045, 0.8), (70, 0.010, 0.85))

_WHITE = (0.93, 0.95, 0.98)


@dataclass(frozen=True)
class Snow:
    """How hard it snows, and how the flakes drift."""

    intensity: float
    """0 none, 1 a blizzard."""

    drift: tuple[float, float]
    """(x, y) in which flakes are smeared, in radii."""

    key: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Whiten the ground, draw the haze, then the flakes from far to near."""
        share, size = as_share(image, view), image.shape[:2]
        rng, hard = keyed(self.key), self.intensity
        pale = faded(share, 0.45 * hard)
        cover = _cover(pale, view, rng) * np.float32(0.75 * hard)
        white = veiled(pale, cover, _WHITE)
        veil = 1 - np.exp(np.float32(-0.06 * hard) * distance(size, view))
        white = veiled(white, np.asarray(np.broadcast_to(veil, size)), (0.82, 0.84, 0.87))
        for layer in _LAYERS:
            white = veiled(white, _flakes(size, layer, hard, self.drift, rng), _WHITE)
        return from_share(white, image, view)


def draw_snow(amount: float, rng: np.random.Generator) -> Snow:
    """Draw a snowfall: its drift and its flakes."""
    angle, speed = rng.uniform(-0.8, 0.8), rng.uniform(0.0, 3.0)
    drift = float(speed * np.sin(angle)), float(speed * np.cos(angle))
    return Snow(amount, drift, draw_key(rng))


def _cover(share: Share, view: View, rng: np.random.Generator) -> Share:
    """Return how white the ground gets (H, W): patchy, and less where it is dark (tracks, cars)."""
    size = share.shape[:2]
    patches = 0.5 * smooth_noise(rng, size, 4) + 0.5 * smooth_noise(rng, size, 14)
    lying = (1 - skyward(size, view)) * np.clip(2.2 * patches - 0.5, 0, 1)
    return np.asarray(lying * np.clip(0.25 + 1.4 * grey(share)[..., 0], 0, 1), dtype=np.float32)


def _flakes(
    size: tuple[int, ...],
    layer: tuple[float, float, float],
    hard: float,
    drift: tuple[float, float],
    rng: np.random.Generator,
) -> Share:
    """Return the opacity (H, W) of one layer: short strokes with round ends, out of focus when near."""
    height, width = size
    side = min(height, width)
    density, radius, opacity = layer
    count = round(density * hard * height * width / side**2)
    canvas = np.zeros((height, width), dtype=np.uint8)
    middles = rng.uniform((0, 0), (width, height), (count, 2))
    radii = np.maximum(radius * side * rng.uniform(0.6, 1.5, count), 0.45)
    smear = radii[:, None] * (np.array(drift) + rng.normal(0, 0.3, (count, 2)))
    ends = np.rint(16 * np.stack([middles - smear / 2, middles + smear / 2], axis=1)).astype(np.int32)
    for line, r in zip(ends.tolist(), radii.tolist(), strict=True):
        if r < 1:
            # A dot smaller than a pixel is a fainter pixel.
            cv2.line(canvas, line[0], line[1], round(255 * min(1.0, r + 0.2)), 1, cv2.LINE_AA, shift=4)
        else:
            cv2.line(canvas, line[0], line[1], 255, round(2 * r), cv2.LINE_AA, shift=4)
    soft = cv2.GaussianBlur(canvas, (0, 0), max(0.4, 0.6 * radius * side))
    return np.asarray(soft.astype(np.float32) * np.float32(opacity / 255))
