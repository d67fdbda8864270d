"""Traces that resizing with interpolation and lossy compression leave along the borders of a mask.

Labels are names: there is nothing between "road" and "car". A mask that was resized as if it were a photo
has, at each border, pixels whose value lies between the two sides; one that was compressed lossily has
ripples that overshoot both. Both kinds of pixels can be declared ids by chance, so ids alone do not tell.

A run is a stretch of equal values along a row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.inspect.facts import Texture

SHORT = 2
"""Pixels up to which a run counts as short. A pole far away is as thin, but it stands alone."""

BLEND_TOLERANCE = 6.0
"""How far, in colour values, a mixed colour may be from the line between its neighbours."""

RIPPLE = 12
"""How far, in colour values, a ripple of compression is from a declared colour at most."""

_ROWS = 64


def some_rows(mask: NDArray[Any]) -> NDArray[Any]:
    """Return all rows of a small mask, of a large one from 64 to 127, evenly spread."""
    return mask[:: max(1, len(mask) // _ROWS)]


def id_texture(mask_HW: NDArray[Any]) -> Texture:
    """Look for mixed and rippled borders in a mask of ids.

    A short run counts as between where its value lies strictly between those of its two sides, and as
    jitter where it does not and another short run is beside it.
    """
    value, length, row = runs(some_rows(mask_HW))
    if len(value) < 3:
        return Texture(len(value), 0, 0)
    before, now, after = value[:-2], value[1:-1], value[2:]
    inside = (row[:-2] == row[1:-1]) & (row[1:-1] == row[2:])
    short = length <= SHORT
    rising = (before < now) & (now < after)
    falling = (before > now) & (now > after)
    here = inside & short[1:-1]
    between = here & (rising | falling)
    jitter = here & ~between & (short[:-2] | short[2:])
    changes = int((row[1:] == row[:-1]).sum())
    return Texture(changes, int(between.sum()), int(jitter.sum()))


def color_texture(packed_HW: NDArray[np.int32], declared: NDArray[np.int32]) -> Texture:
    """Look for mixed and rippled borders in a mask of packed colours.

    Args:
        packed_HW: colours as `core.labels.pack_colors` gives them.
        declared: (N,) the packed colours that mean something.

    A run of an undeclared colour counts as jitter where it is close to a declared colour but not on the line
    between the declared colours beside it: compression ripples around a colour, while mixing leaps away.
    """
    value, _, row = runs(some_rows(packed_HW))
    changes = int((row[1:] == row[:-1]).sum())
    known = np.isin(value, declared)
    unknown = np.flatnonzero(~known)
    colors = _unpacked(value[unknown])
    far = np.abs(colors[:, None] - _unpacked(declared.astype(np.int64))[None]).max(axis=-1)
    jitter = (far.min(axis=1) <= RIPPLE) & ~_mixed(value, row, known, unknown)
    return Texture(changes, int((~jitter).sum()), int(jitter.sum()))


def _mixed(
    value: NDArray[np.int64], row: NDArray[np.int64], known: NDArray[np.bool_], unknown: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say of each unknown run whether it mixes the known colours to its left and right."""
    places = np.flatnonzero(known)
    if not len(places):
        return np.zeros(len(unknown), dtype=np.bool_)
    after = np.searchsorted(places, unknown).clip(max=len(places) - 1)
    left, right = places[(after - 1).clip(min=0)], places[after]
    beside = (row[left] == row[unknown]) & (row[right] == row[unknown])
    beside &= np.minimum(unknown - left, right - unknown) <= 2
    colors = (_unpacked(value[place]) for place in (unknown, left, right))
    mixed: NDArray[np.bool_] = beside & _on_line(*colors)
    return mixed


def runs(rows_RW: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return value, length in pixels and row of each run of equal values, row by row."""
    height, width = rows_RW.shape
    starts = np.ones((height, width), dtype=np.bool_)
    starts[:, 1:] = rows_RW[:, 1:] != rows_RW[:, :-1]
    place = np.flatnonzero(starts)
    length = np.diff(place, append=height * width)
    return rows_RW.ravel()[place].astype(np.int64), length, place // width


def _unpacked(packed: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], axis=-1).astype(np.float64)


def _on_line(
    color: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Say of each colour (N, 3) whether it lies on the way from left to right."""
    way = right - left
    part = ((color - left) * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-9)
    nearest = left + part.clip(0, 1)[:, None] * way
    on_line: NDArray[np.bool_] = np.abs(color - nearest).max(-1) <= BLEND_TOLERANCE
    return on_line
