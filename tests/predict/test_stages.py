"""Stages overlap, keep order, stay short, and pass errors on."""

import threading
import time
from collections.abc import Iterator

import pytest

from terrazzo.predict.stages import Behind, ahead


def test_ahead__keeps_order_and_works_ahead_but_not_far() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    items = ahead(numbers(), depth=3)
    assert next(items) == 0
    time.sleep(0.3)
    assert 3 <= len(made) <= 6  # one taken, three waiting, one or two in hand
    assert [0, *items] == list(range(50))


def test_ahead__raises_at_its_place_and_stops_when_closed() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.set()

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)
    items = ahead(ahead(endless()))
    assert next(items) == 0
    items.close()
    assert closed.wait(5)


def test_behind__works_off_everything_in_order_even_after_an_error() -> None:
    done: list[int] = []

    def slowly(item: int) -> None:
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        _hand_in(Behind(slowly, depth=2), 8, KeyboardInterrupt())
    assert done == list(range(8))


def test_behind__raises_what_its_thread_raised() -> None:
    def fail(item: int) -> None:
        raise OSError(f"no room for {item}")

    with pytest.raises(OSError, match="no room for 0"):
        _hand_in(Behind(fail, depth=1), 100)
    with pytest.raises(OSError, match="no room for 0"):  # at the end, where no put is left
        _hand_in(Behind(fail), 1)


def _hand_in(stage: Behind[int], count: int, error: BaseException | None = None) -> None:
    with stage:
        for number in range(count):
            stage.put(number)
        if error is not None:
            raise error
