"""Which images of an annotation export are for training: as the export says itself, or drawn from a seed."""

import re
from collections.abc import Sequence
from pathlib import Path

from terrazzo.core.errors import DataError, RequestError
from terrazzo.datasets.base import SPLITS
from terrazzo.datasets.layouts import split_by_fractions

DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)
"""Shares of train, val and test where the data are not divided."""

_MEANING = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_named(name: str | None) -> str | None:
    """Return the split that tools call by this name (`train2017`, `valid`, `Validation`), or None."""
    return _MEANING.get(re.sub(r"\d+$", "", name.lower())) if name else None


def divide(
    names: Sequence[str | None],
    groups: Sequence[str],
    *,
    fractions: Sequence[float] | None,
    seed: int,
    root: Path,
) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Divide items into train, val and test.

    Args:
        names: what the export calls each item's split; None where it does not say.
        groups: the group of each item: none is on two sides of a drawn division.
        fractions: shares to draw; only for items that are not divided.
        seed: the draw.
        root: the data, for messages.

    Returns:
        The positions of each split's items, rising, and notes for the protocol.

    Raises:
        DataError: some items are in a split and others are not.
        RequestError: fractions for items that are divided already.
    """
    splits = [split_named(name) for name in names]
    if not any(splits):
        shares = DEFAULT_FRACTIONS if fractions is None else tuple(fractions)
        note = f"no split in the data: divided {shares} by seed {seed}"
        return split_by_fractions(groups, shares, seed), (note,)
    if fractions is not None:
        raise RequestError(f"fractions were given, but {root} is divided already; drop one.")
    if None in splits:
        place = splits.index(None)
        raise DataError(
            f"{root}: {groups[place]} is in the split {names[place]!r}, others in "
            f"{sorted(filter(None, splits))[0]!r}; "
            "expected train, val or test for all. Assign it in the annotation tool and export again."
        )
    return {s: tuple(i for i, split in enumerate(splits) if split == s) for s in SPLITS}, ()
