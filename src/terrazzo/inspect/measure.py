"""One pair of arrays becomes a few facts and a contribution to the running totals, in a single pass.

Class pixels are counted exactly. What only has to be right on average (where a class lives, how it looks, and
the channel statistics of images higher than 512 rows) is taken from an even grid of pixels: on images of
1024 x 512 all of this must cost less than a fifth of decoding them.

Shapes: K classes, H and W full size, C image channels.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap, pack_colors
from terrazzo.inspect.facts import MOST_VALUES, Fault, ImageFacts, MaskFacts, PairFacts
from terrazzo.inspect.hashes import thumbnail
from terrazzo.inspect.readers import RawPair
from terrazzo.inspect.report import LOCATION_COLUMNS, LOCATION_ROWS
from terrazzo.inspect.sums import CELLS, ChannelSums, Sums
from terrazzo.inspect.texture import color_texture, id_texture, runs

_ENOUGH_ROWS = 256
_GREY_COLORS = 0x010101
_EXACT_IN_FLOAT32 = 1 << 24

Histogram = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Values in rising order, and the pixels of each."""


@dataclass(frozen=True)
class Table:
    """Raw values to classes, for counting: void is K and what is undeclared K + 1."""

    labels: LabelMap

    @property
    def count(self) -> int:
        """K."""
        return self.labels.num_classes

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(N,) raw id -> class; the last place is undeclared."""
        pairs = [(i, k) for k, c in enumerate(self.labels.classes) for i in c.raw_ids]
        pairs += [(i, self.count) for i in self.labels.void_ids]
        table = np.full(max(256, *(i + 2 for i, _ in pairs)), self.count + 1)
        for raw, k in pairs:
            table[raw] = k
        return table

    @cached_property
    def colors(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Packed colours in rising order, and the class of each."""
        pairs = [(rgb, k) for k, c in enumerate(self.labels.classes) for rgb in c.all_colors]
        pairs += [(rgb, self.count) for rgb in self.labels.void_colors]
        keys = pack_colors(np.array([rgb for rgb, _ in pairs], dtype=np.uint8))
        order = np.argsort(keys)
        return keys[order], np.array([k for _, k in pairs])[order]

    def classes_of(self, values: NDArray[Any], *, colors: bool) -> NDArray[np.int64]:
        """Return the class of each raw id or packed colour, any shape."""
        if not colors:
            last = len(self.ids) - 1
            fits = values.dtype == np.uint8
            found: NDArray[np.int64] = self.ids[
                values if fits else np.where((values < 0) | (values > last), last, values)
            ]
            return found
        keys, classes = self.colors
        place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        return np.where(keys[place] == values, classes[place], self.count + 1)


def measure(pair: RawPair, table: Table, sums: Sums, digests: tuple[str, str] = ("", "")) -> PairFacts:
    """Return the facts of a pair and add its share to the totals.

    A mask only counts where it fits its image and can be read; a mask without its image counts too.

    Args:
        pair: the arrays.
        table: what the values mean.
        sums: changed in place.
        digests: of the image and the mask file, where they were taken.
    """
    faults = list(pair.faults)
    image = mask = None
    if pair.image is not None:
        image = _image_facts(pair.image, pair.orientation, digests[0])
        add_channels(pair.image, sums)
    if pair.mask is not None:
        raw, grey = _one_number(pair.mask)
        if raw is None:
            faults.append(Fault("mask-not-labels", "mask", f"an array of shape {pair.mask.shape}"))
        else:
            if grey and not _declares_grey(table, raw):
                faults.append(Fault("mask-grey-as-rgb", "mask", ""))
                raw, colors = raw & 255, False
            else:
                colors = pair.mask.ndim == 3
            histogram = _histogram(raw)
            mask = _mask_facts(raw, colors, histogram, pair.palette, table, digests[1])
            fits = pair.image is not None and pair.image.shape[:2] == raw.shape
            add_mask(raw, colors, histogram, table, sums, pair.image if fits else None)
    return PairFacts(image, mask, tuple(faults))


