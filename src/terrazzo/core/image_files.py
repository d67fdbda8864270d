"""Opening image files safely: which formats are read at all, and one clear error for each that cannot be.

`terrazzo.core.images` turns what is opened here into arrays; nothing else in the project opens an image.
"""

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from terrazzo.core.errors import DataError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
"""What Pillow may decode; its many other decoders are never tried."""

LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats that may change pixel values. MPO is the JPEG that many phones write."""

JPEGS = ("JPEG", "MPO")
"""Formats that can be decoded at a fraction of their size."""

ORIENTATION = 274
_SUBFILE_TYPE, _SAMPLES_PER_PIXEL = 254, 277
_REDUCED_OR_MASK = 1 | 4
_WARNINGS = threading.Lock()  # catch_warnings changes the whole process for a moment


@dataclass(frozen=True)
class Encoded:
    """An image file that lies in memory, for instance in a column of a table."""

    name: str
    """What messages call it."""

    data: bytes = field(repr=False)
    """PNG, JPEG, ... as it would lie on disk."""

    def __str__(self) -> str:
        return self.name


@contextmanager
def opened(path: Path | Encoded) -> Iterator[Image.Image]:
    """Open an image file; whatever goes wrong inside the block ends in one `DataError` naming the file.

    Raises:
        DataError: the file is missing, of another format, too large, truncated or damaged.
    """
    try:
        with _open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: {error} At most {Image.MAX_IMAGE_PIXELS} pixels are read at once: cut it into tiles, "
            "or raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not an image that can be read; expected PNG, JPEG, TIFF, BMP, WebP or .npy. "
            "Check that the file is complete, or convert it."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(
            f"{path}: the image is truncated or damaged ({error}). Copy or download it again, or remove it."
        ) from error


def _open(path: Path | Encoded) -> Image.Image:
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(BytesIO(path.data) if isinstance(path, Encoded) else path, formats=FORMATS)


def shrink_on_load(image: Image.Image, at_least: tuple[int, int], *, sideways: bool) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8: the smallest that has `at_least` (H, W) pixels both ways.

    libjpeg leaves out the high frequencies of each 8 x 8 block, so a scaled image is near the average of its
    pixels (50 dB and more, measured). Other formats are left as they are. Before load only.

    Args:
        image: as `opened` gives it.
        at_least: (H, W) upright.
        sideways: whether the camera's rotation swaps rows and columns.
    """
    if image.format not in JPEGS:
        return
    height, width = reversed(at_least) if sideways else at_least
    for part in (8, 4, 2):
        if -(-image.height // part) >= height and -(-image.width // part) >= width:
            # Pillow itself would leave an odd side whole: it asks for sides / part, rounded down.
            image.draft(image.mode, (max(1, image.width // part), max(1, image.height // part)))
            return


def raw_mode(image: Image.Image) -> str:
    """Return how the file stores its pixels (`RGB;16B`, `L;4`), beyond Pillow's mode; before load only."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return image.mode
    args = tiles[0][3]
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else image.mode


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8 as the header has it (1 = upright), without decoding the pixels."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return int(tags.get(ORIENTATION, 1))
    if "exif" not in image.info:  # Pillow would decode a whole PNG in search of one
        return 1
    return int(image.getexif().get(ORIENTATION, 1))


def page_numbers(image: Image.Image) -> list[int]:
    """Return the pages that hold the image itself, not the overviews and transparency masks of a TIFF."""
    if image.format != "TIFF":
        return [0]
    pages = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        if not int(_tag(image, _SUBFILE_TYPE, 0)) & _REDUCED_OR_MASK:
            pages.append(number)
    return pages or [0]


def samples_per_pixel(image: Image.Image) -> int:
    """Return how many numbers a TIFF stores per pixel; elsewhere what Pillow's mode has."""
    return int(_tag(image, _SAMPLES_PER_PIXEL, len(image.getbands())))


def _tag(image: Image.Image, number: int, default: int) -> int:
    tags = getattr(image, "tag_v2", None) or {}
    return int(tags.get(number, default))


def open_npy(path: Path) -> NDArray[Any]:
    """Map a .npy array (H, W) or (H, W, C) of numbers without reading its pixels.

    Raises:
        DataError: the file is missing, cut short, holds Python objects, or another number of dimensions.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a complete .npy array of numbers ({error}). Save it again.") from error
    if array.ndim not in {2, 3}:
        raise DataError(f"{path}: an array of shape {array.shape}; expected (H, W) or (H, W, C).")
    return array


def read_npy(path: Path) -> NDArray[Any]:
    """Read a .npy array (H, W) or (H, W, C) in native byte order, truth values as 0 and 1."""
    stored = open_npy(path)
    return np.array(stored, dtype=native(stored.dtype))


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in native byte order; truth values become uint8."""
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")
