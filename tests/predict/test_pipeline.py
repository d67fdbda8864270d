"""Three stages: in order, overlapping, few items in memory, one bad item alone, anything else at once."""

import threading
import time
from collections.abc import Callable

import pytest

from terrazzo.core.errors import DataError, TerrazzoError
from terrazzo.predict.pipeline import AHEAD, BEHIND, Stages


def nothing(_item: int, _result: int) -> None:
    """Write nothing."""


def times_ten(_item: int, read: int) -> int:
    return 10 * read


def test_stages__each_item_in_order_through_all_three() -> None:
    written: list[tuple[int, int]] = []
    stages = Stages(lambda item: item + 1, times_ten, lambda item, done: written.append((item, done)))
    assert list(stages.run(range(7))) == [(item, None) for item in range(7)]
    assert written == [(item, 10 * (item + 1)) for item in range(7)]
    assert list(stages.run([])) == []


def test_stages__the_work_is_done_by_who_called() -> None:
    places: dict[str, str] = {}

    def note(stage: str) -> None:
        places[stage] = threading.current_thread().name

    stages: Stages[int, None, None] = Stages(
        lambda _: note("read"), lambda _i, _r: note("work"), lambda _i, _d: note("write")
    )
    list(stages.run([0]))
    assert places["work"] == threading.current_thread().name
    assert len(set(places.values())) == 3


def test_stages__overlap() -> None:
    """The read of the next item and the write of the one before happen during the work."""
    read, written = threading.Event(), threading.Event()

    def reading(item: int) -> int:
        if item == 2:
            read.set()
        return item

    def work(item: int, given: int) -> int:
        if item == 1:
            assert read.wait(10)
            assert written.wait(10)
        return given

    stages = Stages(reading, work, lambda item, _: written.set() if item == 0 else None)
    assert len(list(stages.run(range(4)))) == 4


def test_stages__few_items_wait_between_them() -> None:
    read: list[int] = []
    at_once: list[int] = []

    def slow_write(item: int, _: int) -> None:
        time.sleep(0.005)

    def work(item: int, given: int) -> int:
        at_once.append(len(read) - item)
        return given

    def reading(item: int) -> int:
        read.append(item)
        return item

    for finished, _ in enumerate(Stages(reading, work, slow_write).run(range(30)), start=1):
        assert len(read) <= finished + 1 + BEHIND + 1 + AHEAD
    assert max(at_once) <= 1 + AHEAD + 1


def failing(at: int, error: BaseException) -> Callable[..., int]:
    def stage(item: int, *_: int) -> int:
        if item == at:
            raise error
        return item

    return stage


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_stages__one_bad_item_is_told_in_its_turn(stage: int) -> None:
    error = DataError("bad")
    calls = [failing(99, error), failing(99, error), failing(99, error)]
    calls[stage] = failing(2, error)
    found = list(Stages(*calls).run(range(5)))  # type: ignore[arg-type]
    assert found == [(item, error if item == 2 else None) for item in range(5)]


def test_stages__anything_else_stops_but_what_was_worked_on_is_written() -> None:
    written: list[int] = []
    stages = Stages(lambda item: item, failing(3, KeyboardInterrupt()), lambda item, _: written.append(item))
    with pytest.raises(KeyboardInterrupt):
        list(stages.run(range(9)))
    assert written == [0, 1, 2]


def test_stages__an_error_of_reading_that_is_no_fault_of_the_item_stops() -> None:
    with pytest.raises(ZeroDivisionError):
        list(Stages(failing(1, ZeroDivisionError()), times_ten, nothing).run(range(9)))


@pytest.mark.parametrize("error", [TerrazzoError("disk full"), KeyboardInterrupt()])
def test_stages__nothing_is_written_after_an_error_of_writing(error: BaseException) -> None:
    written: list[int] = []

    def write(item: int, _: int) -> None:
        time.sleep(0.01)  # the next ones are worked on meanwhile
        if item == 1:
            raise error
        written.append(item)

    with pytest.raises(type(error)):
        list(Stages(lambda item: item, times_ten, write).run(range(9)))
    assert written == [0]


def test_stages__given_up_half_way_they_end() -> None:
    before = threading.active_count()
    run = Stages(lambda item: item, times_ten, nothing).run(range(100))
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
