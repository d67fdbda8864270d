"""Where pixels go: scaling, cropping, turning and flipping, of image and mask together.

Masks are only ever sampled nearest, so no label is invented; what lies outside the picture is void.
All random choices are drawn by the caller's generator, in a fixed order.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from terrazzo.core.resize import Pixels, by_channels, resize_ids, resize_image

PAD_SHARE = 0.45
"""Padding is this share of the pixel range: about the mean of photographs (115 of 255)."""


@dataclass(frozen=True)
class Window:
    """The part of a source picture that becomes the crop; may reach over its edges. Source pixels."""

    top: float
    left: float
    height: float
    width: float


def pad_value(dtype: np.dtype[Any]) -> float:
    """Return the value around a picture that is smaller than the crop: mean-like, so no edge stands out.

    115 for uint8, 29491 for uint16; 0.45 for floats, which the caller may know better.
    """
    return float(round(PAD_SHARE * np.iinfo(dtype).max)) if dtype.kind == "u" else PAD_SHARE


def draw_window(
    size: tuple[int, int], crop: tuple[int, int], scale: float, rng: np.random.Generator
) -> Window:
    """Draw a window that shows the source at a scale, everywhere inside it with equal chance.

    Where the scaled source is smaller than the crop, the window reaches over it by an equal chance too.

    Args:
        size: (H, W) of the source.
        crop: (h, w) of the result.
        scale: crop pixels per source pixel.
        rng: draws the place, two numbers.
    """
    height, width = crop[0] / scale, crop[1] / scale
    top, left = ((have - want) * rng.random() for have, want in zip(size, (height, width), strict=True))
    return Window(top, left, height, width)


def cut(
    image: Pixels, mask: Pixels, window: Window, crop: tuple[int, int], void: int
) -> tuple[Pixels, Pixels]:
    """Cut a window and bring it to the crop's size; the source is touched only inside the window.

    Args:
        image: (H, W, C), any dtype.
        mask: (H, W) train ids.
        window: what to show.
        crop: (h, w) of the result.
        void: the train id of what lies outside the source.

    Returns:
        Image (h, w, C) and mask (h, w), new arrays of the dtypes that came in.
    """
    top, left = math.floor(window.top), math.floor(window.left)
    height = max(1, round(window.height))
    width = max(1, round(window.width))
    inside = _inside(image.shape[:2], (top, left, height, width))
    rows, columns = slice(inside[0], inside[2]), slice(inside[1], inside[3])
    border = (inside[0] - top, top + height - inside[2], inside[1] - left, left + width - inside[3])
    part, labels = image[rows, columns], mask[rows, columns]
    if any(border):
        part = pad(part, border, pad_value(image.dtype))
        labels = pad(labels, border, void)
    # A part that has the crop's size already is still the source's memory, which no later change may reach.
    return _own(resize_image(part, crop), image), _own(resize_ids(labels, crop), mask)


def _own(part: Pixels, source: Pixels) -> Pixels:
    return part.copy() if np.may_share_memory(part, source) else part


def cut_mask(mask: Pixels, window: Window, step: int) -> Pixels:
    """Return a coarse look at the mask inside a window: every step-th pixel, nothing outside the source."""
    top, left = math.floor(window.top), math.floor(window.left)
    box = _inside(mask.shape[:2], (top, left, max(1, round(window.height)), max(1, round(window.width))))
    return mask[box[0] : box[2] : step, box[1] : box[3] : step]


def pad(pixels: Pixels, border: tuple[int, int, int, int], value: float) -> Pixels:
    """Return (H, W) or (H, W, C) with borders (top, bottom, left, right) of one value."""
    top, bottom, left, right = border
    height, width = pixels.shape[:2]
    shape = (height + top + bottom, width + left + right, *pixels.shape[2:])
    out = np.full(shape, value, dtype=pixels.dtype)
    out[top : top + height, left : left + width] = pixels
    return out


def flip(image: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
    """Mirror left and right; OpenCV does it at forty times the speed of a copy against the stride."""

    def mirror(part: Pixels) -> Pixels:
        return np.asarray(cv2.flip(part, 1))

    return by_channels(image, mirror), mirror(mask)


def rotate(image: Pixels, mask: Pixels, degrees: float, void: int) -> tuple[Pixels, Pixels]:
    """Turn around the middle, counter-clockwise, at the same size; the corners that open are void."""
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    value = pad_value(image.dtype)

    def turn(part: Pixels, method: int, border: float) -> Pixels:
        return np.asarray(
            cv2.warpAffine(part, matrix, (width, height), flags=method, borderValue=(border,) * 4)
        )

    turned = by_channels(image, lambda part: turn(part, cv2.INTER_LINEAR, value))
    return turned, turn(mask, cv2.INTER_NEAREST, void)


def _inside(size: tuple[int, ...], box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return first and last row and column of a box (top, left, height, width) clipped to a picture.

    At least one pixel remains, so a window beside the picture shows its edge.
    """
    top, left, height, width = box
    first = min(max(top, 0), size[0] - 1), min(max(left, 0), size[1] - 1)
    last = max(min(top + height, size[0]), first[0] + 1), max(min(left + width, size[1]), first[1] + 1)
    return first[0], first[1], last[0], last[1]
