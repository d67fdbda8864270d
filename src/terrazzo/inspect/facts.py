"""What is kept of each pair of image and mask: a few hundred bytes, enough for every rule of the doctor.

Images come and go; these stay, so the memory of an inspection hardly grows with the number of images.
"""

from dataclasses import asdict, dataclass
from typing import Any

MOST_VALUES = 300
"""Values of one mask that are kept, the most frequent ones; a label mask has far fewer."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One readable image."""

    height: int
    """Upright, pixels."""

    width: int
    channels: int
    dtype: str
    orientation: int
    """EXIF orientation 1..8 that the reader applied; 1 = stored upright."""

    mean: float
    """Over all channels, pixel units."""

    std: float
    high: float
    """The brightest value."""

    thumb: str
    """16 x 16 grey values 0..255 as hexadecimal digits; see `hashes`."""

    digest: str
    """Hash of the file where another file has the same length; else empty."""


@dataclass(frozen=True, slots=True)
class Texture:
    """Traces of smoothing along some rows of a mask, see `texture`."""

    changes: int
    """Places where the label changes."""

    between: int
    """Short stretches that mix their neighbours, as resizing with interpolation leaves them."""

    jitter: int
    """Short stretches that no mixture explains, as lossy compression leaves them."""


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """One readable mask, as stored."""

    height: int
    width: int
    colors: bool
    """Whether the values are packed colours R * 65536 + G * 256 + B, and not ids."""

    values: dict[int, int]
    """Value -> pixels, at most `MOST_VALUES` of them."""

    distinct: int
    """How many values there are."""

    texture: Texture
    palette: dict[int, int] | None
    """Of a palette mask: each used index -> its packed colour."""

    digest: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file could not be taken as it is."""

    kind: str
    """A key of `KINDS`."""

    side: str
    """`image` or `mask`."""

    detail: str


@dataclass(frozen=True, slots=True)
class PairFacts:
    """One pair. A file that cannot be read has a fault and no facts."""

    image: ImageFacts | None
    mask: MaskFacts | None
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "PairFacts":
        """Rebuild from `to_json`."""
        image = ImageFacts(**data["image"]) if data["image"] else None
        return cls(image, _mask(data["mask"]), tuple(Fault(**fault) for fault in data["faults"]))


def _mask(data: dict[str, Any] | None) -> MaskFacts | None:
    """JSON turns the keys of a dict to text; turn them back."""
    if data is None:
        return None
    palette = data["palette"]
    changed = {
        "values": {int(k): v for k, v in data["values"].items()},
        "palette": None if palette is None else {int(k): v for k, v in palette.items()},
        "texture": Texture(**data["texture"]),
    }
    return MaskFacts(**(data | changed))
