"""Mixing: CutMix, ClassMix, copy-paste and mosaic. Parts of other samples come in, with their labels.

Every part keeps its own pixels and labels: nothing is averaged but a soft seam of copied objects, one pixel
wide. The other samples are crops of the same size that went through the same transform.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.transforms.objects import find_objects
from terrazzo.transforms.operation import Pixels

Others = Sequence[tuple[Pixels, Pixels]]
Mixed = tuple[Pixels, Pixels]


@dataclass(frozen=True)
class CutMix:
    """A rectangle of another sample. Yun et al., 2019; French et al., 2020, for segmentation."""

    box: tuple[float, float, float, float]
    """(top, left, height, width) as shares of the picture."""

    partners: int = 1

    def mix(self, image: Pixels, mask: Pixels, others: Others, _void: int) -> Mixed:
        """Paste the rectangle where it was."""
        top, left, height, width = self.box
        rows = slice(round(top * mask.shape[0]), round((top + height) * mask.shape[0]))
        columns = slice(round(left * mask.shape[1]), round((left + width) * mask.shape[1]))
        inside = np.zeros(mask.shape, dtype=np.bool_)
        inside[rows, columns] = True
        return _pasted(image, mask, others[0], inside)


def draw_cutmix(amount: float, rng: np.random.Generator, *, share: float = 0.5) -> CutMix:
    """Draw a rectangle.

    Args:
        amount: 0..1.
        rng: draws its shape and place.
        share: of the picture that it covers at amount 1.
    """
    side, stretch = np.sqrt(share * amount), 1.5 ** rng.uniform(-1, 1)
    height, width = min(1.0, float(side * stretch)), min(1.0, float(side / stretch))
    return CutMix((float(rng.random() * (1 - height)), float(rng.random() * (1 - width)), height, width))


@dataclass(frozen=True)
class ClassMix:
    """Some of another sample's classes, everywhere they are. Olsson et al., ClassMix, 2021."""

    share: float
    """Of its classes."""

    order: tuple[float, ...]
    """Numbers in 0..1, one per class in turn: those with the smallest come in."""

    partners: int = 1

    def mix(self, image: Pixels, mask: Pixels, others: Others, void: int) -> Mixed:
        """Paste the chosen classes, rounded to a whole number of them."""
        labels = others[0][1]
        present = [label for label in np.unique(labels).tolist() if label != void]
        ranked = sorted(present, key=lambda label: self.order[label % len(self.order)])
        chosen = ranked[: round(self.share * len(present))]
        return _pasted(image, mask, others[0], np.isin(labels, chosen))


def draw_classmix(amount: float, rng: np.random.Generator, *, share: float = 0.8) -> ClassMix:
    """Draw which classes.

    Args:
        amount: 0..1.
        rng: draws the order of classes.
        share: of the classes at amount 1; the paper takes half.
    """
    return ClassMix(share * amount, tuple(rng.random(64).tolist()))


@dataclass(frozen=True)
class CopyPaste:
    """Objects of another sample, with a soft seam. Ghiasi et al., Simple Copy-Paste, 2021."""

    chance: float
    """Of each object."""

    largest: float
    """Share of the picture above which a region is no object."""

    classes: tuple[int, ...]
    order: tuple[float, ...]
    """Numbers in 0..1 that decide, one per object in turn."""

    partners: int = 1

    def mix(self, image: Pixels, mask: Pixels, others: Others, void: int) -> Mixed:
        """Paste each chosen object where it stood: things keep their place in a road scene."""
        inside = np.zeros(mask.shape, dtype=np.bool_)
        objects = find_objects(others[0][1], void, largest=self.largest, classes=self.classes)
        for count, found in enumerate(objects):
            if self.order[count % len(self.order)] < self.chance:
                inside[found.place] |= found.inside
        return _pasted(image, mask, others[0], inside, soft=True)


def draw_copy_paste(
    amount: float, rng: np.random.Generator, *, largest: float = 0.2, classes: tuple[int, ...] = ()
) -> CopyPaste:
    """Draw which objects.

    Args:
        amount: 0..1, the chance of each object.
        rng: draws one number for each of up to 64 objects; further ones repeat them.
        largest: regions above this share of the picture are background and are not copied.
        classes: names or train ids; by default all.
    """
    return CopyPaste(amount, largest, tuple(classes), tuple(rng.random(64).tolist()))


@dataclass(frozen=True)
class Mosaic:
    """Four samples around a point; each shows what it has in that corner. Bochkovskiy et al., 2020."""

    center: tuple[float, float]
    """(row, column) as shares of the picture."""

    own: int
    """Which corner is the sample's own: 0 upper left, 1 upper right, 2 lower left, 3 lower right."""

    partners: int = 3

    def mix(self, image: Pixels, mask: Pixels, others: Others, _void: int) -> Mixed:
        """Fill the three other corners."""
        row, column = (round(share * side) for share, side in zip(self.center, mask.shape, strict=True))
        out, labels = image.copy(), mask.copy()
        corners = [corner for corner in range(4) if corner != self.own]
        for corner, (other, ids) in zip(corners, others, strict=True):
            rows = slice(row, None) if corner >= 2 else slice(0, row)
            columns = slice(column, None) if corner % 2 else slice(0, column)
            out[rows, columns], labels[rows, columns] = other[rows, columns], ids[rows, columns]
        return out, labels


def draw_mosaic(amount: float, rng: np.random.Generator) -> Mosaic:
    """Draw the point; the own corner shrinks with the amount, to about a quarter of the picture at 1."""
    own = int(rng.integers(4))
    height, width = (1 - amount * rng.uniform(0.4, 0.6, 2)).tolist()
    return Mosaic((1 - height if own >= 2 else height, 1 - width if own % 2 else width), own)


def _pasted(
    image: Pixels,
    mask: Pixels,
    other: tuple[Pixels, Pixels],
    inside: NDArray[np.bool_],
    *,
    soft: bool = False,
) -> Mixed:
    """Take pixels and labels of the other sample where `inside` is true."""
    labels = np.where(inside, other[1], mask)
    if not soft:
        return np.where(inside[..., None], other[0], image), labels
    share = cv2.GaussianBlur(inside.astype(np.float32), (3, 3), 0.8)[..., None]
    mixed = image.astype(np.float32) * (1 - share) + other[0].astype(np.float32) * share
    if image.dtype.kind == "u":
        mixed += np.float32(0.5)
    return np.asarray(mixed.astype(image.dtype)), labels
