"""One pair of arrays becomes a few facts and a contribution to the running totals, in a single pass.

Class pixels are counted exactly. What only has to be right on average (where a class lives, how it looks, and
the channel statistics of images of 256 rows and more) is taken from an even grid of pixels: on images of
1024 x 512 all of this must cost less than a fifth of decoding them.

Shapes: K classes, H and W full size, C image channels.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import pack_colors
from terrazzo.inspect.count import Histogram, add_mask, histogram_of
from terrazzo.inspect.facts import MOST_VALUES, Fault, ImageFacts, MaskFacts, PairFacts
from terrazzo.inspect.hashes import thumbnail
from terrazzo.inspect.readers import RawPair
from terrazzo.inspect.sums import ChannelSums, Sums
from terrazzo.inspect.table import Table
from terrazzo.inspect.texture import color_texture, id_texture

_ENOUGH_POINTS = 128
_GREY_COLORS = 0x010101


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
    image = mask = thin = None
    if pair.image is not None:
        step = grid_step(pair.image)
        thin = np.ascontiguousarray(pair.image[::step])
        mean, std = add_channels(thin, sums)
        image = ImageFacts(
            height=pair.image.shape[0],
            width=pair.image.shape[1],
            channels=pair.image.shape[2],
            dtype=str(pair.image.dtype),
            orientation=pair.orientation,
            mean=mean,
            std=std,
            high=255.0 if pair.image.dtype == np.uint8 else float(pair.image.max()),
            thumb=thumbnail(thin[:, ::step]).tobytes().hex(),
            digest=digests[0],
        )
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
            histogram = histogram_of(raw)
            mask = _mask_facts(raw, colors, histogram, pair.palette, table, digests[1])
            fits = pair.image is not None and pair.image.shape[:2] == raw.shape
            add_mask(raw, colors, histogram, table, sums, grid_step(raw), thin if fits else None)
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


def grid_step(pixels: NDArray[Any]) -> int:
    """Return every how many pixels a point is taken for what only has to be right on average."""
    height, width = pixels.shape[:2]
    return int(max(1, min(height, width) // _ENOUGH_POINTS))


def add_channels(rows: NDArray[Any], sums: Sums) -> tuple[float, float]:
    """Add the channel totals of some rows of an image, contiguous.

    Returns:
        The mean over all channels, and the largest standard deviation of one.
    """
    count = rows.shape[2]
    pixels = rows.shape[0] * rows.shape[1]
    if count <= 4 and rows.dtype != np.uint16:
        import cv2

        mean, std = (values.ravel()[:count] for values in cv2.meanStdDev(rows))
    else:
        flat = rows.reshape(-1, count).astype(np.float64)
        mean, std = flat.mean(axis=0), flat.std(axis=0)
    sums.add_channels(count, ChannelSums(pixels, mean * pixels, (std**2 + mean**2) * pixels))
    return float(mean.mean()), float(std.max())


def file_digest(path: Path) -> str:
    """Return a hash of a file's bytes; empty where it cannot be read."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
