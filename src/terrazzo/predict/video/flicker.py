"""Flicker: how often the class of what does not move changes.

Over all pairs of successive frames: pixels that do not move and change class, divided by pixels that do not
move. `Motion.still_nm` says what does not move. No truth is needed, so it can be measured on any video.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.video.motion import Motion


@dataclass(frozen=True)
class Flicker:
    """Shares 0..1; None where nothing stood still in any pair of frames."""

    plain: float | None
    """Of the labels as the model gives them."""

    smoothed: float | None
    """Of the labels after temporal smoothing; None without it."""

    still: float
    """Share of all pixels that did not move, which is what the others are shares of."""

    pairs: int
    """Pairs of successive frames."""


class FlickerCounter:
    """Counts over a video; two label maps of the last frame are all it holds."""

    def __init__(self) -> None:
        self._before: tuple[NDArray[Any], NDArray[Any] | None] | None = None
        self._still = self._pixels = self._pairs = 0
        self._changed = [0, 0]
        self._smoothed = False

    def add(
        self, motion: Motion | None, plain_HW: NDArray[Any], smoothed_HW: NDArray[Any] | None = None
    ) -> None:
        """Count one frame.

        Args:
            motion: since the frame before; None where there is none to compare with.
            plain_HW: labels as the model gives them.
            smoothed_HW: labels after smoothing.
        """
        before, self._before = self._before, (plain_HW, smoothed_HW)
        self._smoothed |= smoothed_HW is not None
        if motion is None or before is None:
            return
        still_HW = motion.still()
        self._pairs += 1
        self._pixels += still_HW.size
        self._still += int(np.count_nonzero(still_HW))
        for which, (old, new) in enumerate(zip(before, (plain_HW, smoothed_HW), strict=True)):
            if old is not None and new is not None:
                self._changed[which] += int(np.count_nonzero((old != new) & still_HW))

    def result(self) -> Flicker:
        """Return the shares."""
        plain, smoothed = (count / self._still if self._still else None for count in self._changed)
        return Flicker(
            plain=plain,
            smoothed=smoothed if self._smoothed else None,
            still=self._still / self._pixels if self._pixels else 0.0,
            pairs=self._pairs,
        )
