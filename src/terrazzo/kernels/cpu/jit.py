"""How a loop is compiled and spread over threads.

Numba's own `parallel=True` is not used: its thread pools do not survive a fork (data-loader workers), the
portable one must not be entered twice at once, and it takes longer to compile. The loops release the GIL
instead, and a small pool of Python threads walks through them.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
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

    Numba looks for a place in NUMBA_CACHE_DIR, beside the source file, then in the user's cache directory;
    where none can be written to, every process compiles anew.
    """
    try:
        return cast(Callable[P, R], numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # "cannot cache function ...: no locator available"
        return cast(Callable[P, R], numba.njit(**_OPTIONS)(function))


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
    cuts = [count * chunk // chunks for chunk in range(chunks + 1)]
    pool = _pool(os.getpid(), threads)
    for done in [pool.submit(work, cuts[i], cuts[i + 1], *arguments) for i in range(chunks)]:
        done.result()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return the pool of this process: threads do not follow a fork, so a forked process makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="terrazzo-kernels")
