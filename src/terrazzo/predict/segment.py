"""The one path from an image to labels: validation, `evaluate`, `predict` and the server all go through it.

Always one image at a time, in float32, in evaluation mode: a label never depends on what else was in a batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import Prediction, logits_size

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel


def segment(model: "SegmentationModel", image_HWC: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.int16]:
    """Return the most likely class of every pixel.

    Args:
        model: any network of ours, in any mode, on any device.
        image_HWC: raw pixel values, uint8, uint16 or float; (H, W) stands for one channel. Volumes
            (D, H, W, C) or (D, H, W) for a network that takes them.

    Returns:
        (H, W) or (D, H, W) train ids 0..K-1, uint8 (int16 beyond 255 classes); never void.

    Raises:
        DataError: the image is empty or has another number of channels than the model takes.
    """
    return to_ids(infer(model, image_HWC))


def probabilities(model: "SegmentationModel", image_HWC: NDArray[Any]) -> NDArray[np.float32]:
    """Return the softmax over classes, (K, H, W) float32 in 0..1; arguments and errors as `segment`."""
    return to_probabilities(infer(model, image_HWC))


def infer(model: "SegmentationModel", image_HWC: NDArray[Any]) -> Prediction:
    """Run the network on one image: logits at its own stride, on its device, in float32.

    A volume goes through whole. One of few slices is padded to the smallest side that networks take.
    """
    device = next(model.parameters()).device
    image_BCHW = _to_batch(image_HWC, model.in_channels, model.sides)
    size = tuple(image_BCHW.shape[2:])
    if model.sides == 3:
        image_BCHW = _at_least(image_BCHW)
    image_BCHW = image_BCHW.to(device)
    with (
        _evaluating(model),
        _full_precision(device),
        torch.inference_mode(),
        torch.autocast(device.type, enabled=False),
    ):
        prediction: Prediction = model(image_BCHW)
    if prediction.size == size:
        return prediction
    from terrazzo.models.pixels import crop

    return replace(
        prediction, logits=crop(prediction.logits, logits_size(size, prediction.stride)), size=size
    )


def to_ids(prediction: Prediction) -> NDArray[np.uint8] | NDArray[np.int16]:
    """Return the (H, W) train ids of a prediction for one image."""
    from terrazzo.kernels import upsample_argmax

    with torch.inference_mode():
        ids_BHW = upsample_argmax(
            prediction.logits.float(),
            prediction.size,
            stride=prediction.stride,
            align_corners=prediction.align_corners,
        )
    ids_HW: NDArray[np.uint8] | NDArray[np.int16] = ids_BHW[0].cpu().numpy()
    return ids_HW


def to_probabilities(prediction: Prediction) -> NDArray[np.float32]:
    """Return the (K, H, W) softmax of a prediction for one image."""
    with torch.inference_mode():
        shares_KHW: NDArray[np.float32] = prediction.full_size()[0].softmax(dim=0).cpu().numpy()
    return shares_KHW


def _at_least(image_BCDHW: Tensor) -> Tensor:
    """Pad short sides at their end to what networks take, with the smallest value there is."""
    from terrazzo.models.base import MIN_SIDE

    missing = [max(0, MIN_SIDE - side) for side in image_BCDHW.shape[2:]]
    if not any(missing):
        return image_BCDHW
    border = [amount for last in reversed(missing) for amount in (0, last)]
    return functional.pad(image_BCDHW, border, value=float(image_BCDHW.min()))


def _to_batch(image_HWC: NDArray[Any], in_channels: int, sides: int) -> Tensor:
    """Return (1, C, H, W): uint8 as it is, everything else as float32, in the same units."""
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


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding float32 to TF32, and from picking its convolutions by a race against time.

    Both are settings of the process that training may have changed: the labels must not depend on them.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn  # its settings are attributes made at run time
    matmul = torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark
    cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = "ieee", "ieee", False
    try:
        yield
    finally:
        cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = before


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and afterwards give every module its own mode back (some may be frozen)."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
