"""What is measured beside the counts: one interface, fed image by image, flat in memory.

A meter sees every image once, keeps sums, counts or one small row per image, and says what it found as plain
values. Distances, calibration and the like are meters; the confusion matrix stays the one source of overlap
scores.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Judged:
    """One image that was predicted, beside its truth."""

    id: str
    group: str | None
    """The scene or video it came from, where known."""

    truth: NDArray[Any]
    """(H, W) train ids, void included."""

    ids: NDArray[Any]
    """(H, W) predicted train ids, 0..K-1."""

    prediction: "Prediction | None" = None
    """What the ids were read from; None where only ids are known."""

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(K, H, W) softmax over classes, computed once for all meters that ask.

        Raises:
            RequestError: only labels are known of this prediction.
        """
        if self.prediction is None:
            raise RequestError("Only labels are known here, no probabilities: give a model, not masks.")
        from terrazzo.core.prediction import to_probabilities

        return to_probabilities(self.prediction)


class Meter(Protocol):
    """Something that is measured over a dataset."""

    def add(self, judged: Judged) -> None:
        """Take in one image."""

    def to_json(self) -> dict[str, Any]:
        """Return what was found: plain values, None for what is undefined."""
