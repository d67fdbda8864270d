"""Image and mask files to arrays and back. One reader for the whole project, so that all rooms see the same.

What `read_image` makes of a file, always (H, W, C), upright (EXIF rotation applied):

    grey, 1-bit (0 or 255), grey + alpha          uint8 (H, W, 1), alpha dropped
    RGB, palette, RGBA, CMYK, YCbCr               uint8 (H, W, 3), alpha dropped
    16-bit grey / RGB / RGBA                      uint16 (H, W, 1 or 3)
    float32 or 32-bit integer grey                float32 (H, W, 1)
    TIFF: RGB + a band that is not alpha          uint8 (H, W, 4)
    TIFF: several grey pages of one size          (H, W, pages); overviews are passed over
    .npy (H, W) or (H, W, C)                      as stored: uint8, uint16 or float32

A JPEG of which only a smaller version is wanted may be decoded at a fraction of its size (`at_least`).
Masks are decoded without any conversion, see `read_mask`.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core.errors import DataError, TerrazzoError
from terrazzo.core.image_files import (
    Encoded,
    open_npy,
    opened,
    orientation,
    page_numbers,
    raw_mode,
    read_npy,
    samples_per_pixel,
    shrink_on_load,
)
from terrazzo.core.mask_files import mask_size, read_mask
from terrazzo.core.quick_decode import quick_pixels

__all__ = ["IMAGE_SUFFIXES", "Encoded", "image_size", "mask_size", "read_image", "read_mask", "write_png"]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".npy", ".png", ".tif", ".tiff", ".webp")
"""File name endings, in lower case, that are taken for images."""

_PIXELS = (np.uint8, np.uint16, np.float32)


def read_image(path: str | Path | Encoded, *, at_least: tuple[int, int] | None = None) -> NDArray[Any]:
    """Read an image as (H, W, C), upright; the table at the top of this file says what comes of which file.

    Args:
        path: the file, or its contents.
        at_least: (H, W) that are enough: a JPEG may come at 1/2, 1/4 or 1/8 of its size, not below this.

    Returns:
        (H, W, C) uint8 in 0..255, uint16 in 0..65535 or finite float32; RGB when C is 3.

    Raises:
        DataError: the file is missing, damaged, truncated, too large, or of a kind with no defined result.
    """
    path = Path(path) if isinstance(path, str) else path
    if isinstance(path, Path) and path.suffix.lower() == ".npy":
        return _checked(read_npy(path), path)
    with opened(path) as image:
        turn = 1 if image.format == "TIFF" else orientation(image)  # Pillow itself turns a TIFF on load
        if at_least is not None:
            shrink_on_load(image, at_least, sideways=turn >= 5)
        pages = page_numbers(image)
        layers = [_read_page(image, page, path) for page in pages]
    if len({layer.shape for layer in layers}) > 1 or (len(layers) > 1 and layers[0].shape[2] > 1):
        shapes = ", ".join(str(layer.shape) for layer in layers[:4])
        raise DataError(
            f"{path}: {len(layers)} pages of shape {shapes}; expected one page, or grey pages of one size. "
            "Save the page you mean, or all of them as one .npy array (H, W, C)."
        )
    pixels = layers[0] if len(layers) == 1 else np.concatenate(layers, axis=2)
    return _checked(np.require(upright(pixels, turn), requirements=("C", "W")), path)


def image_size(path: str | Path | Encoded) -> tuple[int, int]:
    """Return (H, W) of an image as `read_image` gives it, from the header alone.

    Raises:
        DataError: the file is missing, or its header cannot be read.
    """
    path = Path(path) if isinstance(path, str) else path
    if isinstance(path, Path) and path.suffix.lower() == ".npy":
        height, width = open_npy(path).shape[:2]
        return int(height), int(width)
    with opened(path) as image:
        width, height = image.size
        turned = image.format != "TIFF" and orientation(image) >= 5
    return (width, height) if turned else (height, width)


def write_png(path: str | Path, array: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> None:
    """Write a PNG that `read_mask` and `read_image` give back unchanged.

    Compressed by run lengths alone: of label maps that is a tenth smaller and a third faster than Pillow's
    default, of photographs as small and three times as fast.

    Args:
        path: the file; its folder must exist.
        array: (H, W) uint8, bool or uint16; or (H, W, 1 | 3 | 4) uint8.
        palette: (N, 3) RGB colours, N <= 256: a uint8 (H, W) array is written as palette indices.

    Raises:
        TerrazzoError: the file cannot be written: no such folder, no permission, disk full.
        ValueError: no PNG holds such an array.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16) or (array.dtype == np.uint16 and array.ndim != 2):
        raise ValueError(f"No PNG holds {array.shape} {array.dtype}; expected uint8, or uint16 (H, W).")
    image = Image.fromarray(np.ascontiguousarray(array))
    if palette is not None:
        if array.dtype != np.uint8 or array.ndim != 2 or len(palette) > 256:
            raise ValueError(
                f"{len(palette)} colours for {array.shape} {array.dtype}; expected 256 at most, (H, W) uint8."
            )
        full = np.zeros((256, 3), dtype=np.uint8)  # a shorter one would be packed, and void 255 cut off
        full[: len(palette)] = palette
        image.putpalette(full.tobytes())
    try:
        image.save(path, format="PNG", compress_type=zlib.Z_RLE)
    except OSError as error:
        raise TerrazzoError(
            f"{path} cannot be written: {error.strerror or error}. Check that the folder exists, "
            "is writable, and that the disk has room."
        ) from error


