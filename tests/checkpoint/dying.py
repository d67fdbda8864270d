"""What the child processes of the crash tests do until they are killed. Run through a fork server."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from itertools import count
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch

from terrazzo.checkpoint.state import save_state
from terrazzo.checkpoint.write import write_folder

FILE_CALLS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}


def fork_server() -> ForkServerContext:
    """A context whose children start in milliseconds: torch is imported once, in their common parent."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.checkpoint.dying"])
    return context


def version(number: int) -> dict[str, Any]:
    """Two files that must always carry the same number."""
    return {
        "first": f"{number} ".encode() * 20_000,
        "second": lambda path: path.write_text(f"{number} " * 300),
    }


def write_folders(path: Path) -> None:
    """Replace one folder over and over."""
    for number in count():
        write_folder(path, version(number))


def save_states(root: Path) -> None:
    """Save one step after the other."""
    for step in count(1):
        save_state(root, step, {"step": step, "weights": torch.full((2000,), float(step))})


def die_at(file_call: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Do the work, but end at once, without any cleaning up, just before its n-th call on the file system."""
    seen = 0

    def watch(event: str, _: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in FILE_CALLS:
            if seen == file_call:
                os._exit(9)
            seen += 1

    sys.addaudithook(watch)
    work(*arguments)
    os._exit(0)


def write_version(path: Path, number: int) -> None:
    """Write the folder once."""
    write_folder(path, version(number))


def save_step(root: Path, step: int) -> None:
    """Save one state."""
    save_state(root, step, {"step": step})
