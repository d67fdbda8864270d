"""Running totals over images: everything the statistics need, whatever the number of images.

Totals of disjoint sets of images add up, so workers sum their own share and the parts are added in order.

Shapes: K classes, C image channels, F looks (mean red, green, blue, row and column of a class in an image).
"""

import base64
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.inspect.report import LOCATION_COLUMNS, LOCATION_ROWS

CELLS = LOCATION_ROWS * LOCATION_COLUMNS
LOOKS = 5


@dataclass
class ChannelSums:
    """Of the images of one number of channels."""

    pixels: int
    total: NDArray[np.float64]
    """(C,)"""

    squares: NDArray[np.float64]
    """(C,)"""


@dataclass
class Sums:
    """Totals over some images; all arrays are counted in pixels unless it says otherwise."""

    pixels: NDArray[np.int64]
    """(K,)"""

    images: NDArray[np.int64]
    """(K,) images in which the class occurs."""

    image_pixels: NDArray[np.int64]
    """(K,) labelled pixels of those images."""

    together: NDArray[np.int64]
    """(K, K) images in which both classes occur."""

    location: NDArray[np.int64]
    """(K, 24 * 32), at every n-th pixel of large images."""

    void: NDArray[np.int64]
    """(1,) void pixels."""

    looked: NDArray[np.int64]
    """(K,) images whose looks were summed."""

    look: NDArray[np.float64]
    """(K, F) sum over images of the class's mean colour (share of the full range), row and column (0..1)."""

    look_squares: NDArray[np.float64]
    """(K, F)"""

    channels: dict[int, ChannelSums]

    @classmethod
    def zero(cls, num_classes: int) -> "Sums":
        """Return the totals over no image."""
        k = num_classes
        return cls(
            pixels=np.zeros(k, np.int64),
            images=np.zeros(k, np.int64),
            image_pixels=np.zeros(k, np.int64),
            together=np.zeros((k, k), np.int64),
            location=np.zeros((k, CELLS), np.int64),
            void=np.zeros(1, np.int64),
            looked=np.zeros(k, np.int64),
            look=np.zeros((k, LOOKS)),
            look_squares=np.zeros((k, LOOKS)),
            channels={},
        )

    def add(self, other: "Sums") -> None:
        """Add the totals over other images."""
        for name in _ARRAYS:
            getattr(self, name)[...] += getattr(other, name)
        for count, theirs in other.channels.items():
            self.add_channels(count, theirs)

    def add_channels(self, count: int, theirs: ChannelSums) -> None:
        """Add the channel totals of images with so many channels."""
        mine = self.channels.setdefault(count, ChannelSums(0, np.zeros(count), np.zeros(count)))
        mine.pixels += theirs.pixels
        mine.total += theirs.total
        mine.squares += theirs.squares

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the journal; floats keep every bit."""
        facts: dict[str, Any] = {name: _packed(getattr(self, name)) for name in _ARRAYS}
        facts["channels"] = {
            count: [c.pixels, _packed(c.total), _packed(c.squares)] for count, c in self.channels.items()
        }
        return facts

    @classmethod
    def from_json(cls, facts: dict[str, Any], num_classes: int) -> "Sums":
        """Rebuild from `to_json`."""
        sums = cls.zero(num_classes)
        for name in _ARRAYS:
            array = getattr(sums, name)
            array[...] = _unpacked(facts[name], array.dtype).reshape(array.shape)
        for count, (pixels, total, squares) in facts["channels"].items():
            kept = ChannelSums(pixels, _unpacked(total, np.float64), _unpacked(squares, np.float64))
            sums.channels[int(count)] = kept
        return sums


_ARRAYS = tuple(f.name for f in fields(Sums) if f.name != "channels")


def total(parts: "list[Sums]", num_classes: int) -> Sums:
    """Return the totals over all parts."""
    whole = Sums.zero(num_classes)
    for part in parts:
        whole.add(part)
    return whole


def _packed(array: NDArray[Any]) -> str:
    import zlib

    return base64.b64encode(zlib.compress(array.tobytes(), 1)).decode()


def _unpacked(text: str, dtype: Any) -> NDArray[Any]:
    import zlib

    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=dtype).copy()