def _read_page(image: Image.Image, page: int, path: Path | Encoded) -> NDArray[Any]:
    """Return one page as (H, W, C)."""
    if page != image.tell():
        image.seek(page)
    count = samples_per_pixel(image)
    if count > 4:
        raise DataError(
            f"{path}: {count} values per pixel in one TIFF page, of which not all can be read. "
            "Save the array as .npy (H, W, C), or each channel as a page."
        )
    quick = quick_pixels(image, path)
    if quick is not None:
        return quick
    stored, mode = raw_mode(image), image.mode
    image.load()
    if ";16" in stored and not mode.startswith("I"):
        return _read_16_bit_color(path, grey=mode == "LA")
    return _as_channels(image, path)


def _as_channels(image: Image.Image, path: Path | Encoded) -> NDArray[Any]:
    """Return a loaded page as (H, W, C) by the table at the top of this file."""
    mode = image.mode
    channels = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 4}
    if mode in channels:
        pixels = np.asarray(image)
        return pixels.reshape(*pixels.shape[:2], -1)[..., : channels[mode]]
    if mode == "1":
        return np.asarray(image).astype(np.uint8)[..., None] * np.uint8(255)
    if mode in {"P", "PA"}:  # by way of RGBA: Pillow warns about transparency otherwise
        return np.asarray(image.convert("RGBA"))[..., :3]
    if mode in {"CMYK", "YCbCr"}:
        return np.asarray(image.convert("RGB"))
    if mode in {"F", "I"} or mode.startswith("I;16"):
        dtype = np.uint16 if mode.startswith("I;16") else np.float32
        return np.asarray(image).astype(dtype)[..., None]
    raise DataError(f"{path}: pixels in Pillow mode {mode!r} have no defined result. Convert it to RGB PNG.")


def _read_16_bit_color(path: Path | Encoded, *, grey: bool) -> NDArray[np.uint16]:
    """Read 48- or 64-bit colour: Pillow would keep only the upper eight bits."""
    import cv2

    data = path.data if isinstance(path, Encoded) else path.read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise DataError(f"{path}: 16-bit colours that cannot be read. Save the array as .npy (H, W, C).")
    return np.asarray(pixels[..., :1] if grey else pixels[..., 2::-1], dtype=np.uint16)


def upright(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Undo the camera's rotation of (H, W) or (H, W, C); `turn` is the EXIF orientation 1..8."""
    if turn >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turn in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if turn in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels


def _checked(pixels: NDArray[Any], path: Path | Encoded) -> NDArray[Any]:
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    if pixels.dtype not in _PIXELS:
        raise DataError(f"{path}: {pixels.dtype} pixels; expected uint8, uint16 or float32. Save it as one.")
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        wrong = ~np.isfinite(pixels).all(axis=2)
        row, column = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        raise DataError(
            f"{path}: {int(wrong.sum())} pixels are not finite, the first at row {row}, column {column}. "
            "Fill them with a number; what is unknown belongs into the mask as void."
        )
    return pixels
