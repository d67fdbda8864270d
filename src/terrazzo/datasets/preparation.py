"""Checks and words for `SegmentationDataset.prepare`: where samples are kept, what a cache is named by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrazzo.core.errors import unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.core.resize import Resize

CACHES = ("none", "memory", "disk", "disk-hashed")
"""Where decoded samples may be kept; `disk-hashed` compares the contents of the source files too."""

READING = 1
"""Raised by one whenever a reader, the size rule or the painted scenes give other pixels than before, so that
no cache goes on giving the old ones."""

CHOOSING = ("fractions", "group_pattern")
"""Options that decide which samples there are, not what they look like."""


def checked_cache(cache: bool | str) -> str:
    """Return one of `CACHES`; True and False mean memory and none.

    Raises:
        RequestError: it is none of them.
    """
    where = ("memory" if cache else "none") if isinstance(cache, bool) else cache
    if where not in CACHES:
        raise unknown_name("cache", str(where), CACHES)
    return where


def cache_parameters(
    kind: str, labels: LabelMap, resize: Resize | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that decides what a sample looks like, beside its files, as plain data."""
    return {
        "kind": kind,
        "labels": labels.to_json(),
        "resize": resize,
        "options": {name: _plain(value) for name, value in options.items() if name not in CHOOSING},
        "reading": READING,
    }


def resize_note(resize: Resize) -> str:
    """Return what a person should know of a score on resized data."""
    said = f"{resize:g} times their size" if isinstance(resize, float) else f"{resize[0]} x {resize[1]}"
    return f"images and masks resized to {said}: scores are at that size"


def _plain(value: Any) -> Any:
    """Return an option as plain data that is equal wherever it means the same."""
    if isinstance(value, LabelMap):
        return value.to_json()
    return str(value) if isinstance(value, Path) else value
