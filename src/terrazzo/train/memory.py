"""Memory of the processes that prepare batches."""

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""

LARGEST_BLOCK = 32 << 20
"""Bytes; the most that glibc takes for the second."""


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed for the next sample, instead of giving it back to the system.

    Images of a few MB come and go for every sample; each time the system would take their pages away and
    hand out new ones, filled with zeros. That is up to half of the time a sample takes. The process then
    stays as large as its largest moment, which is what a worker is between samples anyway.

    Returns:
        Whether this system has such a setting (Linux with glibc).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    kept = library.mallopt(TRIM_THRESHOLD, 1 << 30), library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
    return all(kept)
