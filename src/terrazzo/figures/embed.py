"""Pictures at a size fit for a page, and as data URIs: photographs as JPEG, label maps as palette PNG."""

import base64
import io
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE: Final = 640
"""Pixels of the longer side: larger pictures are reduced to it."""

MIN_SIDE: Final = 480
"""Smaller ones are repeated a whole number of times to reach about this, so that numbers fit in."""

HEAT: Final = (0x2A, 0x7F, 0xD0)
"""The blue of `heat_uri`, RGB: plain on white and on black."""


def fit_photo(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring RGB (H, W, 3) to a size fit for a page: reduced by area, enlarged smoothly."""
    height, width = _fitted(picture.shape[0], picture.shape[1])
    method = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def fit_mask(ids: NDArray[Any]) -> NDArray[Any]:
    """Bring a label map (H, W) to the size `fit_photo` gives, by nearest pixels: ids are never averaged."""
    height, width = _fitted(*ids.shape)
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(np.intp)
    fitted: NDArray[Any] = ids[rows[:, None], columns[None, :]]
    return fitted


def photo_uri(picture: NDArray[np.uint8], *, quality: int = 85) -> str:
    """Encode RGB (H, W, 3) as a JPEG data URI; full colour resolution, so that thin lines survive."""
    from PIL import Image

    return _uri(Image.fromarray(picture), "jpeg", quality=quality, subsampling=0, optimize=True)


def mask_uri(picture: NDArray[np.uint8]) -> str:
    """Encode a flat-coloured RGB picture (H, W, 3) as a palette PNG data URI."""
    from PIL import Image

    flat = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)
    return _uri(flat, "png", optimize=True)


def layer_uri(picture: NDArray[np.uint8], shown_HW: NDArray[np.bool_]) -> str:
    """Encode RGB (H, W, 3) as a PNG data URI to lay over another picture; clear where not shown."""
    from PIL import Image

    alpha_HW1 = np.where(shown_HW, np.uint8(255), np.uint8(0))[..., None]
    return _uri(
        Image.fromarray(np.concatenate([picture * (alpha_HW1 > 0), alpha_HW1], axis=2)), "png", optimize=True
    )


def heat_uri(values_HW: NDArray[Any]) -> str:
    """Encode values of 0 or more as a PNG data URI of one blue, clear at 0 and full at the largest."""
    from PIL import Image

    largest = float(np.max(values_HW, initial=0))
    alpha_HW1 = np.round(255 * np.sqrt(np.asarray(values_HW) / (largest or 1.0)))[..., None].astype(np.uint8)
    blue_HW3 = np.broadcast_to(np.array(HEAT, dtype=np.uint8), (*np.shape(values_HW), 3))
    return _uri(Image.fromarray(np.concatenate([blue_HW3, alpha_HW1], axis=2)), "png", optimize=True)


def _fitted(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) with the longer side in about MIN_SIDE..MAX_SIDE, each at least 1."""
    longer = max(height, width)
    factor = MAX_SIDE / longer if longer > MAX_SIDE else max(1, MIN_SIDE // longer)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _uri(image: "Image.Image", kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
