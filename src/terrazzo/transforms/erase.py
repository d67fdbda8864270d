"""Erasing: cutout (holes anywhere) and mask dropout (whole labelled objects, which become void).

DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
"""

from dataclasses import dataclass

import numpy as np

from terrazzo.transforms.geometric import pad_value
from terrazzo.transforms.objects import find_objects
from terrazzo.transforms.operation import Pixels


@dataclass(frozen=True)
class Cutout:
    """Grey holes; labels stay, so that the network learns to complete, or become void."""

    holes: tuple[tuple[float, float, float, float], ...]
    """(top, left, height, width) as shares of the picture."""

    void: bool

    def erase(self, image: Pixels, mask: Pixels, void: int) -> tuple[Pixels, Pixels]:
        """Fill the holes with the padding's grey."""
        out, labels = image.copy(), mask.copy()
        sides = np.array([*mask.shape, *mask.shape])
        for hole in self.holes:
            top, left, height, width = np.rint(np.array(hole) * sides).astype(int).tolist()
            place = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
            out[place] = pad_value(image.dtype)
            if self.void:
                labels[place] = void
        return out, labels


def draw_cutout(
    amount: float, rng: np.random.Generator, *, holes: int = 6, share: float = 0.5, void: bool = False
) -> Cutout:
    """Draw holes of one size.

    Args:
        amount: 0..1.
        rng: draws number, shapes and places.
        holes: at most so many, one at least.
        share: of the picture that they cover at amount 1, together, where they do not overlap.
        void: whether labels under them count for nothing.
    """
    count = int(rng.integers(1, holes + 1))
    side = np.sqrt(share * amount / count)
    drawn = []
    for _ in range(count):
        stretch = float(1.5 ** rng.uniform(-1, 1))
        height, width = min(1.0, float(side * stretch)), min(1.0, float(side / stretch))
        drawn.append((rng.random() * (1 - height), rng.random() * (1 - width), height, width))
    return Cutout(tuple(drawn), void)


@dataclass(frozen=True)
class MaskDropout:
    """Whole objects go: grey in the image, void in the mask. Nothing is to be learned where they were."""

    chance: float
    """Of each object."""

    largest: float
    """Larger regions are no objects; share of the picture."""

    classes: tuple[int, ...]
    """Only these; empty for all."""

    order: tuple[float, ...]
    """Numbers in 0..1 that decide, one per object in turn."""

    def erase(self, image: Pixels, mask: Pixels, void: int) -> tuple[Pixels, Pixels]:
        """Drop the objects whose number lies below the chance."""
        out, labels = image.copy(), mask.copy()
        objects = find_objects(mask, void, largest=self.largest, classes=self.classes)
        for count, found in enumerate(objects):
            if self.order[count % len(self.order)] < self.chance:
                place = found.place
                out[place][found.inside] = pad_value(image.dtype)
                labels[place][found.inside] = void
        return out, labels


def draw_mask_dropout(
    amount: float, rng: np.random.Generator, *, largest: float = 0.2, classes: tuple[int, ...] = ()
) -> MaskDropout:
    """Draw which objects go.

    Args:
        amount: 0..1, the chance of each object.
        rng: draws one number for each of up to 64 objects; further ones repeat them.
        largest: regions above this share of the picture are background and stay.
        classes: names or train ids; by default all.
    """
    return MaskDropout(amount, largest, tuple(classes), tuple(rng.random(64).tolist()))
