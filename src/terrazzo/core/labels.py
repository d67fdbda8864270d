"""LabelMap: the one place that knows names, colours, raw ids, and which of them are void.

A raw mask is what the files hold: ids (H, W) or RGB colours (H, W, 3). Train ids are 0..K-1 and
`ignore_index`; K never includes void. An id or colour that nobody declared is an error, never "ignore".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import ConfigError, DataError
from terrazzo.core.sample import IGNORE
from terrazzo.core.undeclared import undeclared_color, undeclared_id

RGB = tuple[int, int, int]
MAX_UINT8_CLASSES = 255
MAX_RAW_ID = 65535
UNDECLARED = -2


@dataclass(frozen=True)
class LabelClass:
    """One class: its name, the colour it is painted in, and the raw values that mean it."""

    name: str
    """Unique within the label map."""

    color: RGB
    """Colour on overlays and, where masks hold colours, its colour in the files; 0..255 each."""

    raw_ids: tuple[int, ...]
    """Ids in mask files that mean this class; the first is the one that is written."""

    raw_colors: tuple[RGB, ...] = ()
    """Further colours in colour masks that mean this class too."""

    @property
    def all_colors(self) -> tuple[RGB, ...]:
        """Every colour of a colour mask that means this class, the painted one first."""
        return (self.color, *self.raw_colors)


@dataclass(frozen=True)
class LabelMap:
    """Classes in train-id order, and what is void."""

    classes: tuple[LabelClass, ...]
    """Train id i is `classes[i]`."""

    void_ids: tuple[int, ...] = (IGNORE,)
    """Raw ids that count for nothing; the first is the one that is written."""

    void_colors: tuple[RGB, ...] = field(default=())
    """Colours of a colour mask that count for nothing."""

    def __post_init__(self) -> None:
        """Refuse maps in which a name, id or colour means two things."""
        if not self.classes:
            raise ConfigError("A label map needs at least one class; none was given.")
        _refuse_impossible_ids(self.classes, self.void_ids)
        _refuse_twice("name", [(c.name, c.name) for c in self.classes])
        ids = [(i, c.name) for c in self.classes for i in c.raw_ids]
        _refuse_twice("raw id", ids + [(i, "void") for i in self.void_ids])
        colors = [(rgb, c.name) for c in self.classes for rgb in c.all_colors]
        _refuse_twice("colour", colors + [(rgb, "void") for rgb in self.void_colors])

    @classmethod
    def of(cls, names_and_colors: Mapping[str, RGB], *, void_ids: Sequence[int] = (IGNORE,)) -> "LabelMap":
        """Build the common case: raw ids 0..K-1 in the order given."""
        items = enumerate(names_and_colors.items())
        return cls(tuple(LabelClass(name, rgb, (i,)) for i, (name, rgb) in items), tuple(void_ids))

    @property
    def num_classes(self) -> int:
        """K, void not counted."""
        return len(self.classes)

    @property
    def ignore_index(self) -> int:
        """The train id of void: 255, or -1 where 255 is a class."""
        return IGNORE if self.num_classes <= MAX_UINT8_CLASSES else -1

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in train-id order."""
        return tuple(c.name for c in self.classes)

    @property
    def mask_dtype(self) -> type[np.uint8] | type[np.int16]:
        """The dtype of masks of train ids."""
        return np.uint8 if self.num_classes <= MAX_UINT8_CLASSES else np.int16

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """(K, 3) RGB colours in train-id order."""
        return np.array([c.color for c in self.classes], dtype=np.uint8)

    def encode(self, raw: NDArray[Any], *, source: str = "mask", sides: int = 2) -> NDArray[Any]:
        """Turn a raw mask into train ids.

        Args:
            raw: (H, W) integer ids, or (H, W, 3) uint8 RGB colours; with 3 sides (D, H, W) ids.
            source: the file's name, for the message.
            sides: 2 of an image, 3 of a volume.

        Returns:
            (H, W) or (D, H, W) train ids, uint8 (int16 beyond 255 classes).

        Raises:
            DataError: an undeclared id or colour: names file, first pixel, value, count and closest colour.
        """
        if raw.ndim == 3 and sides == 2:
            return self._encode_colors(raw, source)
        return self._encode_ids(raw, source)

    def decode(self, ids: NDArray[Any]) -> NDArray[Any]:
        """Turn train ids (H, W) into the raw ids that are written to files: uint8, or uint16 where needed."""
        raw = np.array([c.raw_ids[0] for c in self.classes] + [self._written_void], dtype=np.int64)
        raw = raw.astype(np.uint8 if raw.max() <= 255 else np.uint16)
        out: NDArray[Any] = raw[np.where(ids == self.ignore_index, self.num_classes, ids)]
        return out

    def colorize(self, ids: NDArray[Any], *, void: RGB = (0, 0, 0)) -> NDArray[np.uint8]:
        """Paint train ids (H, W) as RGB (H, W, 3); void is black unless another colour is given."""
        colors = np.vstack([self.palette, np.array([void], dtype=np.uint8)])
        out: NDArray[np.uint8] = colors[np.where(ids == self.ignore_index, self.num_classes, ids)]
        return out

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dicts; `from_json` gives the same map back."""
        return {
            "classes": [
                {
                    "name": c.name,
                    "color": list(c.color),
                    "raw_ids": list(c.raw_ids),
                    "raw_colors": [list(rgb) for rgb in c.raw_colors],
                }
                for c in self.classes
            ],
            "void_ids": list(self.void_ids),
            "void_colors": [list(rgb) for rgb in self.void_colors],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LabelMap":
        """Rebuild a map from `to_json`; `raw_ids` (default: position) and `raw_colors` may be left out."""
        classes = tuple(
            LabelClass(
                name=str(entry["name"]),
                color=_rgb(entry["color"]),
                raw_ids=tuple(int(i) for i in entry.get("raw_ids", (position,))),
                raw_colors=tuple(_rgb(rgb) for rgb in entry.get("raw_colors", ())),
            )
            for position, entry in enumerate(data["classes"])
        )
        void_ids = tuple(int(i) for i in data.get("void_ids", (IGNORE,)))
        return cls(classes, void_ids, tuple(_rgb(rgb) for rgb in data.get("void_colors", ())))

    @property
    def _written_void(self) -> int:
        """The raw id written for void; where void has no raw id, the largest that nobody uses."""
        if self.void_ids:
            return self.void_ids[0]
        used = {i for c in self.classes for i in c.raw_ids}
        return next(i for i in (IGNORE, 65535) if i not in used)

    @cached_property
    def _id_table(self) -> NDArray[np.int32]:
        """Raw id -> train id, `UNDECLARED` elsewhere; longer than the largest declared id and than uint8."""
        pairs = [(i, t) for t, c in enumerate(self.classes) for i in c.raw_ids]
        pairs += [(i, self.ignore_index) for i in self.void_ids]
        table = np.full(max(256, *(i + 2 for i, _ in pairs)), UNDECLARED, dtype=np.int32)
        for raw_id, train_id in pairs:
            table[raw_id] = train_id
        return table

    @cached_property
    def _byte_table(self) -> bytes | None:
        """The same for uint8 masks, with 254 for what nobody declared; None where 254 may be a class."""
        if self.num_classes >= IGNORE:
            return None
        first = self._id_table[:256]
        return np.where(first == UNDECLARED, IGNORE - 1, first).astype(np.uint8).tobytes()

    @cached_property
    def _color_table(self) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Packed colours in rising order, and the train id of each."""
        pairs = [(rgb, t) for t, c in enumerate(self.classes) for rgb in c.all_colors]
        pairs += [(rgb, self.ignore_index) for rgb in self.void_colors]
        keys = pack_colors(np.array([rgb for rgb, _ in pairs], dtype=np.uint8))
        order = np.argsort(keys)
        return keys[order], np.array([t for _, t in pairs], dtype=self.mask_dtype)[order]

    def _encode_ids(self, raw: NDArray[Any], source: str) -> NDArray[Any]:
        if not np.issubdtype(raw.dtype, np.integer):
            raise DataError(f"{source}: mask values are {raw.dtype}; expected whole-number ids.")
        if raw.dtype == np.uint8 and (quick := self._byte_table) is not None:
            known = np.frombuffer(bytearray(raw.tobytes()).translate(quick), np.uint8).reshape(raw.shape)
            if not (known == IGNORE - 1).any():
                return known
        table = self._id_table
        last = len(table) - 1  # one past every declared id: undeclared by construction
        fits = raw.dtype == np.uint8 and last >= 255
        ids = table[raw if fits else np.where((raw < 0) | (raw > last), last, raw)]
        if ids.min(initial=0) == UNDECLARED:
            raise undeclared_id(self, raw, ids == UNDECLARED, source)
        out: NDArray[Any] = ids.astype(self.mask_dtype)
        return out

    def _encode_colors(self, raw: NDArray[Any], source: str) -> NDArray[Any]:
        if raw.shape[2] != 3 or raw.dtype != np.uint8:
            raise DataError(f"{source}: mask is {raw.shape} {raw.dtype}; expected RGB (H, W, 3) uint8.")
        keys, train_ids = self._color_table
        packed = pack_colors(raw)
        position = np.searchsorted(keys, packed).clip(max=len(keys) - 1)
        unknown = keys[position] != packed
        if unknown.any():
            raise undeclared_color(self, raw, unknown, source)
        out: NDArray[Any] = train_ids[position]
        return out


