"""Mask files to arrays of ids or colours, exactly as stored. `terrazzo.core.labels` says what they mean."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core.errors import DataError
from terrazzo.core.image_files import (
    LOSSY,
    Encoded,
    native,
    open_npy,
    opened,
    orientation,
    page_numbers,
    raw_mode,
    read_npy,
)

_SCALED_GREY = {"L;2": 85, "L;4": 17}  # Pillow spreads 2- and 4-bit grey over 0..255: ids times this


def read_mask(path: str | Path | Encoded) -> NDArray[Any]:
    """Read a mask exactly as stored, with no conversion of any kind.

    Returns:
        (H, W) ids: palette indices, 1-bit as 0/1, 2-, 4- and 8-bit grey as uint8, 16-bit grey as uint16,
        32-bit integers as int32; or (H, W, 3) uint8 RGB where the file holds colours.

    Raises:
        DataError: as `read_image`; also a lossy format, EXIF rotation, half-transparent or 16-bit colours.
    """
    path = Path(path) if isinstance(path, str) else path
    if isinstance(path, Path) and path.suffix.lower() == ".npy":
        return read_npy(path)
    with opened(path) as image:
        _refuse_mask_file(image, path)
        stored = raw_mode(image)
        mask = np.asarray(image)
        mode = image.mode
    if mode in {"RGBA", "LA"} and (mask[..., -1] == 255).all():
        mask = mask[..., 0] if mode == "LA" else mask[..., :3]
    elif mode not in {"1", "L", "P", "I", "RGB"} and not mode.startswith("I;16"):
        raise DataError(
            f"{path}: pixels in Pillow mode {mode!r} are no ids; expected 8- or 16-bit grey, palette or RGB."
        )
    if stored in _SCALED_GREY:
        mask = mask // np.uint8(_SCALED_GREY[stored])
    return np.require(mask, native(mask.dtype), requirements=("C", "W"))


def mask_size(path: str | Path | Encoded) -> tuple[int, int]:
    """Return (H, W) of a mask from the header alone, refusing the files that `read_mask` refuses.

    Raises:
        DataError: the file is missing, its header cannot be read, or it is no mask (lossy, rotated).
    """
    path = Path(path) if isinstance(path, str) else path
    if isinstance(path, Path) and path.suffix.lower() == ".npy":
        height, width = open_npy(path).shape[:2]
        return int(height), int(width)
    with opened(path) as image:
        _refuse_mask_file(image, path)
        return image.size[1], image.size[0]


def _refuse_mask_file(image: Image.Image, path: Path | Encoded) -> None:
    if image.format in LOSSY:
        raise DataError(
            f"{path}: a mask may not be {image.format}: it is lossy and invents labels at every edge. "
            "Export the mask again as PNG; converting this file does not bring the labels back."
        )
    if orientation(image) != 1:
        raise DataError(
            f"{path}: the mask has EXIF orientation {orientation(image)}, so which way up is unclear; "
            "expected none. Save it again without metadata, in the orientation of its image."
        )
    if ";16" in raw_mode(image) and not image.mode.startswith("I"):
        raise DataError(f"{path}: 16-bit colours are no labels; expected 8-bit RGB, palette or grey.")
    if len(page_numbers(image)) > 1:
        raise DataError(f"{path}: a mask of several pages; expected one. Save the page you mean.")
