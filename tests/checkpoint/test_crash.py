"""Killed at any instant, a valid folder and a valid state are there."""

import random
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from terrazzo.checkpoint.state import load_state, save_state
from terrazzo.checkpoint.verify import read_files, verify_folder
from terrazzo.checkpoint.write import write_folder
from tests.checkpoint import dying

KILLS = 12


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    return dying.fork_server()


def read_version(path: Path) -> int:
    """Return the number that both files carry."""
    contents, _ = read_files(path, ("first", "second"))
    numbers = {int(number) for content in contents.values() for number in content.split()}
    assert len(numbers) == 1
    return numbers.pop()


def instants(seed: int, something_written: Callable[[], bool]) -> Iterator[float]:
    """Yield moments to kill at, seconds; later ones on a machine too busy to have written by then."""
    moments = random.Random(seed)
    for attempt in range(7 * KILLS):
        if attempt >= KILLS and something_written():
            return
        yield moments.uniform(0.02, 0.12) * 2 ** (attempt // KILLS)


def kill_after(server: ForkServerContext, seconds: float, work: Callable[[Path], None], path: Path) -> None:
    child = server.Process(target=work, args=(path,))
    child.start()
    time.sleep(seconds)
    child.kill()
    child.join()
    assert child.exitcode == -9, "the child ended by itself"
    child.close()


def run_dying(server: ForkServerContext, file_call: int, work: Callable[..., Any], *arguments: Any) -> bool:
    """Return whether the child died at that call; False when the work was done before."""
    child = server.Process(target=dying.die_at, args=(file_call, work, *arguments))
    child.start()
    child.join()
    code = child.exitcode
    child.close()
    assert code in {0, 9}
    return code == 9


def test_write_folder__killed_at_random_instants(server: ForkServerContext, tmp_path: Path) -> None:
    path = tmp_path / "best"
    write_folder(path, dying.version(0))
    versions: list[int] = [0]
    for moment in instants(7, lambda: max(versions) > 0):
        kill_after(server, moment, dying.write_folders, path)
        versions.append(read_version(path))
    assert max(versions) > 0, "no child ever finished a write: the test shows nothing"
    write_folder(path, dying.version(-1))
    assert [p.name for p in tmp_path.iterdir()] == ["best"], "leftovers of killed writers must go"


def test_save_state__killed_at_random_instants(server: ForkServerContext, tmp_path: Path) -> None:
    save_state(tmp_path, 0, {"step": 0})
    steps: list[int] = [0]
    for moment in instants(11, lambda: max(steps) > 0):
        kill_after(server, moment, dying.save_states, tmp_path)
        loaded = load_state(tmp_path)
        assert loaded is not None
        assert loaded.state["step"] == loaded.step
        assert not loaded.passed_over
        steps.append(loaded.step)
    assert max(steps) > 0, "no child ever finished a write: the test shows nothing"
    save_state(tmp_path, 10_000, {"step": 0})
    assert all(not p.name.startswith(".step-00010000") for p in tmp_path.iterdir())


def test_write_folder__killed_before_every_file_call(server: ForkServerContext, tmp_path: Path) -> None:
    path, seen, file_call = tmp_path / "best", [], 0
    write_folder(path, dying.version(1))
    while run_dying(server, file_call, dying.write_version, path, 2):
        seen.append(read_version(path))
        write_folder(path, dying.version(1))
        assert [p.name for p in tmp_path.iterdir()] == ["best"]
        file_call += 1
    assert file_call > 20, "the calls were not seen: the test shows nothing"
    assert read_version(path) == 2
    assert seen == sorted(seen), "once the new version is readable it must stay"
    assert set(seen) == {1, 2}


def test_save_state__killed_before_every_file_call(server: ForkServerContext, tmp_path: Path) -> None:
    file_call, seen = 0, []
    for root in (tmp_path / f"{number}" for number in range(500)):
        save_state(root, 1, {"step": 1})
        save_state(root, 2, {"step": 2})
        if not run_dying(server, file_call, dying.save_step, root, 3):
            break
        loaded = load_state(root)
        assert loaded is not None
        assert not loaded.passed_over
        for folder in root.glob("step-*"):
            verify_folder(folder)  # also those that were being deleted
        seen.append(loaded.step)
        file_call += 1
    assert file_call > 20, "the calls were not seen: the test shows nothing"
    assert set(seen) == {2, 3}
    assert sorted(p.name for p in root.iterdir()) == ["step-00000002", "step-00000003"]
