"""Presets of augmentation: a crop, and what a run usually does to it.

    plain      crop alone
    light      scale 0.8..1.25, crop, flip
    standard   scale 0.5..2, crop with category cap, flip, colours
    strong     standard with wider colours, small rotations, blur and noise

A transform is a function of image, mask and a generator of its own, so an equal generator gives equal bits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError, did_you_mean, unknown_name
from terrazzo.core.resize import Pixels
from terrazzo.transforms.geometric import Window, cut, cut_mask, draw_window, flip, rotate
from terrazzo.transforms.photometric import Jitter, add_noise, blur, jitter
from terrazzo.transforms.volumes import build_volume_transform

Transform = Callable[[NDArray[Any], NDArray[Any], np.random.Generator], tuple[NDArray[Any], NDArray[Any]]]

TRIES = 10
"""Windows drawn before a crop with too much of one class is accepted (as in DeepLab's and others' code)."""

_LOOK = 4  # the category cap counts every 4th pixel each way


@dataclass(frozen=True)
class Strength:
    """What a preset does; every field may be overridden by name in `build_transform`."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Crop pixels per source pixel, drawn evenly in the logarithm."""

    flip: float = 0.5
    """Chance of mirroring left and right."""

    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    """As in `photometric.Jitter`."""

    rotation: float = 0.0
    """Degrees, from -r to r, for half of the crops."""

    blur: float = 0.0
    """Largest Gaussian sigma in pixels, for a quarter of the crops."""

    noise: float = 0.0
    """Largest spread of noise as a share of the pixel range, for a quarter of the crops."""


PRESETS: dict[str, Strength] = {
    "plain": Strength(flip=0.0),
    "light": Strength(scale=(0.8, 1.25)),
    "standard": Strength(
        scale=(0.5, 2.0), brightness=0.12, contrast=0.25, gamma=0.15, saturation=0.3, hue=0.02
    ),
    "strong": Strength(
        scale=(0.5, 2.0),
        brightness=0.2,
        contrast=0.4,
        gamma=0.3,
        saturation=0.5,
        hue=0.05,
        rotation=8.0,
        blur=1.2,
        noise=0.03,
    ),
}
"""Strengths by name."""


