"""How unsure a prediction is at every pixel: entropy, and how far members disagree.

With members m of weight w_m and mean p = sum of w_m p_m, in nats (Gal 2016, section 3.3; Houlsby et al. 2011,
equation 2, BALD):

    entropy             H(p)                          all uncertainty
    expected_entropy    sum of w_m H(p_m)             what is left when the model is known: the data's own
    mutual_information  the difference, at least 0    what the members disagree about: the model's

Shapes: K classes, H x W pixels, r rows.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.prediction import Prediction
from terrazzo.predict.inference import Inference
from terrazzo.predict.rows import FullRows, blocks

Maps = dict[str, NDArray[np.float32]]


def uncertainty(inference: Inference, image_HWC: NDArray[Any]) -> Maps:
    """Return maps of uncertainty of one image.

    Args:
        inference: an `Ensemble`, of models or of random passes, for all three maps; anything else has no
            members, and gives the entropy alone. Tiles and the like go inside the ensemble, not around it.
        image_HWC: raw pixel values, as `Inference` takes them.

    Returns:
        `entropy` and, of members, `expected_entropy` and `mutual_information`: (H, W) float32, nats,
        0..log K.
    """
    members = getattr(inference, "members", None)
    if members is None:
        return {"entropy": entropy_map(inference(image_HWC))}
    spread: Spread | None = None
    for member, weight in zip(members, getattr(inference, "weights"), strict=True):  # noqa: B009
        prediction = member(image_HWC)
        spread = spread or Spread(prediction)
        spread.add(prediction, weight)
    assert spread is not None
    return spread.maps()


def entropy_map(prediction: Prediction) -> NDArray[np.float32]:
    """Return the entropy of the softmax at every pixel, (H, W) float32, nats, a few rows at a time."""
    rows, logits = FullRows(prediction), prediction.logits
    entropy_HW = torch.empty(rows.size, device=logits.device)
    with torch.inference_mode():
        for start, stop in blocks((logits.shape[1], *rows.size), logits.device):
            entropy_HW[start:stop] = _entropy(rows.block(start, stop).log_softmax(dim=0))
    return np.asarray(entropy_HW.cpu().numpy())


class Spread:
    """The sums that uncertainty is computed from; it holds one array of K x H x W numbers.

    Args:
        first: the first member's prediction, for the sizes.
    """

    def __init__(self, first: Prediction) -> None:
        self.shape = (first.logits.shape[1], *first.size)
        self._mean_KHW = torch.zeros(self.shape, device=first.logits.device)
        self._expected_HW = torch.zeros(self.shape[1:], device=first.logits.device)

    def add(self, prediction: Prediction, weight: float) -> None:
        """Take in a member's prediction; the weights of all must sum to 1."""
        rows, device = FullRows(prediction), self._mean_KHW.device
        with torch.inference_mode():
            for start, stop in blocks(self.shape, device):
                log_KrW = rows.block(start, stop).to(device).log_softmax(dim=0)
                self._expected_HW[start:stop] += weight * _entropy(log_KrW)
                self._mean_KHW[:, start:stop] += log_KrW.exp_().mul_(weight)

    def maps(self) -> Maps:
        """Return the three maps."""
        entropy_HW = torch.empty_like(self._expected_HW)
        with torch.inference_mode():
            for start, stop in blocks(self.shape, entropy_HW.device):
                mean_KrW = self._mean_KHW[:, start:stop]
                entropy_HW[start:stop] = -torch.special.xlogy(mean_KrW, mean_KrW).sum(dim=0)
            information_HW = (entropy_HW - self._expected_HW).clamp(min=0)
        maps = {
            "entropy": entropy_HW,
            "expected_entropy": self._expected_HW,
            "mutual_information": information_HW,
        }
        return {name: np.asarray(tensor.cpu().numpy()) for name, tensor in maps.items()}


def _entropy(log_KrW: Tensor) -> Tensor:
    """Return -sum of p log p (r, W) of log-probabilities; a probability of 0 adds nothing."""
    return -(log_KrW.exp() * log_KrW.clamp(min=torch.finfo(torch.float32).min)).sum(dim=0)
