"""What cameras and files do to pictures: blur, noise, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.core.errors import RequestError
from terrazzo.transforms.operation import Pixels, View, as_share, draw_key, from_share, keyed
from terrazzo.transforms.photometric import blur


@dataclass(frozen=True)
class Blur:
    """Out of focus, or moved while the shutter was open."""

    spread: float
    """Gaussian sigma, or length of the movement over the square root of twelve; share of the shorter side."""

    degrees: float | None
    """Direction of the movement; None for focus."""

    def paint(self, image: Pixels, _view: View) -> Pixels:
        """Average over the neighbours."""
        pixels = self.spread * min(image.shape[:2])
        if self.degrees is None:
            return blur(image, pixels)
        kernel = _line(pixels * np.sqrt(12), self.degrees)
        out = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(out).reshape(image.shape)


def draw_blur(amount: float, rng: np.random.Generator, *, motion: float = 0.3) -> Blur:
    """Draw focus or movement.

    Args:
        amount: 0..1; at 1 the spread is 2.5 per cent of the shorter side.
        rng: draws which, and the direction.
        motion: chance of movement.
    """
    moves, degrees = rng.random() < motion, float(rng.uniform(0, 180))
    return Blur(0.025 * amount, degrees if moves else None)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of the sensor: of every value, and coarser of all channels alike."""

    spread: float
    """As a share of the range."""

    grain: float
    """Share of the variance that channels have in common."""

    key: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Add it."""
        rng, (height, width, channels) = keyed(self.key), image.shape
        own = rng.standard_normal((height, width, channels), dtype=np.float32)
        common = rng.standard_normal((height, width, 1), dtype=np.float32)
        noise = np.sqrt(1 - self.grain) * own + np.sqrt(self.grain) * common
        return from_share(as_share(image, view) + noise * np.float32(self.spread), image, view)


def draw_noise(amount: float, rng: np.random.Generator, *, spread: float = 0.2) -> Noise:
    """Draw noise.

    Args:
        amount: 0..1.
        rng: draws the noise.
        spread: standard deviation at amount 1, as a share of the range.
    """
    return Noise(spread * amount, float(rng.uniform(0, 0.8)), draw_key(rng))


@dataclass(frozen=True)
class Jpeg:
    """What is left after compression; half-size colours as most files have them."""

    quality: int

    def paint(self, image: Pixels, _view: View) -> Pixels:
        """Compress and read back."""
        if image.dtype != np.uint8:
            raise RequestError(
                f"The operation 'jpeg' is for uint8 images; these are {image.dtype}. "
                "Take it out of transforms.operations."
            )
        if self.quality >= 100:
            return image.copy()
        # The codec takes blue first; which channel is which matters for its colour space alone.
        found, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        assert found
        flag = cv2.IMREAD_COLOR if image.shape[2] == 3 else cv2.IMREAD_GRAYSCALE
        back = np.asarray(cv2.imdecode(data, flag)).reshape(image.shape)
        return np.ascontiguousarray(back[..., ::-1])


def draw_jpeg(amount: float, _rng: np.random.Generator, *, worst: int = 3) -> Jpeg:
    """Choose a quality.

    Args:
        amount: 0..1; 0 is quality 100, which is no compression here.
        worst: the quality at amount 1; steps are even in its logarithm.
    """
    return Jpeg(round(100 * (worst / 100) ** amount))


def _line(length: float, degrees: float) -> Pixels:
    """Return the kernel of a movement: a line through the middle, summing to 1."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), dtype=np.float32)
    reach = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]) * length / 2
    ends = [tuple(int(v) for v in np.rint(16 * (side // 2 + sign * reach))) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, shift=4)
    return np.asarray(kernel / kernel.sum())
