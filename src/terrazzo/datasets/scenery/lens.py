"""The last step: surfaces get their grain, the lens its blur, the sensor its noise, borders their void."""

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
    image = cv2.resize(canvas.image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    label = np.ascontiguousarray(canvas.label[1::SCALE, 1::SCALE])
    image += _grain(label, canvas.camera, rng)[..., None]
    image *= _vignette(height, width)
    image = (image - 128) * float(rng.uniform(0.88, 1.12)) + 128 + float(rng.uniform(-10, 10))
    blur = float(rng.uniform(0, 0.75))
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (3, 3), blur)
    noise = float(rng.uniform(1.0, 5.0))
    image += rng.standard_normal((height, width, 1), dtype=np.float32) * noise
    image += _color_noise(rng, height, width) * (noise * 0.6)
    return np.clip(image, 0, 255).astype(np.uint8), with_void(label)


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
    tile = smooth_noise(rng, (_TILE, _TILE), (24, 64, 128))
    focal, horizon = camera.focal / SCALE, camera.horizon / SCALE
    top = min(max(int(horizon) + 1, 0), height - 1)
    rows = np.arange(top, height, dtype=np.float32)[:, None] + 0.5
    z = focal * camera.height / np.maximum(rows - horizon, 0.5)
    x = (np.arange(width, dtype=np.float32)[None] - camera.center / SCALE) * z / focal - camera.curve * z * z
    start = rng.uniform(0, _TILE, 2)
    u = np.mod(x * 16 + start[0], _TILE).astype(np.float32)
    v = np.broadcast_to(np.mod(z * 9 + start[1], _TILE), x.shape).astype(np.float32)
    flat = upright.copy()
    flat[top:] = cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    lying = _GROUND[label]
    return np.asarray((upright * (1 - lying) + flat * lying) * _GRAIN[label])


def _vignette(height: int, width: int) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(1 - 0.09 * (x * x + y * y))[..., None]


def _color_noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
