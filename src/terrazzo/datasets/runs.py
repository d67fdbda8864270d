"""Run lengths to pixels: the encodings in which annotation tools store painted masks.

COCO: alternating counts of outside and inside, down the columns; as a list, or squeezed into text.
CVAT: the same counts along the rows of a box. Label Studio: bits, RGBA, see `label_studio_mask`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError

_MORE, _SIGN, _DATA = 0x20, 0x10, 0x1F


def expand(
    counts: Sequence[int], size: tuple[int, int], *, along: Literal["rows", "columns"], source: str
) -> NDArray[np.bool_]:
    """Return the mask (H, W) of alternating counts, the first of which is outside.

    Raises:
        DataError: the counts are no whole numbers, or do not add up to H * W; names the source.
    """
    try:
        runs = np.array(counts, dtype=np.int64)
    except (TypeError, ValueError):
        raise DataError(f"{source}: run lengths {str(counts)[:60]}; expected whole numbers.") from None
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise DataError(
            f"{source}: run lengths add up to {int(runs.sum())} pixels; expected {size[0]} x {size[1]} = "
            f"{size[0] * size[1]}. Do the annotation and the image belong together?"
        )
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(size, order="C" if along == "rows" else "F"))


def coco_counts(text: str, source: str) -> list[int]:
    """Return the counts that COCO squeezes into text.

    A number is a row of characters of five bits each, lowest first, 48 added, bit 32 set where more follow,
    the last one's bit 16 its sign; from the fourth number on it is the difference to the one but last.

    Raises:
        DataError: the text ends within a number; names the source.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & _DATA) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError(
            f"{source}: the run lengths end within a number; the file is cut short. Export again."
        )
    return counts


def label_studio_mask(rle: bytes, size: tuple[int, int], source: str) -> NDArray[np.bool_]:
    """Return the mask (H, W) of a Label Studio brush: where the alpha of its RGBA picture is above 0.

    The bits: 32 for how many bytes there are, 5 for the word size less one, four times 4 for the sizes of
    counts less one; then, until all bytes are there: 1 says whether a run follows, 2 which size, the count
    less one, and one word for a run or as many words as counted. (The format of @thi.ng/rle-pack.)

    Raises:
        DataError: it is cut short, or not H * W * 4 bytes; names the source.
    """
    bits = _Bits(rle, source)
    total, word = bits.take(32), bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * 4 or word != 8:
        raise DataError(
            f"{source}: a brush of {total} values of {word} bits; expected {size[0]} x {size[1]} RGBA pixels "
            f"of 8 bits, {size[0] * size[1] * 4}. Do the annotation and the image belong together?"
        )
    values = np.zeros(total, dtype=np.uint8)
    place = 0
    while place < total:
        is_run = bits.take(1)
        end = min(total, place + 1 + bits.take(sizes[bits.take(2)]))
        if is_run:
            values[place:end] = bits.take(word)
        else:
            values[place:end] = [bits.take(word) for _ in range(end - place)]
        place = end
    alpha: NDArray[Any] = values.reshape(*size, 4)[..., 3]
    return alpha > 0


class _Bits:
    """Reads numbers off a row of bits, highest bit first."""

    def __init__(self, data: bytes, source: str) -> None:
        self.text = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
        self.place, self.source = 0, source

    def take(self, count: int) -> int:
        """Return the next so many bits as a number."""
        end = self.place + count
        if end > len(self.text):
            raise DataError(f"{self.source}: the brush is cut short. Export the annotations again.")
        value = int(self.text[self.place : end], 2)
        self.place = end
        return value