@dataclass(frozen=True)
class CropTransform:
    """Image and mask of any size to a crop of one size. Pickles, so worker processes can have it."""

    strength: Strength
    crop: tuple[int, int]
    ignore_index: int
    num_classes: int
    max_share: float

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return image (h, w, C) and mask (h, w), new arrays of the dtypes that came in.

        Args:
            image: (H, W, C) uint8, uint16 or float32.
            mask: (H, W) train ids.
            rng: this sample's own generator.
        """
        image, mask = cut(image, mask, self.choose_window(mask, rng), self.crop, self.ignore_index)
        if rng.random() < self.strength.flip:
            image, mask = flip(image, mask)
        if self.strength.rotation and rng.random() < 0.5:
            degrees = rng.uniform(-self.strength.rotation, self.strength.rotation)
            image, mask = rotate(image, mask, degrees, self.ignore_index)
        return self.recolor(image, rng), mask

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a call that also keeps the worker's OpenCV to one thread."""
        facts = (self.strength, self.crop, self.ignore_index, self.num_classes, self.max_share)
        return _single_threaded, facts

    def choose_window(self, mask: Pixels, rng: np.random.Generator) -> Window:
        """Draw windows until no class fills more than `max_share` of the labelled part, ten at most."""
        for _ in range(TRIES):
            window = draw_window(mask.shape, self.crop, self.draw_scale(rng), rng)
            if self.max_share >= 1 or self._largest_share(cut_mask(mask, window, _LOOK)) <= self.max_share:
                break
        return window

    def draw_scale(self, rng: np.random.Generator) -> float:
        """Draw crop pixels per source pixel, evenly in the logarithm."""
        low, high = np.log(self.strength.scale)
        return float(np.exp(rng.uniform(low, high)))

    @property
    def recolors(self) -> bool:
        """Whether colours may change at all."""
        s = self.strength
        return any((s.brightness, s.contrast, s.gamma, s.saturation, s.hue, s.blur, s.noise))

    def _largest_share(self, look: Pixels) -> float:
        counts = np.bincount(look[look != self.ignore_index].ravel(), minlength=1)
        return float(counts.max() / max(counts.sum(), 1))

    def recolor(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Return the crop in other light, blurred and noisy, as far as the preset goes."""
        s = self.strength
        amount = Jitter(s.brightness, s.contrast, s.gamma, s.saturation, s.hue)
        if amount != Jitter():
            image = jitter(image, amount, rng)
        if s.blur and rng.random() < 0.25:
            image = blur(image, rng.uniform(0, s.blur))
        if s.noise and rng.random() < 0.25:
            image = add_noise(image, rng.uniform(0, s.noise), rng)
        return image


def build_transform(
    preset: str,
    *,
    crop: tuple[int, ...],
    ignore_index: int,
    num_classes: int,
    max_share: float = 0.75,
    operations: Sequence[Mapping[str, Any]] = (),
    class_names: Sequence[str] = (),
    **options: Any,
) -> Transform:
    """Build the transform of a preset; also keeps OpenCV to one thread, since workers are the parallel part.

    Args:
        preset: a key of `PRESETS`.
        crop: (h, w) of what comes out, pixels; (d, h, w) makes a transform of volumes (see `volumes.py`).
        ignore_index: the train id of void; fills the mask outside the source.
        num_classes: K.
        max_share: no class fills more than this share of a crop's labelled pixels, where ten tries avoid it.
        operations: what more is done, in order: `kind`, `strength`, `probability` and `options` of each (see
            `listing`).
        class_names: in train-id order, for operations that name classes.
        **options: fields of `Strength` that differ from the preset's.

    Raises:
        RequestError: an unknown preset, option or operation (with the closest match), or an impossible value.
    """
    if len(crop) == 3:
        _refuse_operations(operations)
        return build_volume_transform(
            preset, crop=crop, ignore_index=ignore_index, max_share=max_share, **options
        )
    height, width = crop
    if preset not in PRESETS:
        raise unknown_name("transform preset", preset, PRESETS)
    known = [field.name for field in fields(Strength)]
    for name in options:
        if name not in known:
            raise RequestError(f"Transforms have no option {name!r}: {did_you_mean(name, known)}")
    if min(crop) < 1 or not 0 < max_share <= 1:
        raise RequestError(
            f"crop {tuple(crop)}, max_share {max_share}; expected pixels, and a share in (0, 1]."
        )
    if isinstance(options.get("scale"), list):
        options["scale"] = tuple(options["scale"])
    strength = replace(PRESETS[preset], **options)
    _check(strength)
    base = _single_threaded(strength, (int(height), int(width)), ignore_index, num_classes, max_share)
    if not operations:
        return base
    from terrazzo.transforms.listing import build_pipeline  # it knows this file

    return build_pipeline(base, operations, class_names)


def _refuse_operations(operations: Sequence[Mapping[str, Any]]) -> None:
    if operations:
        kinds = ", ".join(str(operation.get("kind")) for operation in operations)
        raise RequestError(
            f"transforms.operations lists {kinds}, but operations are for images and these data are volumes; "
            "expected none. Choose a preset and its options instead."
        )


def _single_threaded(*facts: Any) -> CropTransform:
    cv2.setNumThreads(0)
    return CropTransform(*facts)


def _check(strength: Strength) -> None:
    scale = strength.scale
    if not (isinstance(scale, tuple) and len(scale) == 2 and 0 < scale[0] <= scale[1]):
        raise RequestError(f"scale is {scale!r}; expected two factors, the smaller first, as (0.5, 2.0).")
    for field in fields(Strength):
        value = getattr(strength, field.name)
        if field.name != "scale" and not (isinstance(value, int | float) and value >= 0):
            raise RequestError(f"{field.name} is {value!r}; expected a number of 0 or more.")
    if strength.flip > 1 or strength.contrast > 1 or strength.saturation > 1:
        raise RequestError("flip, contrast and saturation are shares; expected 1 at most.")
