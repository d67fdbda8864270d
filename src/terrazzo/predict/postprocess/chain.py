"""Steps in order: what `Predictor` does to the labels that it has read."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.predict.postprocess.step import State, Step
from terrazzo.predict.segment import Ids


class Postprocess:
    """Steps, the first first. The same labels, prediction and image always give the same.

    Args:
        steps: what to do.

    Raises:
        RequestError: a step that reads labels anew stands behind one that has changed them.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = tuple(steps)
        for before, step in zip(self.steps, self.steps[1:], strict=False):
            if step.labels_anew and not before.labels_anew:
                raise RequestError(
                    f"{step.name} reads the labels from the probabilities again, which would undo "
                    f"{before.name}: put {step.name} first."
                )

    def __repr__(self) -> str:
        """Say what it does."""
        return f"Postprocess({self.words!r})"

    @property
    def words(self) -> str:
        """The steps as they would be asked for; `none` for no step."""
        return ";".join(step.words for step in self.steps) or "none"

    def check(self, sides: int) -> None:
        """Refuse steps that do not work on what a model takes.

        Args:
            sides: of an image of the model: 2, or 3 of a volume.

        Raises:
            RequestError: names the step.
        """
        for step in self.steps:
            if sides == 3 and not step.volumes:
                raise RequestError(
                    f"{step.name} works on images, and this model takes volumes. "
                    "Of volumes there are drop-clusters, largest and threshold."
                )

    def __call__(self, ids: Ids, prediction: Prediction, pixels: NDArray[Any]) -> Ids:
        """Do all steps to one image.

        Args:
            ids: (H, W) or (D, H, W) train ids 0..K-1.
            prediction: what they were read from.
            pixels: the image, (H, W, C) or (H, W), or a volume.

        Returns:
            Train ids 0..K-1 of the same shape and type; never void.
        """
        return self.apply(State(ids, prediction, pixels))

    def apply(self, state: State) -> Ids:
        """Do the same to a state, which several may share: its probabilities are then made only once."""
        for step in self.steps:
            state = step(state)
        return state.ids
