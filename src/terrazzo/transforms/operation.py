"""What an operation is: a function that draws, and the object it draws, which holds every sampled number.

A drawn object is frozen and says all: applied twice it gives the same bits, and a contact sheet can write
down what happened. It is one of these:

    Move      a 3 x 3 matrix                        rotate, flip, perspective, ...
    Bend      a field of displacements              elastic, grid_distortion
    Paint     pixels change, labels do not          fog, blur, color_jitter, ...
    Erase     pixels go, and perhaps labels         cutout, mask_dropout
    Mix       parts of other samples come in        cutmix, mosaic, ...

Shapes: H and W of what is worked on, C channels. Textures are made from a key that was drawn, never from
anything global.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
Matrix = NDArray[np.float64]
Field = NDArray[np.float32]

HORIZON = 0.45
"""Where road pictures have their horizon, as a share of the height; weather knows no better."""


@dataclass(frozen=True)
class View:
    """Where a crop lies in its scene, and what its values mean."""

    horizon: float
    """Row of the horizon, pixels of the crop; may lie outside."""

    ground: float
    """Row of the lower edge of the whole picture, pixels of the crop."""

    low: float
    """Black."""

    high: float
    """White."""


@runtime_checkable
class Move(Protocol):
    """Geometry that keeps straight lines straight."""

    def matrix(self, size: tuple[int, int]) -> Matrix:
        """Return the 3 x 3 matrix from old to new (x, y, 1), pixel centres at whole numbers."""


@runtime_checkable
class Bend(Protocol):
    """Geometry that does not."""

    def displacement(self, size: tuple[int, int]) -> Field:
        """Return (H, W, 2): how far from a new pixel its old place is, as (x, y) in pixels."""


@runtime_checkable
class Paint(Protocol):
    """Another look of the same scene."""

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Return a new image (H, W, C) of the same dtype."""


@runtime_checkable
class Erase(Protocol):
    """Less of the same scene."""

    def erase(self, image: Pixels, mask: Pixels, void: int) -> tuple[Pixels, Pixels]:
        """Return a new image (H, W, C) and mask (H, W)."""


@runtime_checkable
class Mix(Protocol):
    """Several scenes in one picture."""

    @property
    def partners(self) -> int:
        """How many other samples it takes."""

    def mix(
        self, image: Pixels, mask: Pixels, others: Sequence[tuple[Pixels, Pixels]], void: int
    ) -> tuple[Pixels, Pixels]:
        """Return a new image (H, W, C) and mask (H, W); the others have the same sizes."""


Drawn = Move | Bend | Paint | Erase | Mix


def draw_key(rng: np.random.Generator) -> int:
    """Draw what a texture is made from."""
    return int(rng.integers(2**62))


def keyed(key: int) -> np.random.Generator:
    """Return the generator that belongs to a drawn key."""
    return np.random.Generator(np.random.Philox(key))


def signed(rng: np.random.Generator) -> float:
    """Draw -1 or 1."""
    return 1.0 if rng.random() < 0.5 else -1.0


def as_share(image: Pixels, view: View) -> NDArray[np.float32]:
    """Return an image as float32 with black at 0 and white at 1."""
    span = (view.high - view.low) or 1.0
    share = image.astype(np.float32)
    if view.low:
        share -= np.float32(view.low)
    share *= np.float32(1 / span)
    return share


def from_share(share: NDArray[np.float32], like: Pixels, view: View) -> Pixels:
    """Return what `as_share` gave in the dtype and shape of an image, clipped to its range."""
    span = (view.high - view.low) or 1.0
    values = np.clip(share.reshape(like.shape), 0, 1) * np.float32(span) + np.float32(view.low)
    if like.dtype.kind == "u":
        values += np.float32(0.5)
    return np.asarray(values.astype(like.dtype))


def tint(color: tuple[float, float, float], channels: int) -> NDArray[np.float32]:
    """Return a colour (C,) for images of 3 channels, or its brightness for any other number."""
    rgb = np.array(color, dtype=np.float32)
    return rgb if channels == 3 else np.full(channels, rgb.mean(), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> NDArray[np.float32]:
    """Return clouds (H, W) in 0..1: random numbers at so many cells per shorter side, made smooth."""
    import cv2

    height, width = size
    cell = max(1.0, min(size) / cells)
    coarse = rng.random((int(height / cell) + 2, int(width / cell) + 2), dtype=np.float32)
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(fine, 0, 1), dtype=np.float32)
