"""Compiled CPU loops (numba) behind the public kernels, taken in through `compiled_room` alone.

Reading order: `jit` (how a loop is compiled and spread over threads), `exponent` (exp and log that
vectorise), `grid` (which output rows and columns lie between which logits), `widen` (a tile of columns), then
one file per kernel (`runs` before `clusters`).
"""

import logging
from functools import cache
from importlib import import_module
from typing import Any

_log = logging.getLogger(__name__)


@cache
def compiled_room(name: str) -> Any:
    """Import a file of this folder, and numba with it (a second); None where numba does not work here.

    Args:
        name: "argmax" for `terrazzo.kernels.cpu.argmax`.
    """
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError as error:
        _log.info("Without numba (%s) the kernels run in PyTorch: the same results, slower.", error)
        return None
