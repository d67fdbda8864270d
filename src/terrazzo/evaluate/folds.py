"""Divide images into folds that share as little as possible: what is chosen on some is judged on another.

Whole groups where there are several (the largest first, into the fold that has fewest images); else runs of
consecutive images, for neighbours are alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import RequestError
from terrazzo.metrics.units import Units


@dataclass(frozen=True, eq=False)
class Folds:
    """Which image is in which fold."""

    fold: NDArray[np.int64]
    """(N,) fold of each image, in the order of the units' members."""

    words: str
    """What was kept whole."""

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self.fold.max()) + 1


def divide(units: Units, folds: int) -> Folds:
    """Divide images into folds; the same images are always divided alike.

    Args:
        units: what is independent; whole groups stay together.
        folds: how many, 2 or more; fewer where there are fewer groups or images.

    Raises:
        RequestError: fewer than two folds, or fewer than two images.
    """
    if folds < 2 or len(units.order) < 2:
        raise RequestError(
            f"Choosing on some images and judging on others needs two folds and two images; {folds} folds "
            f"and {len(units.order)} image{'' if len(units.order) == 1 else 's'} were given. Give more."
        )
    if units.kind == "group":
        sizes_U = np.bincount(units.member)
        fold_U = _balanced(sizes_U.tolist(), min(folds, len(sizes_U)))
        return Folds(fold_U[units.member], f"whole groups ({len(sizes_U)})")
    images = len(units.order)
    count = min(folds, images)
    return Folds(np.arange(images) * count // images, "runs of consecutive images")


def _balanced(sizes: Sequence[int], folds: int) -> NDArray[np.int64]:
    """Return the fold of each group (U,)."""
    fold_U, filled = np.zeros(len(sizes), np.int64), [0] * folds
    for unit in sorted(range(len(sizes)), key=lambda unit: (-sizes[unit], unit)):
        fold_U[unit] = filled.index(min(filled))
        filled[fold_U[unit]] += sizes[unit]
    return fold_U
