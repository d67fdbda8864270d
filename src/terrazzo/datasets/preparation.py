"""What any dataset can be asked for beside its own options: another size, and keeping decoded samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.core.resize import Resize, checked_resize
from terrazzo.core.sample import Sample
from terrazzo.datasets.disk_cache import DiskCache

CACHES = ("none", "memory", "disk", "disk-hashed")
"""Where decoded samples may be kept; `disk-hashed` compares the contents of the source files too."""

READING = 1
"""Raised by one whenever a reader, the size rule or the painted scenes give other pixels than before, so that
no cache goes on giving the old ones."""

CHOOSING = ("fractions", "group_pattern")
"""Options that decide which samples there are, not what they look like."""


class Prepared:
    """The part of `SegmentationDataset` that settles size and keeping, before the first sample is read."""

    kind: str
    sides: int
    labels: LabelMap
    ids: Sequence[str]
    notes: tuple[str, ...]
    _cache: dict[int, Sample] | None

    resize: Resize | None = None
    """What size samples are brought to; set by `prepare`."""

    _disk: DiskCache | None = None

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return the files that a sample is read from, by which a cache on disk knows that it is out of date.

        None where the kind does not say; then there is no cache on disk.
        """
        return None

    def prepare(
        self,
        *,
        cache: bool | str | None = None,
        resize: Any = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose size and keeping of samples, before the first is read. Any kind can have both.

        Args:
            cache: one of `CACHES`; True and False mean memory and none, None leaves it.
            resize: (H, W), or a factor; see `core.resize` for the pixels. The score is then at that size.
            facts: the options this dataset was made with, all that decide what a sample looks like.

        Raises:
            RequestError: an unknown cache or size, a size for volumes, a kind that names no files, or a disk
                without the room.
        """
        self.resize = checked_resize(resize)
        if self.resize is not None and self.sides == 3:
            raise RequestError(
                f"resize is {resize!r}, but the data of kind {self.kind!r} are volumes; expected none. Leave "
                "resize out, and resample the scans (image and mask alike) before they are read here."
            )
        if self.resize is not None:
            self.notes += (resize_note(self.resize),)
        if cache is None:
            return
        where = checked_cache(cache)
        self._cache = {} if where == "memory" else None
        if where.startswith("disk"):
            self._open_disk(facts or {}, hashed=where == "disk-hashed")

    @property
    def cache_note(self) -> str | None:
        """Where decoded samples lie on disk and how large they are, for people."""
        return None if self._disk is None else self._disk.describe()

    def _open_disk(self, facts: Mapping[str, Any], *, hashed: bool) -> None:
        if self.files(0) is None:
            raise RequestError(
                f"cache: disk is not there for {self.kind!r} data: they do not say which files they are read "
                "from, so a change would go unnoticed. Use cache: memory."
            )
        parameters = cache_parameters(self.kind, self.labels, self.resize, facts)
        self._disk = DiskCache(self.kind, parameters, hashed=hashed)
        self._disk.tidy()
        first: Sample = self[0]  # type: ignore[index]  # this is the sequence of samples
        self._disk.refuse_full_disk((first["image"].nbytes + first["mask"].nbytes) * len(self.ids))


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
    return f"images and masks resized to {resized_to(resize)}: scores are at that size"


def resized_to(resize: Resize) -> str:
    """Return the size that samples are brought to, in words."""
    return f"{resize:g} times their size" if isinstance(resize, float) else f"{resize[0]} x {resize[1]}"


def _plain(value: Any) -> Any:
    """Return an option as plain data that is equal wherever it means the same."""
    if isinstance(value, LabelMap):
        return value.to_json()
    return str(value) if isinstance(value, Path) else value
