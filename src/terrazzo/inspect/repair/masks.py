"""Repairs of single masks: arrays in, raw ids out. What cannot be known becomes void, and is said to be.

Shapes: H and W of the mask, K classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap, pack_colors
from terrazzo.inspect.doctor.meanings import grey_ids, palette_ids, written_id
from terrazzo.inspect.doctor.usage import Usage, shift_of
from terrazzo.inspect.facts import MaskFacts
from terrazzo.inspect.texture import SHORT

SURE = 0.6
"""Distance to the closest declared colour over that to the next one: up to here a pixel is taken for it."""


def repaired_ids(kind: str, mask: NDArray[Any], facts: MaskFacts, usage: Usage) -> NDArray[Any] | None:
    """Return a mask of raw ids with one kind of fault repaired; None where the kind has no repair here.

    Args:
        kind: of `doctor.masks.KINDS`, `lossy-mask` or `mask-grey-as-rgb`.
        mask: (H, W) ids or (H, W, 3) colours, as stored.
        facts: of this mask.
        usage: of all masks.
    """
    labels = usage.labels
    colored = mask.ndim == 3
    repairs: dict[str, Callable[[], NDArray[Any]]] = {
        "palette-indices": lambda: mapped(mask, palette_ids(facts, usage.table)),
        "palette-as-grey": lambda: mapped(mask, grey_ids(facts, labels)),
        "binary-255": lambda: mapped(mask, {255: written_id(labels, 1)}),
        "ids-off-by-one": lambda: shifted(mask, shift_of(facts, usage), labels),
        "resampling-damage": lambda: colors_or_void(mask, usage) if colored else unmixed(mask, labels),
        "mask-grey-as-rgb": lambda: mask[..., 0],
    }
    if colored:
        repairs["jpeg-damage"] = repairs["lossy-mask"] = lambda: closest_colors(mask, labels)
    return repairs[kind]() if kind in repairs else None


def mapped(mask_HW: NDArray[Any], meaning: dict[int, int]) -> NDArray[Any]:
    """Replace values; those that are not named stay."""
    out = mask_HW.astype(np.int64)
    for value, meant in meaning.items():
        out[mask_HW == value] = meant
    return out


def shifted(mask_HW: NDArray[Any], shift: int, labels: LabelMap) -> NDArray[Any]:
    """Take a shift back; void stays."""
    return np.where(np.isin(mask_HW, labels.void_ids), mask_HW, mask_HW.astype(np.int64) - shift)


def unmixed(mask_HW: NDArray[Any], labels: LabelMap) -> NDArray[Any]:
    """Make void what lies between two other values over a pixel or two, along a row or a column."""
    wide = mask_HW.astype(np.int64)
    mixed = _between(wide) | _between(wide.T).T
    declared = [i for c in labels.classes for i in c.raw_ids] + list(labels.void_ids)
    mixed |= ~np.isin(wide, declared)
    return np.where(mixed, written_id(labels, labels.num_classes), wide)


def colors_or_void(mask_HW3: NDArray[np.uint8], usage: Usage) -> NDArray[Any]:
    """Keep the declared colours as ids; all others become void."""
    classes = usage.table.classes_of(pack_colors(mask_HW3), colors=True)
    return _as_ids(np.minimum(classes, usage.table.count), usage.labels)


def closest_colors(mask_HW3: NDArray[np.uint8], labels: LabelMap) -> NDArray[Any]:
    """Return the id of the closest declared colour; void where the next one is nearly as close."""
    named = [(rgb, k) for k, c in enumerate(labels.classes) for rgb in c.all_colors]
    named += [(rgb, labels.num_classes) for rgb in labels.void_colors]
    colors = np.array([rgb for rgb, _ in named], dtype=np.int64)
    values, place = np.unique(pack_colors(mask_HW3), return_inverse=True)
    pixel = np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=-1).astype(np.int64)
    distance = np.sqrt(((pixel[:, None] - colors[None]) ** 2).sum(-1))
    order = np.argsort(distance, axis=1)
    ranked = np.take_along_axis(distance, order, 1)
    first, second = ranked[:, 0], ranked[:, min(1, len(named) - 1)]
    nearest = np.array([k for _, k in named])[order[:, 0]]
    sure = (first <= SURE * second) | (first == 0)
    classes = np.where(sure, nearest, labels.num_classes)[place]
    return _as_ids(classes.reshape(mask_HW3.shape[:2]), labels)


def _as_ids(classes_HW: NDArray[Any], labels: LabelMap) -> NDArray[Any]:
    """Turn class numbers 0..K (K = void) into raw ids."""
    written = np.array([written_id(labels, k) for k in range(labels.num_classes + 1)])
    out: NDArray[Any] = written[classes_HW]
    return out


def _between(rows_HW: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark stretches of up to a few short runs whose values rise or fall from one side to the other."""
    mixed = np.zeros(rows_HW.shape, dtype=np.bool_)
    for number, row in enumerate(rows_HW):
        starts = np.flatnonzero(np.diff(row, prepend=row[0] - 1))
        if len(starts) < 3:
            continue
        value, length = row[starts], np.diff(starts, append=len(row))
        before, now, after = value[:-2], value[1:-1], value[2:]
        inside = (length[1:-1] <= SHORT) & ((before < now) == (now < after))
        for place in np.flatnonzero(inside) + 1:
            mixed[number, starts[place] : starts[place] + length[place]] = True
    return mixed
