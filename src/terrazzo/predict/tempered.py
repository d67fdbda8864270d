"""Honest probabilities, the same labels: logits divided by one temperature (Guo et al. 2017, section 4.2).

The order of the classes at a pixel does not change, only how sure the softmax is of the first.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.inference import Inference, Method

if TYPE_CHECKING:
    from terrazzo.checkpoint import Card


class Tempered:
    """An inference whose logits are divided by a temperature.

    Wrap the outermost inference: a mean over tempered views or members may well have other labels.

    Args:
        inner: what predicts.
        temperature: above 0; above 1 the probabilities become less sure.

    Raises:
        RequestError: the temperature is no number above 0.
    """

    def __init__(self, inner: Inference, temperature: float) -> None:
        if not (math.isfinite(temperature) and temperature > 0):
            raise RequestError(
                f"The temperature is {temperature}; expected a number above 0, where 1 changes nothing. "
                "`terrazzo.evaluate.calibrate` fits one."
            )
        self.inner, self.temperature = inner, temperature

    @property
    def backend(self) -> Backend:
        """What computes."""
        return self.inner.backend

    @property
    def method(self) -> Method:
        """That of what is tempered: the labels are the same, and so is what a score of them means."""
        return self.inner.method

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image; see `Inference`."""
        return temper(self.inner(image_HWC), self.temperature)


def temper(prediction: Prediction, temperature: float) -> Prediction:
    """Return a prediction with its logits divided by the temperature."""
    return replace(prediction, logits=prediction.logits / temperature)


def calibrated(inference: Inference, card: "Card | None") -> Inference:
    """Wrap an inference with the temperature of a model card, where there is one for it.

    A temperature belongs to what it was fitted with. Averaging views or members makes probabilities less sure
    by itself, so one that was fitted with other test-time augmentation or other members is not used.
    """
    found = None if card is None else card.calibration
    if found is None or isinstance(inference, Tempered):
        return inference
    fits = (inference.method.tta, inference.method.members) == (found.tta, found.members)
    return Tempered(inference, found.temperature) if fits else inference


def uncalibrated(inference: Inference) -> Inference:
    """Return the inference without a temperature."""
    return inference.inner if isinstance(inference, Tempered) else inference
