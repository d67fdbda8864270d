"""What colour pixels have: light, contrast, colour, blur and noise. Masks are not touched.

For uint8 everything up to gamma is one table of 256 entries per channel, so its price is one look-up.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Jitter:
    """How far colours may change; 0 leaves them alone."""

    brightness: float = 0.0
    """Added, as a share of the pixel range, from -b to b."""

    contrast: float = 0.0
    """Factor around the middle, from 1 - c to 1 + c."""

    gamma: float = 0.0
    """Exponent on 0..1, from 1 / (1 + g) to 1 + g."""

    saturation: float = 0.0
    """Factor on the distance to grey, from 1 - s to 1 + s. RGB uint8 only."""

    hue: float = 0.0
    """Turn of the colour circle, from -h to h, 1 being all around. RGB uint8 only."""


def jitter(image: Pixels, amount: Jitter, rng: np.random.Generator) -> Pixels:
    """Return the image in other light; draws five numbers whatever the image is.

    Args:
        image: (H, W, C). uint8 RGB: everything; other uint8: brightness, contrast, gamma; uint16 and
            floats: brightness and contrast, relative to the range of the dtype or of this image.
        amount: how far.
        rng: draws brightness, contrast, gamma, saturation and hue, in this order.
    """
    brightness, contrast, gamma, saturation, hue = rng.uniform(-1, 1, 5)
    shift, gain = brightness * amount.brightness, 1 + contrast * amount.contrast
    power = (1 + amount.gamma) ** gamma
    if image.dtype != np.uint8:
        return _jitter_wide(image, shift, gain)
    table = tone_table(shift, gain, power)
    out: Pixels = np.asarray(cv2.LUT(image, table) if image.shape[2] <= 4 else table[image])
    out = out.reshape(image.shape)
    if image.shape[2] == 3 and (amount.saturation or amount.hue):
        out = turn_colors(out, 1 + saturation * amount.saturation, hue * amount.hue)
    return out


def tone_table(shift: float, gain: float, power: float) -> NDArray[np.uint8]:
    """Return the 256 values that uint8 tones become: gamma, contrast around the middle, brightness."""
    tone = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(power)
    tone = (tone - 0.5) * np.float32(gain) + np.float32(0.5 + shift)
    return np.asarray(np.clip(tone * 255 + 0.5, 0, 255).astype(np.uint8))


def turn_colors(image: Pixels, saturation: float, hue: float) -> Pixels:
    """Scale saturation and turn hue of uint8 RGB (H, W, 3), keeping grey grey and luma about the same.

    One 3 x 3 matrix does both: a rotation around the grey axis and a stretch away from it. It is an
    approximation of HSV arithmetic that has no jumps, at a fifth of its price.
    """
    angle = 2 * np.pi * hue
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    third, root = np.float32(1 / 3), np.float32(np.sqrt(1 / 3))
    around_grey = np.array(
        [
            [cos + (1 - cos) * third, third * (1 - cos) - root * sin, third * (1 - cos) + root * sin],
            [third * (1 - cos) + root * sin, cos + third * (1 - cos), third * (1 - cos) - root * sin],
            [third * (1 - cos) - root * sin, third * (1 - cos) + root * sin, cos + third * (1 - cos)],
        ],
        dtype=np.float32,
    )
    stretch = np.float32(saturation) * np.eye(3, dtype=np.float32) + np.float32(1 - saturation) * _LUMA[None]
    return np.asarray(cv2.transform(image, stretch @ around_grey))


def blur(image: Pixels, sigma: float) -> Pixels:
    """Return the image blurred by a Gaussian, sigma in pixels; below 0.1 as it is."""
    if sigma < 0.1:
        return image
    out = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(out).reshape(image.shape)


def add_noise(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """Return the image with Gaussian noise, clipped; its spread is a share of the pixel range."""
    low, high = value_range(image)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(share * (high - low))
    noisy = image.astype(np.float32) + noise
    if image.dtype.kind == "u":
        noisy = np.clip(np.rint(noisy), low, high)
    return np.asarray(noisy.astype(image.dtype))


def _jitter_wide(image: Pixels, shift: float, gain: float) -> Pixels:
    low, high = value_range(image)
    middle = (low + high) / 2
    out = (image.astype(np.float32) - middle) * np.float32(gain) + np.float32(middle + shift * (high - low))
    return np.asarray(np.clip(out, low, high).astype(image.dtype))


def value_range(image: Pixels) -> tuple[float, float]:
    """Return the range of the dtype where it has one that is used, else of this image.

    Sixteen-bit cameras rarely fill sixteen bits, so there too the image's own range counts.
    """
    if image.dtype == np.uint8:
        return 0.0, 255.0
    return float(image.min()), float(image.max())
