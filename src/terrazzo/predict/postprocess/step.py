"""A step of post-processing, and what it is given: labels, and behind them the prediction and the image.

Shapes: K classes, H x W pixels, C channels; a volume is D x H x W.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.prediction import Prediction, to_probabilities
from terrazzo.predict.segment import Ids


@dataclass(frozen=True, eq=False)
class State:
    """One image between two steps; steps return another one and change nothing."""

    ids: Ids
    """(H, W) or (D, H, W) train ids 0..K-1."""

    prediction: Prediction
    """What the network said, of this one image."""

    pixels: NDArray[Any]
    """(H, W, C), (H, W) or a volume: the image as it was read."""

    refined: NDArray[np.float32] | None = None
    """(K, H, W) probabilities that a step has made; None: those of the prediction."""

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(K, H, W), made when first asked for."""
        return to_probabilities(self.prediction) if self.refined is None else self.refined

    def relabelled(self, ids: Ids) -> "State":
        """Return the same with other labels."""
        return replace(self, ids=ids)


class Step(Protocol):
    """Something that is done to the labels of an image."""

    @property
    def name(self) -> str:
        """What it is called in a spec."""

    @property
    def words(self) -> str:
        """What it does, as it would be asked for: part of what a score means."""

    @property
    def volumes(self) -> bool:
        """Whether it also works on volumes."""

    @property
    def labels_anew(self) -> bool:
        """Whether labels are read from probabilities again, which forgets what other steps did to them."""

    def __call__(self, state: State) -> State:
        """Do it; ids 0..K-1 in, ids 0..K-1 out."""
