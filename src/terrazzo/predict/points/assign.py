"""From labelled pixels to labelled points."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.predict.points.cluster import NONE
from terrazzo.predict.points.project import Projection


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of an image's pixels."""

    ids: NDArray[Any]
    """(H, W) train ids, void among them."""

    confidence: NDArray[np.float32]
    """(H, W): the probability of that class, 0..1; 1 of a mask."""

    void: int
    """The train id of void."""


def assign(
    prior: Prior, projection: Projection, *, erode: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give each point the class and the confidence of the pixel it falls into.

    Args:
        prior: of the image.
        projection: of the points.
        erode: pixels at the border between two classes that give their points no class, on either side.

    Returns:
        (N,) train ids, and (N,) confidence in 0..1. Points behind the camera, outside the frame or in void
        have -1 and 0.

    Raises:
        DataError: no point falls into the image.
    """
    if not projection.inside.any():
        height, width = prior.ids.shape
        raise DataError(
            f"None of the {len(projection.inside)} points falls into the image ({width} x {height} pixels); "
            "expected the scan, the calibration and the image of one frame."
        )
    known = prior.ids != prior.void
    if erode:
        known &= ~_near_border(prior.ids, erode)
    usable = projection.inside & known[projection.row, projection.column]
    labels = np.where(usable, prior.ids[projection.row, projection.column].astype(np.int32), np.int32(NONE))
    confidence = np.where(usable, prior.confidence[projection.row, projection.column], np.float32(0))
    return labels.astype(np.int32), confidence.astype(np.float32)


def _near_border(ids_HW: NDArray[Any], pixels: int) -> NDArray[np.bool_]:
    """Mark pixels that have another class within a square of so many pixels around them."""
    import cv2

    square = np.ones((2 * pixels + 1, 2 * pixels + 1), dtype=np.uint8)
    ids = ids_HW.astype(np.int16)
    differs: NDArray[np.bool_] = cv2.dilate(ids, square) != cv2.erode(ids, square)
    return differs
