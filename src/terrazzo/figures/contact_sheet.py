"""Contact sheets: rows of pictures with captions, as one RGB picture to be saved as a file."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.figures.pictures import Picture

GAP = 8
"""Pixels between pictures."""

LINE = 17
"""Pixels from one line of a caption to the next."""

_PAPER, _INK = (246, 245, 242), (28, 31, 36)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE = 0.42


@dataclass(frozen=True)
class Cell:
    """A picture and what is written under it."""

    picture: Picture
    caption: tuple[str, ...] = ()


def contact_sheet(rows: Sequence[Sequence[Cell]], *, width: int = 260, title: str = "") -> Picture:
    """Lay rows of pictures out; every column is as wide, rows are as high as their highest picture.

    Args:
        rows: pictures with captions; rows may have different lengths.
        width: of a picture, pixels.
        title: written above; "" for none.
    """
    across = max(len(row) for row in rows) * (width + GAP) + GAP
    parts = [_title(title, across)] if title else []
    parts += [_row(row, width, across) for row in rows]
    return np.vstack(parts)


def _row(row: Sequence[Cell], width: int, across: int) -> Picture:
    pictures = [_fit(cell.picture, width) for cell in row]
    captions = [[part for line in cell.caption for part in _broken(line, width)] for cell in row]
    high, lines = max(len(p) for p in pictures), max(len(caption) for caption in captions)
    strip = _blank(high + LINE * lines + GAP + 6, across)
    for column, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = GAP + column * (width + GAP)
        strip[: len(picture), left : left + width] = picture
        for number, line in enumerate(caption):
            _write(strip, line, (left, len(picture) + 13 + LINE * number))
    return strip


def _fit(picture: Picture, width: int) -> Picture:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    method = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_NEAREST
    if picture.shape[1] < width <= 2 * picture.shape[1]:
        method = cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def _broken(line: str, width: int) -> list[str]:
    """Break a line at blanks so that it fits under a picture."""
    lines = [""]
    for word in line.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and cv2.getTextSize(longer, _FONT, _SIZE, 1)[0][0] > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _title(title: str, across: int) -> Picture:
    strip = _blank(40, across)
    cv2.putText(strip, title, (GAP, 27), _FONT, 0.65, _INK, 1, cv2.LINE_AA)
    return strip


def _write(strip: Picture, line: str, place: tuple[int, int]) -> None:
    cv2.putText(strip, line, place, _FONT, _SIZE, _INK, 1, cv2.LINE_AA)


def _blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), _PAPER, dtype=np.uint8)
