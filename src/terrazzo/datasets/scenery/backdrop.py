"""What is far away: sky with clouds and the sun's glow, and hills."""

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.canvas import SCALE, Canvas, Label, smooth_noise
from terrazzo.datasets.scenery.light import Color

COARSE = 2 * SCALE
"""Canvas pixels per pixel of the sky before it is widened."""


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the upper canvas as sky: it has no sharp edges, so a coarse picture is widened."""
    height, width = (max(8, side // COARSE) for side in canvas.size)
    rows = min(height, int(canvas.camera.horizon / COARSE) + 4)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.3
    light = canvas.light
    zenith, haze, sun, ambient = (np.float32(c) for c in (light.zenith, light.haze, light.sun, light.ambient))
    sky = zenith * (1 - down) + haze * down + _glow(canvas, rows, width)[..., None] * (sun * 90)
    cover = _clouds(rng, rows, width, light.clouds)
    lit = np.minimum(255, ambient * 175 + sun * 120 + 25)
    body = smooth_noise(rng, (rows, width), (5, 11))[..., None] * 9 + lit - 26 * cover
    sky += (body - sky) * cover
    sky8 = np.clip(sky, 0, 255).astype(np.uint8)
    wide = cv2.resize(sky8, (canvas.size[1], rows * COARSE), interpolation=cv2.INTER_LINEAR)
    canvas.image[: rows * COARSE] = wide[: canvas.size[0]]


def _glow(canvas: Canvas, rows: int, width: int) -> NDArray[np.float32]:
    """Return the brightening of the sky toward the sun's side."""
    column = canvas.camera.center / COARSE + canvas.light.toward_sun[0] * width * 0.7
    x = (np.arange(width, dtype=np.float32) - column) / width
    y = (np.arange(rows, dtype=np.float32) - rows * 0.55)[:, None] / max(rows, 1)
    return np.asarray(np.exp(-(x * x * 5 + y * y * 2.5)), dtype=np.float32)


def _clouds(rng: np.random.Generator, rows: int, width: int, amount: float) -> NDArray[np.float32]:
    """Return how much cloud covers each pixel (rows, W, 1), 0..1, flatter toward the horizon."""
    noise = smooth_noise(rng, (rows * 2, width), (4, 9, 19, 37))
    depth = np.linspace(0, 1, rows) ** 0.6
    noise = noise[(depth * (rows * 2 - 1)).astype(int)]
    cover = np.clip((noise + (amount - 0.62) * 3.2) / 1.3, 0, 1) * (0.35 + 0.6 * amount)
    return np.asarray(cover[..., None], dtype=np.float32)


def paint_hills(canvas: Canvas, rng: np.random.Generator, ground: Color) -> None:
    """Paint up to three ranges of hills, the far ones pale; they are terrain like the meadow in front."""
    height, width = canvas.size
    for layer in range(int(rng.integers(1, 4)), 0, -1):
        cells = int(rng.integers(3, 8))
        profile = np.interp(np.linspace(0, cells, 40), np.arange(cells + 1), rng.normal(0, 1, cells + 1))
        profile = cv2.GaussianBlur(profile[None].astype(np.float32), (9, 1), 2)[0]
        rise = height * (0.015 + 0.035 * layer) * (1 + 0.55 * profile) * rng.uniform(0.6, 1.5)
        top = canvas.camera.horizon - np.maximum(rise, 0)
        columns = np.linspace(-2, width + 2, 40)
        outline = np.stack([columns, top], axis=1)
        base = np.array([(width + 2, canvas.camera.horizon + 4), (-2, canvas.camera.horizon + 4)])
        forest = np.array([70.0, 95.0, 70.0])
        color = ground * rng.uniform(0.3, 0.8) + forest * rng.uniform(0.2, 0.6)
        lit = canvas.light.seen(color, (0.3, 0.85, -0.4), 45.0 + 75 * layer)
        canvas.fill([np.concatenate([outline, base])], lit, Label.TERRAIN)
