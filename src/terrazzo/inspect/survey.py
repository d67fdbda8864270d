"""Every pair measured once: in worker processes, a chunk at a time, with a journal of what is done.

At most a few chunks are under way at once and results are added in order, so memory stays flat and the
figures are the same to the last bit whatever the number of workers.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from terrazzo.core.errors import DataError
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.inspect.facts import PairFacts
from terrazzo.inspect.journal import Journal, Result, chunk_key
from terrazzo.inspect.measure import file_digest, measure
from terrazzo.inspect.readers import read_files, read_item
from terrazzo.inspect.sources import Item, Source
from terrazzo.inspect.sums import Sums
from terrazzo.inspect.table import Table

CHUNK = 32
FEW = 64
"""Pairs up to which starting processes would cost more than they give."""

_LARGEST_IMAGE = 1 << 28
"""Bytes up to which the memory of an image is kept for the next one."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Survey:
    """A source and everything measured of it."""

    source: Source
    labels: LabelMap
    facts: tuple[PairFacts, ...]
    """One for each of `source.items`."""

    sums: dict[str, Sums]
    """By split."""


def survey(
    source: Source,
    *,
    journal: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Measure every pair of a source.

    Args:
        source: the pairs.
        journal: where to keep results until all are there; None keeps none.
        workers: processes; by default one per core, and none for a few pairs.
        progress: called with (pairs done, pairs in all).
    """
    source = replace(source, items=_with_twins(source))
    labels = source.labels or LabelMap((LabelClass("unknown", (128, 128, 128), (0,)),))
    chunks = _chunks(source.items)
    book = Journal(journal, labels.num_classes)
    facts: list[PairFacts] = []
    sums: dict[str, Sums] = {}
    try:
        for chunk, (pairs, share) in zip(
            chunks, _results(source, labels, chunks, book, workers), strict=True
        ):
            facts += pairs
            sums.setdefault(chunk[0].split, Sums.zero(labels.num_classes)).add(share)
            if progress is not None:
                progress(len(facts), len(source.items))
    except BrokenProcessPool:
        raise DataError(
            "A worker process died, most likely for lack of memory. What was measured is kept: "
            "run again with fewer workers (--workers 1) and it continues."
        ) from None
    finally:
        book.close()
    return Survey(source, labels, tuple(facts), sums)


def _chunks(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Cut the items into chunks of one split each."""
    chunks: list[tuple[Item, ...]] = []
    for split in dict.fromkeys(item.split for item in items):
        own = [item for item in items if item.split == split]
        chunks += [tuple(own[start : start + CHUNK]) for start in range(0, len(own), CHUNK)]
    return chunks


def _with_twins(source: Source) -> tuple[Item, ...]:
    """Mark the files that have the same length as another: only those can be equal, only those are hashed."""
    if not source.raw:
        return source.items
    lengths = [[_length(source.root / path) for path in (i.image, i.mask)] for i in source.items]
    seen: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for pair in lengths:
        for side, length in zip(seen, pair, strict=True):
            side[length] = side.get(length, 0) + 1
    return tuple(
        replace(item, twin=seen[0][image] > 1, twin_mask=seen[1][mask] > 1)
        for item, (image, mask) in zip(source.items, lengths, strict=True)
    )


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _results(
    source: Source, labels: LabelMap, chunks: Sequence[tuple[Item, ...]], book: Journal, workers: int | None
) -> Iterator[Result]:
    """Yield the result of each chunk in order, from the journal or measured now."""
    count = workers or os.cpu_count() or 1
    if count == 1 or (workers is None and len(source.items) <= FEW):
        measurer = Measurer(source, labels)
        for chunk in chunks:
            yield _kept(book, _key(source, labels, chunk), lambda chunk=chunk: measurer(chunk))  # type: ignore[misc]
        return
    yield from _in_processes(source, labels, chunks, book, count)


def _kept(book: Journal, key: str, compute: Callable[[], Result]) -> Result:
    result = book.get(key)
    if result is None:
        result = compute()
        book.put(key, result)
    return result


def _in_processes(
    source: Source, labels: LabelMap, chunks: Sequence[tuple[Item, ...]], book: Journal, count: int
) -> Iterator[Result]:
    # Forking a process that already runs threads (torch, OpenCV) can hang it.
    context = get_context("spawn" if sys.platform == "win32" else "forkserver")
    pool = ProcessPoolExecutor(count, context, _start_worker, (replace(source, items=()), labels))
    waiting: deque[tuple[str, Future[Result] | Result]] = deque()
    left = iter(chunks)
    try:
        while True:
            while len(waiting) < 3 * count and (chunk := next(left, None)) is not None:
                key = _key(source, labels, chunk)
                waiting.append((key, book.get(key) or pool.submit(_measure_chunk, chunk)))
            if not waiting:
                return
            key, result = waiting.popleft()
            if isinstance(result, Future):
                result = result.result()
                book.put(key, result)
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _key(source: Source, labels: LabelMap, chunk: Sequence[Item]) -> str:
    dataset = source.datasets.get(chunk[0].split)
    return chunk_key(source.root, chunk, labels, "" if dataset is None else dataset.fingerprint)


class Measurer:
    """Reads and measures chunks; each process has one."""

    def __init__(self, source: Source, labels: LabelMap) -> None:
        """Keep what all chunks share."""
        self.source = source
        self.table = Table(labels)

    def __call__(self, chunk: Sequence[Item]) -> Result:
        """Return the facts of each pair, and their totals."""
        sums = Sums.zero(self.table.count)
        return [self._one(item, sums) for item in chunk], sums

    def _one(self, item: Item, sums: Sums) -> PairFacts:
        root = self.source.root
        dataset = self.source.datasets.get(item.split)
        pair = read_files(root, item) if dataset is None else read_item(dataset, item)
        digests = (
            file_digest(root / item.image) if item.twin else "",
            file_digest(root / item.mask) if item.twin_mask else "",
        )
        return measure(pair, self.table, sums, digests)


_worker: list[Any] = []


def _start_worker(source: Source, labels: LabelMap) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and one thread is its share."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    keep_memory()
    _worker[:] = [Measurer(source, labels)]


def keep_memory() -> None:
    """Ask the C library to keep freed memory for the next image, where that is glibc; else do nothing.

    By default every image's memory goes back to the system and comes anew, page by page: on a busy virtual
    machine that took two fifths of the time of decoding.
    """
    import ctypes

    trim_threshold, mmap_threshold = -1, -3
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_threshold, _LARGEST_IMAGE)
    mallopt(trim_threshold, 2 * _LARGEST_IMAGE)


def _measure_chunk(chunk: Sequence[Item]) -> Result:
    measurer: Measurer = _worker[0]
    return measurer(chunk)
