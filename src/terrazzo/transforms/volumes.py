"""Crops of volumes: a box at random, flips along its sides, and changes of brightness, contrast and noise.

The presets have the names of those for images (`presets.py`):

    light      crop with category cap, flips
    standard   light, and brightness and contrast
    strong     standard with wider changes, and noise

Shapes: D x H x W the volume, d x h x w the crop, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError, did_you_mean, unknown_name
from terrazzo.transforms.photometric import Jitter, add_noise, jitter

Pixels = NDArray[Any]

TRIES = 10
"""Boxes drawn for one that has not too much of one class; of ten with too much, the least is taken."""

_LOOK = 2  # the category cap counts every second voxel along each side


@dataclass(frozen=True)
class VolumeStrength:
    """What a preset does; every field may be overridden by name."""

    flip: float = 0.5
    """Chance of mirroring, along each side by itself; 0 where left and right must be told apart."""

    brightness: float = 0.0
    contrast: float = 0.0
    """As in `photometric.Jitter`; for other types than uint8 relative to the range of the crop."""

    noise: float = 0.0
    """Largest spread of noise as a share of the range, for a quarter of the crops."""


VOLUME_PRESETS: dict[str, VolumeStrength] = {
    "light": VolumeStrength(),
    "standard": VolumeStrength(brightness=0.1, contrast=0.2),
    "strong": VolumeStrength(brightness=0.2, contrast=0.4, noise=0.05),
}
"""Strengths by name."""


@dataclass(frozen=True)
class VolumeTransform:
    """Volume and mask of any size to a crop of one size."""

    strength: VolumeStrength
    crop: tuple[int, int, int]
    ignore_index: int
    max_share: float

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return image (d, h, w, C) and mask (d, h, w), new arrays of the dtypes that came in.

        Args:
            image: (D, H, W, C) uint8, uint16 or float32; around it is its smallest value (air, as a rule).
            mask: (D, H, W) train ids; around it is void.
            rng: this sample's own generator.
        """
        corner = self._choose_corner(mask, rng)
        labels = cut_box(mask, corner, self.crop, self.ignore_index)
        pixels = cut_box(image, corner, self.crop, image.min())
        for side in range(3):
            if rng.random() < self.strength.flip:
                labels, pixels = np.flip(labels, side), np.flip(pixels, side)
        pixels, labels = np.ascontiguousarray(pixels), np.ascontiguousarray(labels)
        return self._recolor(pixels, rng), labels

    def _choose_corner(self, mask: Pixels, rng: np.random.Generator) -> tuple[int, ...]:
        best: tuple[int, ...] = (0, 0, 0)
        least = np.inf
        for _ in range(TRIES):
            corner = tuple(_draw(have, want, rng) for have, want in zip(mask.shape, self.crop, strict=True))
            share = self._largest_share(mask, corner) if self.max_share < 1 else 0.0
            if share < least:
                best, least = corner, share
            if least <= self.max_share:
                break
        return best

    def _largest_share(self, mask: Pixels, corner: Sequence[int]) -> float:
        box = tuple(slice(max(c, 0), max(c + s, 0), _LOOK) for c, s in zip(corner, self.crop, strict=True))
        look = mask[box]
        counts = np.bincount(look[look != self.ignore_index].ravel(), minlength=1)
        return float(counts.max() / max(counts.sum(), 1))

    def _recolor(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        s = self.strength
        if s.brightness or s.contrast:
            flat = image.reshape(-1, *image.shape[2:])  # what works on rows works on the rows of all slices
            image = jitter(flat, Jitter(s.brightness, s.contrast), rng).reshape(image.shape)
        if s.noise and rng.random() < 0.25:
            image = add_noise(image, rng.uniform(0, s.noise), rng)
        return image


def build_volume_transform(
    preset: str, *, crop: tuple[int, ...], ignore_index: int, max_share: float, **options: Any
) -> VolumeTransform:
    """Build the transform of a preset for volumes; arguments and errors as `build_transform`.

    Args:
        preset: a key of `VOLUME_PRESETS`.
        crop: (d, h, w) of what comes out, voxels.
        ignore_index: the train id of void; fills the mask outside the source.
        max_share: no class fills more than this share of a crop's labelled voxels, where ten tries avoid it.
        **options: fields of `VolumeStrength` that differ from the preset's.

    Raises:
        RequestError: an unknown preset or option (with the closest match), or an impossible value.
    """
    if preset not in VOLUME_PRESETS:
        raise unknown_name("transform preset", preset, VOLUME_PRESETS)
    known = [field.name for field in fields(VolumeStrength)]
    for name, value in options.items():
        if name not in known:
            raise RequestError(f"Transforms of volumes have no option {name!r}: {did_you_mean(name, known)}")
        if not isinstance(value, int | float) or value < 0 or (name in {"flip", "contrast"} and value > 1):
            raise RequestError(
                f"{name} is {value!r}; expected a number of 0 or more, and 1 at most for shares."
            )
    if min(crop) < 1 or not 0 < max_share <= 1:
        raise RequestError(f"crop {crop}, max_share {max_share}; expected voxels, and a share in (0, 1].")
    depth, height, width = crop
    strength = replace(VOLUME_PRESETS[preset], **options)
    return VolumeTransform(strength, (depth, height, width), ignore_index, max_share)


def cut_box(array: Pixels, corner: Sequence[int], size: tuple[int, int, int], value: float) -> Pixels:
    """Return the box (d, h, w, ...) at a corner, which may reach over the array; there it has the value."""
    out = np.full((*size, *array.shape[3:]), value, dtype=array.dtype)
    source, target = [], []
    for first, want, have in zip(corner, size, array.shape[:3], strict=True):
        start, stop = max(first, 0), min(first + want, have)
        source.append(slice(start, stop))
        target.append(slice(start - first, stop - first))
    out[tuple(target)] = array[tuple(source)]
    return out


def _draw(have: int, want: int, rng: np.random.Generator) -> int:
    """Draw the first voxel of a side: within a larger volume, or around a smaller one."""
    return int(rng.integers(min(0, have - want), max(0, have - want) + 1))
