"""Confidence maps: how sure a prediction is of each pixel's class, as pictures that define themselves."""

import math
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import TerrazzoError, unknown_name
from terrazzo.core.prediction import Prediction

Kind = Literal["max", "entropy"]

DEFINITIONS: Final[dict[str, str]] = {
    "max": "Confidence: value = round(255 * p), p = the probability (softmax) of the predicted class.",
    "entropy": "Confidence: value = round(255 * (1 - H / log K)), H = entropy of the K class probabilities "
    "(softmax); 255 = sure, 0 = all classes equal.",
}
"""What a value means, by kind; written into the file."""


def confidence_map(prediction: Prediction, kind: Kind = "max") -> NDArray[np.uint8]:
    """Return how sure a prediction is at every pixel, (H, W) uint8; K x H x W numbers are never held.

    Args:
        prediction: of one image.
        kind: "max", 255 times the probability of the predicted class; or "entropy", 255 times one minus the
            entropy as a share of its largest value, log K.

    Raises:
        RequestError: an unknown kind.
    """
    if kind not in DEFINITIONS:
        raise unknown_name("kind of confidence", kind, DEFINITIONS)
    if kind == "entropy":
        return _one_minus_entropy(prediction)
    from terrazzo.kernels import upsample_argmax

    _, chance_BHW = upsample_argmax(
        prediction.logits.float(),
        prediction.size,
        stride=prediction.stride,
        align_corners=prediction.align_corners,
        probability="uint8",
    )
    return np.asarray(chance_BHW[0].cpu().numpy())


def write_confidence(path: str | Path, confidence_HW: NDArray[np.uint8], kind: Kind = "max") -> None:
    """Write a confidence map as a grey PNG whose text chunk `Description` says what its values mean.

    Raises:
        TerrazzoError: the file cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Title", f"confidence ({kind})")
    words.add_text("Description", DEFINITIONS[kind])
    words.add_text("Software", "terrazzo")
    try:
        Image.fromarray(np.ascontiguousarray(confidence_HW)).save(path, format="PNG", pnginfo=words)
    except OSError as error:
        raise TerrazzoError(
            f"{path} cannot be written: {error.strerror or error}. Check that the folder exists, is "
            "writable, and that the disk has room."
        ) from error


def _one_minus_entropy(prediction: Prediction) -> NDArray[np.uint8]:
    from terrazzo.predict.members.uncertainty import entropy_map

    classes = prediction.logits.shape[1]
    if classes == 1:
        return np.full(prediction.size, 255, dtype=np.uint8)
    sure_HW = 1 - entropy_map(prediction) / math.log(classes)
    return np.asarray(np.rint(255 * sure_HW.clip(0, 1)), dtype=np.uint8)
