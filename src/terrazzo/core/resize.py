"""Bringing whole samples to another size, once, before anything else: the pixel rule of `resize`.

Images: averaged over areas where they shrink below three quarters each way, else bilinear. A JPEG that is
to become less than half as large is decoded at 1/2, 1/4 or 1/8 first (see `image_files.shrink_on_load`).
Masks: nearest, by pixel centres, after every id was checked at full size; no label is invented.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError

Pixels = NDArray[Any]

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


def resize_sample(image: Pixels, mask: Pixels, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Return image (H, W, C) and mask (H, W) at `size`, by the rule at the top of this file.

    The two may come in different sizes, where the image was decoded at a fraction.
    """
    return resize_image(image, size), resize_ids(mask, size)


def resize_ids(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """Return a mask (H, W) at `size`, nearest: pixel i shows the source at (i + 0.5) * old / new.

    The mask itself, not a copy, where it has that size.
    """
    if mask.shape == size:
        return mask
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.intp), old - 1)
        for new, old in zip(size, mask.shape, strict=True)
    )
    if size[0] > mask.shape[0]:  # fewer pixels are touched twice: columns first where rows are added
        return np.asarray(mask.take(columns, axis=1).take(rows, axis=0))
    return np.asarray(mask.take(rows, axis=0).take(columns, axis=1))


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Return an image (H, W, C) at `size`: averaged where it shrinks below three quarters, else bilinear.

    The image itself, not a copy, where it has that size.
    """
    import cv2

    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = size[0] * size[1] < 0.5625 * height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    # Averaging 2 x 2 pixels of twice the size is twice as fast as averaging over fractions of pixels.
    twice = (2 * size[1], 2 * size[0])
    detour = shrinks and width < twice[0] and height < twice[1]

    def resize(part: Pixels) -> Pixels:
        part = cv2.resize(part, twice, interpolation=cv2.INTER_LINEAR) if detour else part
        return np.asarray(cv2.resize(part, size[::-1], interpolation=method))

    return by_channels(image, resize)


def by_channels(image: Pixels, work: Callable[[Pixels], Pixels]) -> Pixels:
    """Apply an OpenCV function to an image of any number of channels, four at a time where needed."""
    channels = image.shape[2]
    parts = [image[..., start : start + 4] for start in range(0, channels, 4)] if channels > 4 else [image]
    done = [work(np.ascontiguousarray(part) if len(parts) > 1 else part) for part in parts]
    done = [part[..., None] if part.ndim == 2 else part for part in done]
    return done[0] if len(done) == 1 else np.concatenate(done, axis=2)
