"""Did image and mask move alike? Where labels change, images mostly do: their edges must still agree.

The agreement of a pair is how much steeper the image is along the borders between labels than elsewhere, and
where the two sets of edges fit best. Geometry that moves only one of them, or the two differently, leaves
borders on flat ground; or the best fit lies beside the middle.

No label is invented either: ids afterwards are ids from before, or void.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.transforms.operation import Pixels

REACH = 6
"""Offsets tried each way, pixels."""

NEAR = 2.0
"""Best fits up to so many pixels from the middle are no offset: borders in masks are drawn by hand."""

KEPT = 0.6
"""Share of the contrast that has to be left after an operation."""

ENOUGH = 300
"""With fewer pixels on label borders nothing is said."""

FAINT = 0.25
"""Contrasts below this say nothing: the labels follow no edges, or there are hardly any."""


@dataclass(frozen=True)
class Agreement:
    """How well the edges of an image and its mask agree."""

    contrast: float
    """Steepness along label borders over that elsewhere, minus 1; 0 where they have nothing to do with it."""

    borders: int
    """Pixels on label borders that were looked at."""

    offset: tuple[int, int]
    """(rows, columns) by which the mask would have to move to fit best."""

    def worse_than(self, before: "Agreement") -> str | None:
        """Say what is wrong compared with the pair before an operation; None where all is well."""
        if before.contrast < FAINT or min(self.borders, before.borders) < ENOUGH:
            return None
        if self.contrast < KEPT * before.contrast:
            return (
                f"the image is {self.contrast:+.0%} steeper along label borders than elsewhere; it was "
                f"{before.contrast:+.0%}"
            )
        if np.hypot(*self.offset) > NEAR + np.hypot(*before.offset):
            return f"labels and image fit best {self.offset} pixels (down, right) apart"
        return None


def edge_agreement(image: Pixels, mask: Pixels, void: int) -> Agreement:
    """Measure a pair.

    Args:
        image: (H, W, C), any dtype.
        mask: (H, W) train ids.
        void: borders with void are borders too, but not those of what lies outside the picture, which is
            void in a large area and is left out.
    """
    border, seen = _borders(mask), _seen(mask, void)
    steep = _steepness(image, seen)
    fits: dict[tuple[int, int], float] = {}
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            fits[down, right] = _contrast(steep, _moved(border, down, right), seen)
    # Ties and near ties go to the smallest offset.
    best = max(fits, key=lambda at: fits[at] - 0.01 * np.hypot(*at))
    return Agreement(fits[0, 0], int((border & seen).sum()), best)


def invented_labels(before: Pixels, after: Pixels, void: int) -> list[int]:
    """Return the ids that are in a mask after an operation but were not there before, void left out."""
    return sorted(set(np.unique(after).tolist()) - set(np.unique(before).tolist()) - {void})


def _steepness(image: Pixels, seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the gradient of the brightness (H, W) as ranks among what is seen: outliers decide not."""
    grey = cv2.GaussianBlur(image.astype(np.float32).mean(axis=2), (0, 0), 0.8)
    size = np.asarray(cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)))
    order = np.argsort(size[seen], kind="stable")
    ranked = np.empty(len(order), dtype=np.float32)
    ranked[order] = np.linspace(0, 1, len(order), dtype=np.float32)
    ranks = np.zeros(size.shape, dtype=np.float32)
    ranks[seen] = ranked
    return ranks


def _borders(mask: Pixels) -> NDArray[np.bool_]:
    """Mark pixels with another label to the right or below, and those on the other side."""
    border = np.zeros(mask.shape, dtype=np.bool_)
    right, below = mask[:, :-1] != mask[:, 1:], mask[:-1] != mask[1:]
    border[:, :-1] |= right
    border[:, 1:] |= right
    border[:-1] |= below
    border[1:] |= below
    return border


def _seen(mask: Pixels, void: int) -> NDArray[np.bool_]:
    """Mark what is not within or beside large void areas, nor at the frame."""
    wide = cv2.erode((mask == void).astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=1)
    near = cv2.dilate(wide, np.ones((15, 15), np.uint8))
    seen = np.asarray(near == 0)
    seen[: REACH + 2], seen[-REACH - 2 :], seen[:, : REACH + 2], seen[:, -REACH - 2 :] = (False,) * 4
    return seen


def _moved(border: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    return np.roll(border, (down, right), axis=(0, 1))


def _contrast(steep: NDArray[np.float32], border: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    on, off = steep[border & seen], steep[~border & seen]
    return float(on.mean() / max(float(off.mean()), 1e-6) - 1) if on.size and off.size else 0.0
