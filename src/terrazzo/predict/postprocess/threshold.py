"""Labels by a threshold per class instead of by the largest probability.

Shapes: K classes, H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.postprocess.arguments import written
from terrazzo.predict.postprocess.step import State


@dataclass(frozen=True)
class Threshold:
    """A class is given from its own probability on, and not below it."""

    of_class: Mapping[str, float]
    """Class name to probability, above 0 and below 1."""

    place: Mapping[str, int]
    """Train id of these classes."""

    name = "threshold"
    volumes = True
    labels_anew = True

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.name}={written(None, {name: f'{at:g}' for name, at in self.of_class.items()})}"

    def __call__(self, state: State) -> State:
        """Do it."""
        thresholds = {self.place[name]: at for name, at in self.of_class.items()}
        ids: Any = threshold(state.probabilities, thresholds).astype(state.ids.dtype)
        return state.relabelled(ids)


def threshold(shares_KHW: NDArray[np.float32], thresholds: Mapping[int, float]) -> NDArray[np.intp]:
    """Label by thresholds; where every pixel has one class, so for models of two classes above all.

    * Where classes reach their thresholds: of them the one that is furthest above, as a ratio.
    * Elsewhere: the most likely of the classes that have none. Where all have one, the nearest to its own.

    Args:
        shares_KHW: probabilities; of a softmax, or of a sigmoid per class.
        thresholds: class id to probability.
    """
    limited = sorted(thresholds)
    best_HW: NDArray[np.intp]
    ratio_LHW = np.stack([shares_KHW[k] / np.float32(thresholds[k]) for k in limited])
    best_HW = np.array(limited)[ratio_LHW.argmax(axis=0)]
    free = [k for k in range(len(shares_KHW)) if k not in thresholds]
    if not free:
        return best_HW
    fallback_HW = np.array(free)[shares_KHW[free].argmax(axis=0)]
    best_HW = np.where(ratio_LHW.max(axis=0) >= 1, best_HW, fallback_HW)
    return best_HW
