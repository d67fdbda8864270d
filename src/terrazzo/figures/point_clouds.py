"""Pictures of a labelled scan: its points in the image, and seen from above.

Shapes: N points; a picture is uint8 (H, W, 3) in 0..255. Points without a class are grey.
"""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import RGB, LabelMap
from terrazzo.figures.pictures import Picture, as_rgb

PAPER: Final = (250, 250, 250)
RING: Final = (222, 222, 222)
INK: Final = (60, 60, 60)
DIM = 0.45
"""The image's own brightness under its points."""

PIXELS_PER_METRE = 12
RING_METRES = 10
FONT = cv2.FONT_HERSHEY_SIMPLEX


def points_on_image(
    image: NDArray[Any],
    row_N: NDArray[np.integer[Any]],
    column_N: NDArray[np.integer[Any]],
    color_N3: NDArray[np.uint8],
    depth_N: NDArray[np.floating[Any]],
) -> Picture:
    """Draw points over the dimmed image, far ones first.

    Args:
        image: (H, W, C), shown as by `as_rgb`.
        row_N: the pixel's row of each point.
        column_N: its column.
        color_N3: RGB of each point.
        depth_N: metres before the camera.
    """
    grey = as_rgb(image).mean(axis=2, keepdims=True)
    picture = np.ascontiguousarray((DIM * grey).repeat(3, axis=2).round().astype(np.uint8))
    radius = max(1, round(max(picture.shape) / 900))
    for i in np.argsort(-depth_N, kind="stable").tolist():
        cv2.circle(picture, (int(column_N[i]), int(row_N[i])), radius, _plain(color_N3[i]), -1)
    return picture


def points_from_above(
    xy_N2: NDArray[np.floating[Any]],
    color_N3: NDArray[np.uint8],
    cluster_N: NDArray[np.integer[Any]],
    legend: Sequence[tuple[str, RGB]] = (),
    *,
    reach: float = 60.0,
) -> Picture:
    """Draw points from above, the scanner at the bottom and forwards up, with a numbered frame per cluster.

    Args:
        xy_N2: metres from the scanner: forwards, to the left.
        color_N3: RGB of each point.
        cluster_N: the cluster of each point, -1 for none.
        legend: names and colours to list.
        reach: metres forwards that are shown; half as many to either side.
    """
    side = round(reach * PIXELS_PER_METRE)
    picture = np.full((side, side, 3), PAPER, dtype=np.uint8)
    for metres in range(RING_METRES, int(reach) + 1, RING_METRES):
        centre, radius = (side // 2, side - 1), metres * PIXELS_PER_METRE
        cv2.circle(picture, centre, radius, RING, 1, cv2.LINE_AA)
        _write(picture, f"{metres} m", (side // 2 + 3, side - radius - 4), INK)
    across = np.floor(side / 2 - xy_N2[:, 1] * PIXELS_PER_METRE).astype(np.int64)
    down = np.floor(side - 1 - xy_N2[:, 0] * PIXELS_PER_METRE).astype(np.int64)
    shown = (across >= 0) & (across < side) & (down >= 0) & (down < side)
    for grown in (0, 1):  # 2 x 2 pixels for each point
        picture[down[shown], (across[shown] + grown).clip(max=side - 1)] = color_N3[shown]
        picture[(down[shown] - 1).clip(min=0), (across[shown] + grown).clip(max=side - 1)] = color_N3[shown]
    for number in range(int(cluster_N.max(initial=-1)) + 1):
        members = shown & (cluster_N == number)
        if members.any():
            _frame(picture, across[members], down[members], number, _plain(color_N3[members][0]))
    for line, (name, color) in enumerate(legend):
        cv2.rectangle(picture, (8, 8 + 18 * line), (20, 20 + 18 * line), color, -1)
        _write(picture, name, (26, 19 + 18 * line), INK)
    return picture


def classes_shown(labels: LabelMap, ids: NDArray[np.integer[Any]]) -> list[tuple[str, RGB]]:
    """Return names and colours of the classes among train ids, in their order."""
    return [(c.name, c.color) for k, c in enumerate(labels.classes) if (ids == k).any()]


def _frame(
    picture: Picture, across: NDArray[np.int64], down: NDArray[np.int64], number: int, color: RGB
) -> None:
    left, top, right, bottom = (int(v) for v in (across.min(), down.min(), across.max(), down.max()))
    cv2.rectangle(picture, (left - 3, top - 4), (right + 4, bottom + 3), color, 1)
    _write(picture, str(number), (right + 7, top + 4), INK)


def _write(picture: Picture, text: str, place: tuple[int, int], color: RGB) -> None:
    plain = text.encode("ascii", errors="replace").decode()  # OpenCV's font has no other characters
    cv2.putText(picture, plain, place, FONT, 0.4, PAPER, 3, cv2.LINE_AA)
    cv2.putText(picture, plain, place, FONT, 0.4, color, 1, cv2.LINE_AA)


def _plain(color: NDArray[np.uint8]) -> RGB:
    """Return a colour as OpenCV takes it: plain numbers, in the picture's own order."""
    return int(color[0]), int(color[1]), int(color[2])
