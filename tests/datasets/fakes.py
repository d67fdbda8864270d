"""What the makers of fake datasets share: small images, and masks of given ids or colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (6, 8)


def rng_of(path: Path) -> np.random.Generator:
    """A generator that follows from a file's name, so no two files are alike."""
    return np.random.default_rng(sum(position * ord(letter) for position, letter in enumerate(path.name, 1)))


def save_image(path: Path, size: tuple[int, int] = SIZE) -> None:
    """Write an RGB image of noise in the format that the name's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng_of(path).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def random_ids(path: Path, ids: Sequence[int], size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return a mask in which every id occurs at least once, (H, W)."""
    flat = rng_of(path).choice(np.array(ids, np.uint8), size[0] * size[1])
    flat[: len(ids)] = ids
    return flat.reshape(size)


def save_ids(path: Path, mask: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> None:
    """Write a mask of ids as grey PNG, or as palette PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    if palette is not None:
        image.putpalette(palette.tobytes())
    image.save(path)


def save_colors(path: Path, mask: NDArray[np.uint8], colors: Sequence[tuple[int, ...]]) -> None:
    """Write a mask of ids as the colours at their positions, RGB or RGBA."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(colors, np.uint8)[mask]).save(path)
