"""The one path from an image to labels: validation, `evaluate`, `predict` and the server go through it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.prediction import Prediction, to_probabilities
from terrazzo.predict.backends.torch_backend import TorchBackend
from terrazzo.predict.inference import WholeImage

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

Ids = NDArray[np.uint8] | NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says about one image: the labels, and what they were read from."""

    ids: Ids
    """(H, W) train ids 0..K-1; post-processed, where that was asked for."""

    prediction: Prediction
    """Logits of one image, before any post-processing."""


def segment(model: "SegmentationModel", image_HWC: NDArray[Any]) -> Ids:
    """Return the most likely class of every pixel; for many images a `Predictor` saves the preparation.

    Args:
        model: any network of ours, in any mode, on any device.
        image_HWC: raw pixel values, uint8, uint16 or float; (H, W) stands for one channel. Volumes
            (D, H, W, C) or (D, H, W) for a network that takes them.

    Returns:
        (H, W) or (D, H, W) train ids 0..K-1, uint8 (int16 beyond 255 classes); never void.

    Raises:
        DataError: the image is empty or has another number of channels than the model takes.
    """
    return answer(model, image_HWC).ids


def answer(model: "SegmentationModel", image_HWC: NDArray[Any]) -> Answer:
    """Return the labels together with the prediction they come from; arguments and errors as `segment`."""
    return answer_of(infer(model, image_HWC))


def answer_of(prediction: Prediction) -> Answer:
    """Return a prediction of one image together with its labels."""
    return Answer(to_ids(prediction), prediction)


def probabilities(model: "SegmentationModel", image_HWC: NDArray[Any]) -> NDArray[np.float32]:
    """Return the softmax over classes, (K, H, W) float32 in 0..1; arguments and errors as `segment`."""
    return to_probabilities(infer(model, image_HWC))


def infer(model: "SegmentationModel", image_HWC: NDArray[Any]) -> Prediction:
    """Run the network on one whole image: logits at its own stride, on its device, in float32."""
    return WholeImage(TorchBackend(model))(image_HWC)


def to_ids(prediction: Prediction) -> Ids:
    """Return the (H, W) train ids of a prediction for one image."""
    from terrazzo.kernels import upsample_argmax

    with torch.inference_mode():
        ids_BHW = upsample_argmax(
            prediction.logits.float(),
            prediction.size,
            stride=prediction.stride,
            align_corners=prediction.align_corners,
        )
    ids_HW: Ids = ids_BHW[0].cpu().numpy()
    return ids_HW
