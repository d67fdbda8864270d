"""How long predictions take, measured in the very run that is scored."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Stopwatch:
    """Takes the time of every prediction: from raw pixels in memory to labels in memory.

    Reading files and counting are not in it. The first image is left out where there are more: it pays for
    what is set up once.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.pixels: list[int] = []

    def timed(self, predict: Callable[[NDArray[Any]], T]) -> Callable[[NDArray[Any]], T]:
        """Return the same function, under the watch."""

        def watched(image_HWC: NDArray[Any]) -> T:
            start = time.perf_counter()
            said = predict(image_HWC)
            self.seconds.append(time.perf_counter() - start)
            self.pixels.append(int(np.prod(image_HWC.shape[:2])))
            return said

        return watched

    @property
    def warm(self) -> list[float]:
        """Seconds of each prediction but the first, where there are more."""
        return self.seconds[1:] or self.seconds

    def to_json(self) -> dict[str, float | None]:
        """Return images and megapixels per second, and median and 95th percentile of the time per image."""
        seconds, pixels = self.warm, self.pixels[1:] or self.pixels
        if not seconds:
            return dict.fromkeys(("images_per_s", "megapixels_per_s", "median_ms", "p95_ms"))
        return {
            "images_per_s": len(seconds) / sum(seconds),
            "megapixels_per_s": sum(pixels) / 1e6 / sum(seconds),
            "median_ms": 1000 * float(np.median(seconds)),
            "p95_ms": 1000 * float(np.percentile(seconds, 95)),
        }

    @property
    def words(self) -> str:
        """One line for people."""
        facts = self.to_json()
        if facts["images_per_s"] is None:
            return "nothing was predicted"
        return (
            f"{facts['images_per_s']:.3g} images/s; {facts['median_ms']:.0f} ms per image "
            f"(95 % below {facts['p95_ms']:.0f} ms)"
        )
