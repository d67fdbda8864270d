"""Stages that overlap: threads with short queues between them; memory stays flat, order is kept."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

DEPTH: Final = 4
"""Items that may wait between two stages, unless said otherwise."""

PATIENCE_S: Final = 0.1
"""How often a waiting stage looks whether the others are still there."""


class _End:
    """The end of a stage, and what ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[Item], depth: int = DEPTH) -> Generator[Item]:
    """Go through items that another thread makes ahead of time, at most `depth` of them.

    What the other thread raises is raised here, at its place. Closing the generator stops the thread after
    the item it is at.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_make, args=(items, waiting, stop), daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join()


def _make(items: Iterable[Item], waiting: "queue.Queue[Item | _End]", stop: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _offer(waiting, item, stop):
                break
    except BaseException as error:
        end = _End(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()  # a generator lets go of what it holds in the thread that ran it
    _offer(waiting, end, stop)


def _offer(waiting: "queue.Queue[Item | _End]", item: Item | _End, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            waiting.put(item, timeout=PATIENCE_S)
        except queue.Full:
            continue
        return True
    return False


class Behind(Generic[Item]):
    """Hands items to another thread that works them off in order; a context.

    Left without an error, or with one, it first works off what was handed in. What the thread raises is
    raised by the next `put` or at the end.

    Args:
        work: called with each item, in one thread.
        depth: items that may wait.
    """

    def __init__(self, work: Callable[[Item], None], depth: int = DEPTH) -> None:
        self._work = work
        self._waiting: queue.Queue[Item | _End] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def put(self, item: Item) -> None:
        """Hand in one item; waits while too many are waiting."""
        while not self._failed.is_set():
            try:
                self._waiting.put(item, timeout=PATIENCE_S)
            except queue.Full:
                continue
            return
        self._raise()

    def __enter__(self) -> "Behind[Item]":
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Work off what waits."""
        while self._thread.is_alive():
            try:
                self._waiting.put(_End(), timeout=PATIENCE_S)
                break
            except queue.Full:
                continue
        self._thread.join()
        if error is None:
            self._raise()

    def _run(self) -> None:
        try:
            while not isinstance(item := self._waiting.get(), _End):
                self._work(item)
        except BaseException as error:
            self._error = error
            self._failed.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
