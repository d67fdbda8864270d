"""Light and colour: colour jitter, gamma, CLAHE. One table per sample where pixels have 256 tones."""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, from_share, signed
from terrazzo.transforms.photometric import tone_table, turn_colors


@dataclass(frozen=True)
class ColorJitter:
    """Other light, contrast and colours; saturation and hue leave images alone that are not RGB."""

    brightness: float
    """Added, as a share of the range."""

    contrast: float
    """Factor around the middle."""

    saturation: float
    """Factor on the distance to grey."""

    hue: float
    """Turn of the colour circle, 1 being all around."""

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Change contrast and brightness, then saturation and hue."""
        if image.dtype == np.uint8:
            out = _by_table(image, tone_table(self.brightness, self.contrast, 1.0))
            return turn_colors(out, self.saturation, self.hue) if image.shape[2] == 3 else out
        share = (as_share(image, view) - 0.5) * np.float32(self.contrast) + np.float32(0.5 + self.brightness)
        if image.shape[2] == 3:
            share = turn_colors(share, self.saturation, self.hue)
        return from_share(share, image, view)


def draw_color_jitter(
    amount: float,
    rng: np.random.Generator,
    *,
    brightness: float = 0.3,
    contrast: float = 0.5,
    saturation: float = 0.8,
    hue: float = 0.08,
) -> ColorJitter:
    """Draw all four, each between 0.5 and 1 of its end and to either side.

    Args:
        amount: 0..1.
        rng: draws sides and sizes.
        brightness: added at most, at amount 1, as a share of the range.
        contrast: factor from 1 - c to 1 + c.
        saturation: factor from 1 - s to 1 + s.
        hue: share of the colour circle, to either side.
    """
    b, c, s, h = (signed(rng) * rng.uniform(0.5, 1.0) * amount for _ in range(4))
    return ColorJitter(b * brightness, 1 + c * contrast, 1 + s * saturation, h * hue)


@dataclass(frozen=True)
class Gamma:
    """Another tone curve: middle tones get darker or brighter, black and white stay."""

    power: float

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Raise shares of the range to the power."""
        if image.dtype == np.uint8:
            return _by_table(image, tone_table(0.0, 1.0, self.power))
        share = np.clip(as_share(image, view), 0, 1) ** np.float32(self.power)
        return from_share(share, image, view)


def draw_gamma(amount: float, rng: np.random.Generator, *, power: float = 3.0) -> Gamma:
    """Darken or brighten with equal chance.

    Args:
        amount: 0..1.
        rng: draws which.
        power: the exponent at amount 1, or one over it.
    """
    return Gamma(float(power ** (signed(rng) * amount)))


@dataclass(frozen=True)
class Clahe:
    """Contrast-limited adaptive histogram equalisation, of the brightness where there are colours.

    Zuiderveld, Contrast Limited Adaptive Histogram Equalization, 1994.
    """

    limit: float
    """Clip limit, times the even histogram."""

    share: float
    """How much of the equalised picture is mixed in."""

    tiles: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Equalise, as 8 bits where the image has 8, else as 16."""
        wide = image.dtype != np.uint8
        tones = image
        if wide:
            tones = (np.clip(as_share(image, view), 0, 1) * 65535).astype(np.uint16)
        equal = cv2.createCLAHE(self.limit, (self.tiles, self.tiles))
        grey = tones.mean(axis=2) if image.shape[2] == 3 else tones[..., 0]
        before = grey.astype(tones.dtype)
        gain = (equal.apply(before).astype(np.float32) + 1) / (before.astype(np.float32) + 1)
        gain = 1 + np.float32(self.share) * (gain - 1)
        equalised = tones.astype(np.float32) * gain[..., None]
        if wide:
            return from_share(equalised * np.float32(1 / 65535), image, view)
        return np.asarray(np.clip(equalised + 0.5, 0, 255).astype(np.uint8))


def draw_clahe(amount: float, rng: np.random.Generator, *, tiles: int = 8) -> Clahe:
    """Draw the clip limit.

    Args:
        amount: 0..1, how much of the equalised picture is mixed in.
        rng: draws the clip limit, 2 to 4.
        tiles: per side.
    """
    return Clahe(float(rng.uniform(2, 4)), amount, tiles)


def _by_table(image: Pixels, table: Pixels) -> Pixels:
    """Look uint8 tones up; OpenCV does so fastest, up to four channels at once."""
    found = cv2.LUT(image, table) if image.shape[2] <= 4 else table[image]
    return np.asarray(found).reshape(image.shape)
