"""Objects in a mask: connected regions of one class."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.transforms.operation import Pixels

SMALLEST = 0.0005
"""Share of the picture below which a region is a speck and no object."""


@dataclass(frozen=True)
class Region:
    """One connected region."""

    label: int
    """Its train id."""

    area: int
    """Pixels."""

    place: tuple[slice, slice]
    """Rows and columns of its box."""

    inside: NDArray[np.bool_]
    """(box height, box width): which pixels of the box are its own."""


def find_objects(mask: Pixels, void: int, *, largest: float, classes: Sequence[int] = ()) -> list[Region]:
    """Return the regions of a mask, by class and then from top to bottom.

    Args:
        mask: (H, W) train ids.
        void: no class.
        largest: regions of a larger share of the picture are left out.
        classes: only these; empty for all.
    """
    found = []
    for label in np.unique(mask).tolist():
        if label == void or (classes and label not in classes):
            continue
        count, numbers, facts, _ = cv2.connectedComponentsWithStats((mask == label).astype(np.uint8))
        for number in range(1, count):
            left, top, width, height, area = (int(value) for value in facts[number])
            if SMALLEST * mask.size <= area <= largest * mask.size:
                place = slice(top, top + height), slice(left, left + width)
                found.append(Region(label, area, place, np.asarray(numbers[place] == number)))
    return found
