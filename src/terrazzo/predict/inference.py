"""From one image to a prediction: the network once, or something wrapped around it (tiles, flips, members).

Everything that predicts is an `Inference`, so they nest in any composition, and everything behind them
(labels, probabilities, scores, rasters, video) needs to know none of them.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.predict.backends.base import Backend


@dataclass(frozen=True)
class Method:
    """How predictions are made, in words: it is part of what a score means."""

    tta: str = "none"
    """Test-time augmentation."""

    tiles: str = "whole image"
    """How large images are cut, and blended again."""

    members: str = "one model"
    """How many networks, or random passes through one, are averaged."""

    postprocess: str = "none"
    """What is done to the labels afterwards."""

    def to_json(self) -> dict[str, str]:
        """Return plain strings."""
        return asdict(self)


class Inference(Protocol):
    """Something that turns one image into a prediction."""

    @property
    def backend(self) -> Backend:
        """What computes, at the bottom; of several members the first."""

    @property
    def method(self) -> Method:
        """What it does, in words."""

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image.

        Args:
            image_HWC: raw pixel values, uint8, uint16 or float; (H, W) stands for one channel. Volumes
                (D, H, W, C) or (D, H, W) for a network that takes them.

        Returns:
            Of one image: float32 logits (1, K, h, w) at any stride (merged probabilities as their
            logarithms), and the image's `size`.

        Raises:
            DataError: the image is empty or has another number of channels than the model takes.
        """


class WholeImage:
    """The network once, on the image as it is. A volume of few slices is padded to the smallest side.

    Args:
        backend: what computes.
    """

    method = Method()

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image; see `Inference`."""
        image_BCHW = to_batch(image_HWC, self.backend.in_channels, self.backend.sides)
        size = tuple(image_BCHW.shape[2:])
        if self.backend.sides == 3:
            image_BCHW = _at_least(image_BCHW)
        prediction = self.backend.run(image_BCHW)
        if prediction.size == size:
            return prediction
        from terrazzo.models.pixels import crop

        logits = crop(prediction.logits, logits_size(size, prediction.stride))
        return replace(prediction, logits=logits, size=size)


def to_batch(image_HWC: NDArray[Any], in_channels: int, sides: int = 2) -> Tensor:
    """Return (1, C, H, W): uint8 as it is, everything else as float32, in the same units.

    Raises:
        DataError: the image is empty, or its shape or number of channels is not what the model takes.
    """
    if image_HWC.ndim == sides:
        image_HWC = image_HWC[..., None]
    if image_HWC.ndim != sides + 1 or image_HWC.size == 0:
        wanted = "(H, W, C) with at least one pixel" if sides == 2 else "a volume (D, H, W, C)"
        raise DataError(f"The image has shape {image_HWC.shape}; expected {wanted}.")
    if image_HWC.shape[-1] != in_channels:
        raise DataError(
            f"The image has {_channels(image_HWC.shape[-1])}, but the model takes {_channels(in_channels)}. "
            "Convert the image, or use a model that was trained on such images."
        )
    # PyTorch computes hardly anything in uint16; float32 holds each of its values exactly
    pixels = image_HWC if image_HWC.dtype == np.uint8 else image_HWC.astype(np.float32)
    image_BHWC = torch.from_numpy(np.array(pixels, order="C"))[None]
    # (B, H, W, C) in memory is the channels-last format. It is fast, and convolutions then give the same bits
    # whichever format the weights are in, so a model scores the same in training and loaded from disk.
    return image_BHWC.movedim(-1, 1)


def _at_least(image_BCDHW: Tensor) -> Tensor:
    """Pad short sides at their end to what networks take, with the smallest value there is."""
    from terrazzo.models.base import MIN_SIDE

    missing = [max(0, MIN_SIDE - side) for side in image_BCDHW.shape[2:]]
    if not any(missing):
        return image_BCDHW
    border = [amount for last in reversed(missing) for amount in (0, last)]
    return functional.pad(image_BCDHW, border, value=float(image_BCDHW.min()))


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"
