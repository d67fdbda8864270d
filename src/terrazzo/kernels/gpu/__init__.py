"""Triton kernels for CUDA behind the public kernels, taken in through `triton_room` alone.

Reading order: `grid` (which program owns which logits, and how large a tile is), `tile` (from logits to a
tile of widened ones), then one file per kernel.
"""

import logging
from functools import cache
from importlib import import_module
from typing import Any

_log = logging.getLogger(__name__)


@cache
def triton_room(name: str) -> Any:
    """Import a file of this folder, and Triton with it; None where Triton does not work here.

    Args:
        name: "argmax" for `terrazzo.kernels.gpu.argmax`.
    """
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError as error:
        _log.info("Without Triton (%s) the kernels run in PyTorch: the same results, slower.", error)
        return None