def pack_colors(colors: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Pack RGB (..., 3) into one integer each, R * 65536 + G * 256 + B."""
    wide = colors.astype(np.int32)
    packed: NDArray[np.int32] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed


def _rgb(value: Sequence[int]) -> RGB:
    red, green, blue = (int(v) for v in value)
    if not all(0 <= v <= 255 for v in (red, green, blue)):
        raise ConfigError(f"Colour {list(value)} is outside 0..255.")
    return red, green, blue


def _refuse_impossible_ids(classes: Sequence[LabelClass], void_ids: Sequence[int]) -> None:
    for owner, ids in [*((c.name, c.raw_ids) for c in classes), ("void", void_ids)]:
        if not ids and owner != "void":
            raise ConfigError(f"The class {owner!r} has no raw id in the label map; give it at least one.")
        for value in ids:
            if not 0 <= value <= MAX_RAW_ID:
                raise ConfigError(
                    f"Raw id {value} of {owner!r} in the label map is impossible; expected 0..{MAX_RAW_ID}, "
                    "what an 8- or 16-bit PNG can hold."
                )


def _refuse_twice(what: str, pairs: Sequence[tuple[Any, str]]) -> None:
    owner: dict[Any, str] = {}
    for value, name in pairs:
        if value in owner:
            raise ConfigError(
                f"The {what} {value!r} stands for both {owner[value]!r} and {name!r} in the label map; "
                "each may mean one thing only."
            )
        owner[value] = name
