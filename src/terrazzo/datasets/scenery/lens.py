"""The last step: surfaces get their grain, the lens its blur, the sensor its noise, borders their void."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core.sample import IGNORE
from terrazzo.datasets.scenery.canvas import SCALE, Camera, Canvas, smooth_noise

# How much grain a surface has, by label: sky, building, road, pavement, terrain, tree, car, person, sign
_GRAIN = np.array([0.4, 3.2, 5.0, 5.5, 11.0, 3.0, 1.2, 2.5, 1.0], dtype=np.float32)
_GROUND = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0], dtype=np.float32)
_TILE = 256


def develop(canvas: Canvas, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the finished image (H, W, 3) and mask (H, W), half the canvas each way."""
    height, width = (side // SCALE for side in canvas.size)
    small = cv2.resize(canvas.image, (width, height), interpolation=cv2.INTER_AREA)
    label = np.ascontiguousarray(canvas.label[1::SCALE, 1::SCALE])
    image = small.astype(np.float32)
    image += _grain(label, canvas.camera, rng)[..., None]
    gain = np.float32(rng.uniform(0.88, 1.12))
    image *= _vignette(height, width) * gain
    image += np.float32(128 * (1 - gain) + rng.uniform(-10, 10))
    blur = float(rng.uniform(0, 0.75))
    if blur > 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), blur), dtype=np.float32)
    noise = np.float32(rng.uniform(1.0, 5.0))
    image += rng.standard_normal((height, width, 1), dtype=np.float32) * noise
    image += _color_noise(rng, height, width) * (noise * np.float32(0.6))
    return np.clip(image, 0, 255, out=image).astype(np.uint8), with_void(label)


def with_void(label: NDArray[np.uint8], frame: int = 2) -> NDArray[np.uint8]:
    """Return the labels with void on both pixels of every border between classes, and along the frame."""
    square = np.ones((3, 3), dtype=np.uint8)
    border = cv2.dilate(label, square) != cv2.erode(label, square)
    mask = np.where(border, np.uint8(IGNORE), label)
    mask[:frame], mask[-frame:], mask[:, :frame], mask[:, -frame:] = (IGNORE,) * 4
    return mask


def _grain(label: NDArray[np.uint8], camera: Camera, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what to add to each pixel: grain lies flat on the ground and upright elsewhere."""
    height, width = label.shape
    upright = smooth_noise(rng, (height, width), (width // 6, width // 3))
    tile = _tile()
    focal, horizon = camera.focal / SCALE, camera.horizon / SCALE
    top = min(max(int(horizon) + 1, 0), height - 1)
    rows = np.arange(top, height, dtype=np.float32)[:, None] + 0.5
    z = np.float32(focal * camera.height) / np.maximum(rows - np.float32(horizon), np.float32(0.5))
    x = (np.arange(width, dtype=np.float32)[None] - camera.center / SCALE) * z / focal - camera.curve * z * z
    start = rng.uniform(0, _TILE, 2)
    u = np.mod((x + camera.eye) * 16 + start[0], _TILE).astype(np.float32)
    v = np.broadcast_to(np.mod(z * 9 + start[1], _TILE), x.shape).astype(np.float32)
    flat = upright.copy()
    flat[top:] *= 0.4  # seen from close by the tile is coarse
    flat[top:] += cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    lying = _GROUND[label]
    upright += (flat - upright) * lying
    return np.asarray(upright * _GRAIN[label])


@lru_cache(maxsize=1)
def _tile() -> NDArray[np.float32]:
    """Make the grain of the ground, once per process; a scene reads it from a place of its own."""
    return smooth_noise(np.random.default_rng(22), (_TILE, _TILE), (24, 64, 128))


def _vignette(height: int, width: int) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(1 - np.float32(0.09) * (x * x + y * y))[..., None]


def _color_noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
