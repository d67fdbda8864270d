"""Reading a pair without ever refusing it: what can be read is returned, what cannot becomes a fault.

The strict readers of `core` go first, so a sound file is decoded once and as everywhere else. Only where they
refuse is a file looked at again, to say which of the many things is wrong with it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from terrazzo.core.errors import DataError
from terrazzo.core.image_files import LOSSY, opened, orientation, page_numbers, raw_mode, read_npy
from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets import SegmentationDataset
from terrazzo.inspect.facts import Fault
from terrazzo.inspect.sources import Item

_EXIF_WITHIN = 4096
_PNG_PALETTE = 3


@dataclass
class RawPair:
    """What came of the two files."""

    image: NDArray[Any] | None = None
    """(H, W, C), upright."""

    mask: NDArray[Any] | None = None
    """(H, W) ids or (H, W, 3) colours, as stored."""

    orientation: int = 1
    palette: NDArray[np.uint8] | None = None
    """(N, 3) colours of a palette mask."""

    faults: list[Fault] = field(default_factory=list)


def read_files(root: Path, item: Item) -> RawPair:
    """Read the two files of an item."""
    pair = RawPair()
    image, mask = root / item.image, root / item.mask
    try:
        pair.image = read_image(image)
        pair.orientation = _orientation(image)
    except DataError as error:
        pair.faults.append(_image_fault(image, error))
    try:
        pair.mask = read_mask(mask)
        pair.palette = _palette(mask)
    except DataError as error:
        pair.mask, fault = _lenient_mask(mask, error)
        pair.faults.append(fault)
    if pair.mask is not None and not np.issubdtype(pair.mask.dtype, np.integer):
        pair.faults.append(Fault("mask-not-labels", "mask", f"{item.mask}: {pair.mask.dtype} numbers"))
        pair.mask = None
    return pair


def read_item(dataset: SegmentationDataset, item: Item) -> RawPair:
    """Read an item through the dataset it belongs to."""
    pair = RawPair()
    try:
        pair.image, pair.mask, _ = dataset.read(item.index)
    except DataError as error:
        pair.faults.append(Fault(_damage(error), "image", str(error)))
    return pair


def _image_fault(path: Path, error: DataError) -> Fault:
    if "not finite" in str(error):
        return Fault("image-not-finite", "image", str(error))
    return Fault(_damage(error), "image", str(error))


def _damage(error: DataError) -> str:
    """Tell a file that stops too early from one that is something else altogether."""
    cause = error.__cause__
    if isinstance(cause, UnidentifiedImageError | FileNotFoundError):
        return "unreadable-file"
    return "truncated-file" if "truncated" in str(cause).lower() else "unreadable-file"


def _lenient_mask(path: Path, error: DataError) -> tuple[NDArray[Any] | None, Fault]:
    """Look again at a mask that was refused: its values, if they are any use, and the fault."""
    if path.suffix.lower() == ".npy" or error.__cause__ is not None:
        return None, Fault(_damage(error), "mask", str(error))
    with opened(path) as image:
        lossy, turned = image.format in LOSSY, orientation(image) != 1
        pages, deep = len(page_numbers(image)), ";16" in raw_mode(image)
        mode = image.mode
        values = np.asarray(image)
    if lossy:
        return _as_values(values, mode), Fault("lossy-mask", "mask", str(error))
    if turned:
        return _as_values(values, mode), Fault("mask-exif", "mask", str(error))
    if mode in {"RGBA", "LA", "PA"} and pages == 1 and not deep:
        return _as_values(values, mode), Fault("mask-alpha", "mask", f"{path.name}: not opaque everywhere")
    return None, Fault("mask-not-labels", "mask", str(error))


def _as_values(values: NDArray[Any], mode: str) -> NDArray[Any] | None:
    """Drop the alpha channel; nothing that is neither one number nor a colour per pixel is a mask."""
    if mode in {"LA", "PA"}:
        return values[..., 0]
    if mode == "RGBA":
        return values[..., :3]
    return values if mode in {"L", "P", "RGB", "1"} else None


def _orientation(path: Path) -> int:
    """Return the EXIF orientation that `read_image` applied; a look at the first bytes spares most files."""
    if path.suffix.lower() == ".npy":
        return 1
    head = _head(path, _EXIF_WITHIN)
    if b"Exif" not in head and b"eXIf" not in head:
        return 1
    with opened(path) as image:
        return 1 if image.format == "TIFF" else orientation(image)


def _palette(path: Path) -> NDArray[np.uint8] | None:
    """Return the colours of a palette PNG, and None for anything else."""
    head = _head(path, 26)
    if not head.startswith(b"\x89PNG") or head[25] != _PNG_PALETTE:
        return None
    with opened(path) as image:
        palette = image.getpalette()
    return None if palette is None else np.array(palette, dtype=np.uint8).reshape(-1, 3)


def _head(path: Path, count: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(count)


def read_anything(path: Path) -> NDArray[Any]:
    """Read an image whose values are not finite, for its repair.

    Raises:
        DataError: it cannot be read at all.
    """
    if path.suffix.lower() == ".npy":
        values = read_npy(path)
    else:
        with opened(path) as image:
            values = np.asarray(image)
    return values if values.ndim == 3 else values[..., None]
