"""Three stages that overlap: while one item is worked on, the next is read and the one before is written.

Reading and writing have a thread each; decoders, encoders and files let Python's other threads run. The work
itself, the network's, stays in the thread that called: so it has all that belongs to that thread, and Ctrl-C
reaches it. A few items wait between two stages at most, so memory does not grow with their number.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

from terrazzo.core.errors import DataError

Item = TypeVar("Item")
Read = TypeVar("Read")
Done = TypeVar("Done")

AHEAD = 2
"""Items that are read before their turn."""

BEHIND = 1
"""Items whose results wait for being written, beside the one that is."""


class Stages(Generic[Item, Read, Done]):
    """Reads, works on and writes items, in order.

    What is wrong with one item (a `DataError` of any stage) does not stop the others. Any other error stops
    at once: what has been worked on before is still written, nothing after an error of writing is.

    Args:
        read: from an item to what the work needs, in a thread of its own.
        work: from both to a result, in the calling thread.
        write: writes the result of an item, in another thread of its own.
    """

    def __init__(
        self,
        read: Callable[[Item], Read],
        work: Callable[[Item, Read], Done],
        write: Callable[[Item, Done], None],
    ) -> None:
        self._read = read
        self._work = work
        self._write = write
        self._broken = threading.Event()

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, DataError | None]]:
        """Yield each item when its result has been written, with what was wrong with it."""
        waiting: deque[tuple[Item, Future[None]]] = deque()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            for item, read in self._ahead(reader, items):
                waiting.append((item, self._start(writer, item, read)))
                while waiting and (len(waiting) > 1 + BEHIND or waiting[0][1].done()):
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())

    def _ahead(
        self, reader: ThreadPoolExecutor, items: Iterable[Item]
    ) -> Iterator[tuple[Item, Future[Read]]]:
        """Yield items with what is read of them, a few of them ahead."""
        rest = iter(items)
        coming: deque[tuple[Item, Future[Read]]] = deque()
        try:
            while True:
                coming.extend(
                    (item, reader.submit(self._read, item)) for item in islice(rest, 1 + AHEAD - len(coming))
                )
                if not coming:
                    return
                yield coming.popleft()
        finally:
            for _, read in coming:
                read.cancel()

    def _start(self, writer: ThreadPoolExecutor, item: Item, read: Future[Read]) -> Future[None]:
        """Work on an item and have its result written; what is wrong with it is told in its turn."""
        try:
            result = self._work(item, read.result())
        except DataError as error:
            told: Future[None] = Future()
            told.set_exception(error)
            return told
        return writer.submit(self._write_unless_broken, item, result)

    def _write_unless_broken(self, item: Item, result: Done) -> None:
        if self._broken.is_set():
            return
        try:
            self._write(item, result)
        except DataError:
            raise
        except BaseException:
            self._broken.set()
            raise


def _outcome(item: Item, written: Future[None]) -> tuple[Item, DataError | None]:
    """Wait for the end of an item; raise whatever is not about this item alone."""
    try:
        written.result()
    except DataError as error:
        return item, error
    return item, None
