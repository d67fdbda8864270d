"""What a result was measured on: cores, load before the start, versions, arithmetic roof, memory."""

import os
import platform
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import torch

QUIET_LOAD = 0.5


def facts() -> dict[str, Any]:
    """Return what a reader needs to judge a figure."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu": platform.processor() or platform.machine(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": version("torch"),
        "terrazzo": version("terrazzo"),
    }


def warn_if_busy() -> None:
    """Say plainly that figures from a busy machine are worth nothing."""
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        print(f"The load is {load:.2f}: wait for a quiet machine, or do not trust what follows.")


def peak_flops(seconds: float = 2.0) -> float:
    """Measure the fp32 roof: floating-point operations per second of a large matrix product."""
    size = 2048
    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    rates = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        rates.append(2.0 * size**3 / (time.perf_counter() - start))
    return sorted(rates)[len(rates) // 2]


def resident(kind: str) -> int:
    """Return the resident memory of this process, now (VmRSS) or at its peak (VmHWM), bytes: Linux.

    Unlike `ru_maxrss` it knows nothing of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


class PeakMemory:
    """Samples the resident memory of this process and its children; `peak` in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.05):
            sizes = [process.memory_info().rss]
            for child in process.children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, sum(sizes))
