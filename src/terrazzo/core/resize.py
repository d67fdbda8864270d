"""Bringing whole samples to another size, once, before anything else: the pixel rule of `resize`.

Images: averaged over areas where they shrink below three quarters each way, else bilinear. A JPEG that is
to become less than half as large is decoded at 1/2, 1/4 or 1/8 first (see `image_files.shrink_on_load`).
Masks: nearest, by pixel centres, after every id was checked at full size; no label is invented.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError

Resize = float | tuple[int, int]
"""A factor on both sides, or (H, W) whatever the image is."""


def checked_resize(resize: Any) -> Resize | None:
    """Return what a person gave as `resize`, or refuse it.

    Raises:
        RequestError: it is neither two sides of at least one pixel nor a factor above 0.
    """
    if resize is None:
        return None
    if isinstance(resize, int | float) and not isinstance(resize, bool) and 0 < resize < float("inf"):
        return float(resize)
    sides = resize if isinstance(resize, Sequence) and not isinstance(resize, str) else ()
    if len(sides) == 2 and all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in sides):
        return int(sides[0]), int(sides[1])
    raise RequestError(
        f"resize is {resize!r}; expected [height, width] in pixels, or a factor above 0, such as 0.5."
    )


def resized_size(size: Sequence[int], resize: Resize) -> tuple[int, int]:
    """Return the (H, W) that an image of `size` gets."""
    if isinstance(resize, tuple):
        return resize
    return max(1, round(size[0] * resize)), max(1, round(size[1] * resize))


def resize_sample(
    image: NDArray[Any], mask: NDArray[Any], size: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return image (H, W, C) and mask (H, W) at `size`, by the rule at the top of this file.

    The two may come in different sizes, where the image was decoded at a fraction.
    """
    return resize_image(image, size), resize_ids(mask, size)


def resize_ids(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return a mask (H, W) at `size`, nearest: pixel i shows the source at (i + 0.5) * old / new."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.intp), old - 1)
        for new, old in zip(size, mask.shape, strict=True)
    )
    return np.asarray(mask.take(rows, axis=0).take(columns, axis=1))


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return an image (H, W, C), uint8, uint16 or float32, at `size`, by the rule at the top of this file."""
    import cv2

    height, width, channels = image.shape
    if (height, width) == size:
        return image
    shrinks = size[0] * size[1] < 0.5625 * height * width
    # Averaging 2 x 2 pixels of twice the size is twice as fast as averaging over fractions of pixels.
    steps = [(size, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)]
    if shrinks and height < 2 * size[0] and width < 2 * size[1]:
        steps.insert(0, ((2 * size[0], 2 * size[1]), cv2.INTER_LINEAR))
    layers = [image[..., c : c + 4] for c in range(0, channels, 4)]  # OpenCV takes four channels at most
    for (rows, columns), method in steps:
        layers = [
            cv2.resize(np.ascontiguousarray(layer), (columns, rows), interpolation=method).reshape(
                rows, columns, -1
            )
            for layer in layers
        ]
    return layers[0] if len(layers) == 1 else np.concatenate(layers, axis=2)
