"""Three stages that overlap: while one item is worked on, the next is read and the one before is written.

Reading and writing have a thread each (`predict.stages`); decoders, encoders and files let Python's other
threads run. The work itself, the network's, stays in the thread that called: so it has all that belongs to
that thread, and Ctrl-C reaches it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

from terrazzo.core.errors import DataError
from terrazzo.predict.stages import Behind, ahead

Item = TypeVar("Item")
Read = TypeVar("Read")
Done = TypeVar("Done")

AHEAD = 2
"""Items that are read before their turn, the one being read among them."""

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

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, DataError | None]]:
        """Yield each item when its result has been written, with what was wrong with it."""
        finished: deque[tuple[Item, DataError | None]] = deque()

        def write(handed: tuple[Item, Done | DataError]) -> None:
            item, result = handed
            finished.append((item, _error_of(self._write, item, result)))

        with closing(ahead(self._reading(items), AHEAD - 1)) as coming, Behind(write, BEHIND) as behind:
            for item, read in coming:
                behind.put((item, _unless_wrong(self._work, item, read)))
                while finished:
                    yield finished.popleft()
        yield from finished

    def _reading(self, items: Iterable[Item]) -> Generator[tuple[Item, Read | DataError]]:
        for item in items:
            try:
                yield item, self._read(item)
            except DataError as error:
                yield item, error


def _unless_wrong(
    work: Callable[[Item, Read], Done], item: Item, given: Read | DataError
) -> Done | DataError:
    """Do the work; what is wrong with the item, now or before, takes the place of the result."""
    if isinstance(given, DataError):
        return given
    try:
        return work(item, given)
    except DataError as error:
        return error


def _error_of(write: Callable[[Item, Done], None], item: Item, result: Done | DataError) -> DataError | None:
    """Write a result; return what was wrong with the item in this or any stage before."""
    wrong = _unless_wrong(write, item, result)
    return wrong if isinstance(wrong, DataError) else None
