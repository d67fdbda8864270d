"""How a loop is compiled and spread over threads.

Numba's own `parallel=True` is not used: its thread pools do not survive a fork (data-loader workers), the
portable one must not be entered twice at once, and it takes longer to compile. The loops release the GIL
instead, and a small pool of Python threads walks through them.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

# No "nnan" or "ninf": a diverged network must show as a loss of nan. No "reassoc": sums keep their order.
_FASTMATH = {"contract", "nsz", "arcp"}
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": _FASTMATH, "error_model": "numpy"}
_CHUNKS_PER_THREAD = 4


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, for each set of argument types, and keep the result on disk where that works.

    Where: see `cache_folder`. If nothing can be written there, every process compiles anew.
    """
    config: Any = numba.config
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = str(cache_folder())  # read while the decorator runs, and only then
        return cast(Callable[P, R], numba.njit(cache=True, **_OPTIONS)(function))
    except (RuntimeError, OSError):  # "cannot cache function ...: no locator available"
        return cast(Callable[P, R], numba.njit(**_OPTIONS)(function))
    finally:
        config.CACHE_DIR = before


@cache
def cache_folder() -> Path:
    """Return where compiled loops are kept: NUMBA_CACHE_DIR, or the user's cache directory.

    Below it there is a folder per state of these sources. Numba itself looks at one file's date only, and
    would go on using a loop whose inlined functions, from other files, have changed.
    """
    place = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return Path(place) / "terrazzo" / f"kernels-{digest.hexdigest()[:12]}"


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a small function into every loop that calls it."""
    return cast(Callable[P, R], numba.njit(forceinline=True, **_OPTIONS)(function))


def over_threads(work: Callable[..., object], count: int, threads: int, *arguments: Any) -> None:
    """Call work(first, last, *arguments) so that the ranges cover 0..count-1 once, on some threads.

    What a range does must not depend on where the ranges are cut: then the result does not depend on the
    number of threads.
    """
    if threads <= 1 or count <= 1:
        work(0, count, *arguments)
        return
    chunks = min(count, threads * _CHUNKS_PER_THREAD)
    cuts = iter([(count * chunk // chunks, count * (chunk + 1) // chunks) for chunk in range(chunks)])

    def walk() -> None:
        for first, last in cuts:  # a range iterator hands each chunk to one thread
            work(first, last, *arguments)

    others = [_pool(os.getpid(), threads).submit(walk) for _ in range(threads - 1)]
    walk()
    for other in others:
        other.result()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return the pool of this process: threads do not follow a fork, so a forked process makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="terrazzo-kernels")
