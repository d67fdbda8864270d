"""Pictures as data URIs, so that a page is one file: photographs as JPEG, label maps as palette PNG."""

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 640
"""Pixels of the longer side of an embedded picture, unless told otherwise."""


def photo_uri(picture: NDArray[np.uint8], *, max_side: int = MAX_SIDE, quality: int = 85) -> str:
    """Encode RGB (H, W, 3) as a JPEG data URI, reduced by area averaging where larger than `max_side`."""
    from PIL import Image

    image = Image.fromarray(picture)
    image = image.resize(_fitted(image.size, max_side), Image.Resampling.BOX, reducing_gap=None)
    # Full colour resolution: thin strong colours (error maps) survive.
    return _uri(image, "jpeg", quality=quality, subsampling=0, optimize=True)


def mask_uri(picture: NDArray[np.uint8]) -> str:
    """Encode a flat-coloured RGB picture (H, W, 3) as a palette PNG data URI, at its own size.

    Reduce ids with `reduce_mask` before they are painted: colours must never be averaged.
    """
    from PIL import Image

    return _uri(Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE), "png", optimize=True)


def reduce_mask(ids: NDArray[Any], *, max_side: int = MAX_SIDE) -> NDArray[Any]:
    """Reduce a label map (H, W) by picking nearest pixels; never larger than it was."""
    height, width = ids.shape
    new_width, new_height = _fitted((width, height), max_side)
    rows = ((np.arange(new_height) + 0.5) * height / new_height).astype(np.intp)
    columns = ((np.arange(new_width) + 0.5) * width / new_width).astype(np.intp)
    reduced: NDArray[Any] = ids[rows[:, None], columns[None, :]]
    return reduced


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return (width, height) with the longer side at most `max_side`, each at least 1."""
    factor = min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _uri(image: "Image.Image", kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
