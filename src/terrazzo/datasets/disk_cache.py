"""Decoded samples on disk: one memory-mapped file each, checked, shared by any number of processes.

    <cache>/samples/<kind>-<hash of parameters>/3f09...c2.sample        see `sample_file`

<cache> is $TERRAZZO_CACHE, else $XDG_CACHE_HOME/terrazzo, else ~/.cache/terrazzo. The parameters (kind,
label map, options, size, reading rule) name the folder, so nothing made by others is ever read. A file is
valid while its sources keep their size and time (or, on demand, their contents). It is written under a
name of its own and renamed, so a reader sees all of it or none, and two writers cannot meet. Writing is done
in the background, and left for the next time where it would hold up reading. Nothing good is ever deleted:
remove the folder and it is made again.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.datasets.background import Background
from terrazzo.datasets.sample_file import Arrays, Stamp, read_sample, write_sample

ABANDONED = 3600.0
"""Seconds after which a half-written file has no writer any more."""

PLACE_VARIABLE = "TERRAZZO_CACHE"


def cache_folder() -> Path:
    """Return where decoded samples go, whether it exists or not."""
    if place := os.environ.get(PLACE_VARIABLE):
        return Path(place).expanduser() / "samples"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "terrazzo" / "samples"


class DiskCache:
    """The decoded samples of one dataset with one set of parameters."""

    def __init__(self, kind: str, parameters: Mapping[str, Any], *, hashed: bool = False) -> None:
        """Name the folder; nothing is written yet.

        Args:
            kind: of the dataset, for people who look at the folder.
            parameters: plain data that decide what a sample looks like.
            hashed: compare the contents of source files, once per process, not only their size and time.
        """
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
        self.folder = cache_folder() / f"{kind}-{digest.hexdigest()[:12]}"
        self.parameters = dict(parameters)
        self.hashed = hashed
        self._off = False
        self._background: Background | None = None
        self._checked: set[str] = set()
        self._hashes: dict[tuple[Any, ...], str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what this process has looked at: another one looks for itself."""
        return self.__dict__ | {"_checked": set(), "_hashes": {}, "_background": None}

    def get(self, name: str, sources: Sequence[Path], make: Callable[[], Arrays]) -> Arrays:
        """Return image and mask of a sample, from the cache where it is there and still valid.

        Args:
            name: the sample's id.
            sources: the files it is made of.
            make: decodes the sample.

        Returns:
            Image and mask; those of the cache are private copies that the system makes page by page on
            writing, so the caller may change them.
        """
        path = self._path(name, sources)
        stamp = self._stamp(sources)
        found = self._read(path, stamp) if stamp is not None else None
        if found is not None:
            return found
        image, mask = make()
        if stamp is not None and not self._off:
            self._background = self._background or Background(self._write)
            if self._background.has_room():  # copies, since the caller may change its own
                self._background.offer(path, stamp, image.copy(), mask.copy())
        return image, mask

    def flush(self) -> None:
        """Wait until what is being written is there."""
        if self._background is not None:
            self._background.flush()

    def tidy(self) -> None:
        """Remove what processes that were killed left half written, an hour ago or more."""
        for part in self.folder.glob(".*.part"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED:
                    part.unlink()

    def size(self) -> tuple[int, int]:
        """Return how many samples lie in the folder, and their bytes."""
        return folder_size(self.folder)

    def describe(self) -> str:
        """Return where the folder is and how large, in a sentence."""
        count, size = self.size()
        return f"Decoded samples are kept in {self.folder}: {count} there, {readable(size)}."

    def refuse_full_disk(self, expected: int) -> None:
        """Raise where the whole dataset will not fit.

        Args:
            expected: bytes of all samples.

        Raises:
            RequestError: says how much is needed, how much is free, and what to do.
        """
        place = next(p for p in (self.folder, *self.folder.parents) if p.exists())
        free = shutil.disk_usage(place).free
        if expected <= free or expected - self.size()[1] <= free:
            return
        raise RequestError(
            f"cache: disk needs about {readable(expected)} in {self.folder.parent}, but {readable(free)} are "
            f"free. Point {PLACE_VARIABLE} at a larger disk, make the samples smaller by resize, or leave "
            "cache out."
        )

    def _path(self, name: str, sources: Sequence[Path]) -> Path:
        facts = json.dumps([name, [os.path.abspath(source) for source in sources]])  # noqa: PTH100  # faster
        key = hashlib.sha256(facts.encode()).hexdigest()[:32]
        return self.folder / f"{key}.sample"

    def _stamp(self, sources: Sequence[Path]) -> Stamp | None:
        """Return what the source files are now; None where one cannot be looked at (reading says why)."""
        stamp: Stamp = []
        try:
            for source in sources:
                facts = source.stat()
                stamp.append([facts.st_size, facts.st_mtime_ns])
                if self.hashed:
                    stamp[-1].append(self._hash_of(source, facts.st_size, facts.st_mtime_ns))
        except OSError:
            return None
        return stamp

    def _hash_of(self, source: Path, *facts: int) -> str:
        key = (str(source), *facts)
        if key not in self._hashes:
            with source.open("rb") as file:
                self._hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashes[key]

    def _read(self, path: Path, stamp: Stamp) -> Arrays | None:
        """Return the arrays of a cache file; None where it is missing, of other sources, or damaged."""
        try:
            found = read_sample(path, stamp, check=path.name not in self._checked)
        except (ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{path} is damaged ({error}); this sample is decoded again.", stacklevel=2)
            with suppress(OSError):
                path.unlink()
            return None
        if found is None:
            self._checked.discard(path.name)
        else:
            self._checked.add(path.name)
        return found

    def _write(self, path: Path, stamp: Stamp, image: NDArray[Any], mask: NDArray[Any]) -> None:
        """Write a cache file; a disk that is full or read-only only costs the cache."""
        own = path.with_name(f".{path.stem}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
            write_sample(own, stamp, image, mask)
            own.replace(path)
        except OSError as error:
            self._off = True
            with suppress(OSError):
                own.unlink()
            reason = error.strerror or error
            warnings.warn(
                f"{self.folder} cannot be written ({reason}): samples are decoded each time.", stacklevel=2
            )


def folder_size(folder: Path) -> tuple[int, int]:
    """Return how many samples a folder of the cache holds, and their bytes."""
    sizes = [file.stat().st_size for file in folder.rglob("*.sample")]
    return len(sizes), sum(sizes)


def readable(size: float) -> str:
    """Return bytes as people say them: 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