def _one_number(mask: NDArray[Any]) -> tuple[NDArray[Any] | None, bool]:
    """Return the mask with one number per pixel, and whether it holds greys as three equal channels."""
    if mask.ndim == 2:
        return mask, False
    if mask.ndim != 3 or mask.shape[2] != 3 or mask.dtype != np.uint8:
        return (mask[..., 0], False) if mask.ndim == 3 and mask.shape[2] == 1 else (None, False)
    packed = pack_colors(mask)
    sample = packed[:: max(1, len(packed) // 8)]
    grey = bool((sample % _GREY_COLORS == 0).all()) and bool((packed % _GREY_COLORS == 0).all())
    return packed, grey


def _declares_grey(table: Table, packed: NDArray[np.int32]) -> bool:
    """Say whether these greys are declared colours: then they are colours, and all is well."""
    values = np.unique(packed[::7, ::7])
    return bool((table.classes_of(values, colors=True) <= table.count).all())


def _image_facts(image: NDArray[Any], orientation: int, digest: str) -> ImageFacts:
    thin = image[:: max(1, len(image) // 64), :: max(1, image.shape[1] // 64)]
    thumb = thumbnail(image)
    return ImageFacts(
        height=image.shape[0],
        width=image.shape[1],
        channels=image.shape[2],
        dtype=str(image.dtype),
        orientation=orientation,
        mean=float(thin.mean()),
        std=float(thin.reshape(-1, thin.shape[2]).std(axis=0).max()),
        high=255.0 if image.dtype == np.uint8 else float(image.max()),
        thumb=thumb.tobytes().hex(),
        digest=digest,
    )


def _mask_facts(
    raw: NDArray[Any],
    colors: bool,
    histogram: Histogram,
    palette: NDArray[np.uint8] | None,
    table: Table,
    digest: str,
) -> MaskFacts:
    values, counts = histogram
    order = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    kept = {int(values[i]): int(counts[i]) for i in order}
    used = None
    if palette is not None:
        packed = pack_colors(palette)
        used = {value: int(packed[value]) for value in kept if value < len(packed)}
    return MaskFacts(
        height=raw.shape[0],
        width=raw.shape[1],
        colors=colors,
        values=kept,
        distinct=len(values),
        texture=color_texture(raw, table.colors[0]) if colors else id_texture(raw),
        palette=used,
        digest=digest,
    )


def _histogram(raw: NDArray[Any]) -> Histogram:
    """Return the values of a mask and their pixels, exactly."""
    if raw.dtype == np.uint8 and raw.size < _EXACT_IN_FLOAT32:
        import cv2

        counts = (
            cv2.calcHist([np.ascontiguousarray(raw)], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        )
        values = np.flatnonzero(counts)
        return values, counts[values]
    value, length, _ = runs(raw)  # label maps are made of long runs: far fewer numbers than pixels
    values, place = np.unique(value, return_inverse=True)
    return values, np.bincount(place, weights=length, minlength=len(values)).astype(np.int64)


def add_channels(image: NDArray[Any], sums: Sums) -> None:
    """Add the channel totals of an image; of high images, those of every n-th row."""
    rows = np.ascontiguousarray(image[:: max(1, len(image) // _ENOUGH_ROWS)])
    count = rows.shape[2]
    pixels = rows.shape[0] * rows.shape[1]
    if count <= 4 and rows.dtype != np.uint16:
        import cv2

        mean, std = (values.ravel()[:count] for values in cv2.meanStdDev(rows))
    else:
        flat = rows.reshape(-1, count).astype(np.float64)
        mean, std = flat.mean(axis=0), flat.std(axis=0)
    sums.add_channels(count, ChannelSums(pixels, mean * pixels, (std**2 + mean**2) * pixels))


def add_mask(
    raw: NDArray[Any],
    colors: bool,
    histogram: Histogram,
    table: Table,
    sums: Sums,
    image: NDArray[Any] | None,
) -> None:
    """Add the totals of a mask, and, where its image is given, of how its classes look."""
    k = table.count
    values, counts = histogram
    classes = table.classes_of(values, colors=colors)
    pixels = np.bincount(classes, weights=counts, minlength=k + 2).astype(np.int64)
    present = pixels[:k] > 0
    sums.pixels += pixels[:k]
    sums.images += present
    sums.image_pixels += np.where(present, pixels[:k].sum(), 0)
    sums.together += np.outer(present, present)
    sums.void += pixels[k]
    step = max(1, min(raw.shape) // _ENOUGH_ROWS)
    classes = table.classes_of(raw[::step, ::step], colors=colors)
    sums.location += _cells(classes, k + 2)[:k]
    if image is not None:
        _add_looks(image[:: 2 * step, :: 2 * step], classes[::2, ::2], k, sums)


def _cells(classes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return (count, 24 * 32): how many points of each class lie in each cell of the frame."""
    height, width = classes.shape
    row = np.arange(height) * LOCATION_ROWS // height
    column = np.arange(width) * LOCATION_COLUMNS // width
    cell = row[:, None] * LOCATION_COLUMNS + column
    return np.bincount((classes * CELLS + cell).ravel(), minlength=count * CELLS).reshape(count, CELLS)


def _add_looks(image: NDArray[Any], classes: NDArray[np.int64], k: int, sums: Sums) -> None:
    """Add each class's mean colour and place in this image, one number an image."""
    height, width = classes.shape
    flat = classes.ravel()
    points = np.bincount(flat, minlength=k + 2)[:k]
    full = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}.get(image.dtype, 1.0)
    colors = image.reshape(-1, image.shape[2]).astype(np.float32) / full
    rows = np.repeat(np.arange(height) / height, width)
    columns = np.tile(np.arange(width) / width, height)
    features = [colors[:, min(c, colors.shape[1] - 1)] for c in range(3)] + [rows, columns]
    summed = np.stack([np.bincount(flat, weights=f, minlength=k + 2)[:k] for f in features], axis=1)
    there = points > 0
    mean = summed[there] / points[there, None]
    sums.looked += there
    sums.look[there] += mean
    sums.look_squares[there] += mean**2


def file_digest(path: Path) -> str:
    """Return a hash of a file's bytes; empty where it cannot be read."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
