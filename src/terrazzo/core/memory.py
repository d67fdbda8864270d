"""What the C library does with memory that was freed: give it back to the system, or keep it for the next."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""

LARGEST_BLOCK = 32 << 20
"""Bytes; what glibc itself raises the second to, and the most that its older releases take."""

ALL_BLOCKS = 1 << 30
"""Bytes; more than any feature map."""


def keep_freed_memory(largest_block: int = LARGEST_BLOCK) -> bool:
    """Have the C library keep what is freed for the next image, instead of giving it back to the system.

    Arrays of some MB come and go for every image; each time the system would take their pages away and hand
    out new ones, filled with zeros. That is up to half of the time that loading a sample takes, and a seventh
    to a third of a network's on a CPU. The process then stays as large as its largest moment.

    Args:
        largest_block: blocks from here on are still given back, bytes.

    Returns:
        Whether this system has such a setting (Linux with glibc).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    kept = library.mallopt(TRIM_THRESHOLD, 1 << 30)
    below = library.mallopt(MMAP_THRESHOLD, largest_block) or library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
    return bool(kept and below)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory while many images are predicted, and give all of it back afterwards.

    It is a setting of the whole process. Afterwards it is what glibc settles on by itself in a program that
    has freed blocks of 32 MB.
    """
    kept = keep_freed_memory(ALL_BLOCKS)
    try:
        yield
    finally:
        if kept:
            library = ctypes.CDLL(None)
            library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
            library.mallopt(TRIM_THRESHOLD, 2 * LARGEST_BLOCK)
            library.malloc_trim(0)
