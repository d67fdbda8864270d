"""Pictures of images and label maps as RGB arrays, readable without colour too.

Shapes: H and W full size in pixels, C image channels, K classes. Every picture is uint8 (H, W, 3) in 0..255.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap

Picture = NDArray[np.uint8]

WRONG: Final = (255, 176, 0)
"""Orange of the IBM colour-blind-safe palette; far brighter than what is right, so it reads in grey too."""

RIGHT: Final = (24, 96)
"""What is right is dimmed into these brightnesses, black to white; always darker than WRONG."""

HATCH_PERIOD = 8
"""Pixels from one void stripe to the next."""

NUMBER_SCALE = 0.0016
"""Size of class numbers per pixel of the picture's longer side, in units of OpenCV's font."""

MIN_NUMBER_RADIUS = 17
"""Pixels of free space that a number of size 1 needs around its centre; smaller regions stay unnumbered."""


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend: the number drawn in the regions, the class name and its CSS colour."""

    number: int
    name: str
    css: str


def legend(labels: LabelMap) -> list[LegendEntry]:
    """List the classes in train-id order, as `number_regions` numbers them."""
    return [
        LegendEntry(k, c.name, f"rgb({', '.join(map(str, c.color))})") for k, c in enumerate(labels.classes)
    ]


def as_rgb(image: NDArray[Any]) -> Picture:
    """Show any image as RGB: one channel as grey, of two or more than three channels the first (three).

    Other types than uint8 are stretched from their 1st to their 99th percentile: raw 12-bit or float images
    would otherwise be black.

    Args:
        image: (H, W) or (H, W, C), uint8, uint16 or float.
    """
    image_HWC = image[..., None] if image.ndim == 2 else image
    channels = image_HWC[..., :3] if image_HWC.shape[2] >= 3 else np.repeat(image_HWC[..., :1], 3, axis=2)
    if channels.dtype == np.uint8:
        return np.ascontiguousarray(channels)
    wide = np.nan_to_num(channels.astype(np.float64))
    low, high = np.percentile(wide, (1, 99))
    stretched: Picture = (255 * ((wide - low) / max(high - low, 1e-12)).clip(0, 1)).round().astype(np.uint8)
    return stretched


def one_slice(
    image: NDArray[Any], truth: NDArray[Any], guess: NDArray[Any], *, void: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return what a picture can show: of a volume the slice that tells most, of an image all of it.

    That is the slice with the most voxels that are neither void nor of the volume's commonest class.

    Args:
        image: (H, W, C) or (D, H, W, C).
        truth: (H, W) or (D, H, W) train ids; they decide.
        guess: predicted ids of the same shape.
        void: the train id of void.
    """
    if truth.ndim == 2:
        return image, truth, guess
    known = truth[truth != void]
    commonest = int(np.bincount(known.ravel()).argmax()) if known.size else void
    place = int(((truth != void) & (truth != commonest)).sum(axis=(1, 2)).argmax())
    return image[place], truth[place], guess[place]


def overlay(image: NDArray[Any], ids: NDArray[Any], labels: LabelMap, alpha: float = 0.55) -> Picture:
    """Blend class colours over an image and draw the borders between classes; void stays the image.

    Args:
        image: (H, W, C), shown as by `as_rgb`.
        ids: (H, W) train ids.
        labels: whose colours to use.
        alpha: 0 shows the image alone, 1 the colours alone.
    """
    picture = as_rgb(image)
    mixed = np.where(
        (ids == labels.ignore_index)[..., None],
        picture,
        (1 - alpha) * picture + alpha * labels.colorize(ids).astype(np.float64),
    )
    # Darkened borders tell neighbouring regions apart where their colours do not.
    return mark_borders(mixed, ids)


def mark_borders(picture: NDArray[Any], ids: NDArray[Any]) -> Picture:
    """Darken the borders between classes (H, W) in a picture (H, W, 3) of 0..255."""
    return np.where(_borders(ids)[..., None], 0.35 * picture, picture).round().astype(np.uint8)


def error_map(
    prediction: NDArray[Any],
    target: NDArray[Any],
    *,
    image: NDArray[Any] | None = None,
    ignore_index: int = 255,
) -> Picture:
    """Show where a prediction is wrong: right is dim grey, wrong is bright orange, void is hatched.

    Args:
        prediction: (H, W) predicted class ids.
        target: (H, W) true train ids.
        image: where given, its dimmed brightness fills what is right, for orientation.
        ignore_index: the train id of void.
    """
    height, width = target.shape
    grey = np.full((height, width), 150.0) if image is None else _brightness(as_rgb(image))
    dim = RIGHT[0] + grey / 255 * (RIGHT[1] - RIGHT[0])
    picture = np.repeat(dim[..., None], 3, axis=2).round().astype(np.uint8)
    picture[prediction != target] = WRONG
    void = target == ignore_index
    rows, columns = np.indices(target.shape)
    stripe = (rows + columns) % HATCH_PERIOD < HATCH_PERIOD // 3
    picture[void] = (120, 120, 120)
    picture[void & stripe] = (185, 185, 185)
    return picture


def number_regions(picture: Picture, ids: NDArray[Any], num_classes: int) -> Picture:
    """Write each class's number where its region is widest, so that a mask reads without its colours.

    Args:
        picture: (H, W, 3), for instance `labels.colorize(ids)`; not changed.
        ids: (H, W) train ids; ids outside 0..K-1 (void) get no number.
        num_classes: K.
    """
    numbered = picture.copy()
    scale = NUMBER_SCALE * max(ids.shape)
    for k in np.unique(ids):
        if not 0 <= k < num_classes:
            continue
        region = np.pad((ids == k).astype(np.uint8), 1)
        distance = cv2.distanceTransform(region, cv2.DIST_L2, 3)[1:-1, 1:-1]
        if distance.max() >= MIN_NUMBER_RADIUS * scale:
            row, column = np.unravel_index(int(distance.argmax()), distance.shape)
            _write_number(numbered, str(int(k)), (int(column), int(row)), scale)
    return numbered


def _write_number(picture: Picture, text: str, center: tuple[int, int], scale: float) -> None:
    """Draw white text with a black rim, centred at (x, y): legible on every colour."""
    font, stroke = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2.4 * scale))
    (width, height), _ = cv2.getTextSize(text, font, scale, stroke)
    corner = (center[0] - width // 2, center[1] + height // 2)
    cv2.putText(picture, text, corner, font, scale, (0, 0, 0), stroke + 4, cv2.LINE_AA)
    cv2.putText(picture, text, corner, font, scale, (255, 255, 255), stroke, cv2.LINE_AA)


def _borders(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the pixels whose right or lower neighbour is of another class."""
    border = np.zeros(ids.shape, dtype=np.bool_)
    border[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    border[:-1] |= ids[:-1] != ids[1:]
    return border


def _brightness(picture: Picture) -> NDArray[np.float64]:
    """Luma (H, W) in 0..255, weights of ITU-R BT.601."""
    luma: NDArray[np.float64] = picture @ np.array([0.299, 0.587, 0.114])
    return luma
