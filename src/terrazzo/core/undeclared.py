"""The sentences for a mask that holds an id or colour nobody declared. `LabelMap.encode` raises them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError

if TYPE_CHECKING:
    from terrazzo.core.labels import LabelMap


def undeclared_id(labels: LabelMap, raw: NDArray[Any], wrong: NDArray[np.bool_], source: str) -> DataError:
    """Build the error for a mask of ids.

    Args:
        labels: what is declared.
        raw: (H, W) ids as in the file, (D, H, W) of a volume.
        wrong: of that shape, true where the id is undeclared; at least one pixel.
        source: the file's name.
    """
    first = _first_pixel(wrong)
    value = int(raw[first])
    hint = ""
    if labels.num_classes == 2 and set(np.unique(raw).tolist()) <= {0, 255}:
        hint = " The mask holds only 0 and 255: declare raw id 255 for the second class, or save it as 1."
    return DataError(
        f"{source}: undeclared id {value} at {_place(first)} ({_count(wrong, raw == value)}). "
        f"Declared ids: {_declared(labels)}; void: {ranges(labels.void_ids)}. "
        f"Add the id to a class or to the void ids, or repair the mask.{hint}"
    )


def undeclared_color(labels: LabelMap, raw: NDArray[Any], wrong: NDArray[np.bool_], source: str) -> DataError:
    """Build the error for a mask of colours (H, W, 3); arguments as in `undeclared_id`."""
    first = _first_pixel(wrong)
    value = raw[first].astype(np.int64)
    named = [(rgb, c.name) for c in labels.classes for rgb in c.all_colors]
    named += [(rgb, "void") for rgb in labels.void_colors]
    distance = [int(((value - np.array(rgb)) ** 2).sum()) for rgb, _ in named]
    nearest, name = named[int(np.argmin(distance))]
    same = (raw == raw[first]).all(axis=2)
    hint = ""
    if (raw[..., 0] == raw[..., 1]).all() and (raw[..., 0] == raw[..., 2]).all():
        hint = " All pixels are grey: if these are ids, save the mask with one channel."
    return DataError(
        f"{source}: undeclared colour {tuple(value.tolist())} at {_place(first)} "
        f"({_count(wrong, same)}). The closest declared colour is {nearest} ({name}). "
        f"Add the colour to a class or to the void colours, or repair the mask.{hint}"
    )


def ranges(values: Sequence[int]) -> str:
    """Write 0, 1, 2, 3, 7 as `0..3, 7`."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in runs) or "none"


def _first_pixel(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))


def _place(first: tuple[int, ...]) -> str:
    """Write a pixel as `row 3, column 4`, a voxel with its slice before."""
    return ", ".join(
        f"{side} {i}" for side, i in zip(("slice", "row", "column")[-len(first) :], first, strict=True)
    )


def _count(wrong: NDArray[np.bool_], same: NDArray[np.bool_]) -> str:
    this, total = int(same.sum()), int(wrong.sum())
    more = "" if this == total else f", {total} undeclared pixels in all"
    return f"{this} pixel{'s' if this != 1 else ''} of this value{more}"


def _declared(labels: LabelMap, most: int = 24) -> str:
    """Write the declared ids with their names, or as ranges where there are too many to read."""
    if labels.num_classes > most:
        return ranges([i for c in labels.classes for i in c.raw_ids])
    return ", ".join(f"{ranges(c.raw_ids).replace(', ', ' ')} {c.name}" for c in labels.classes)
