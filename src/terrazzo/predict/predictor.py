"""A trained model as a person uses it: give it an image or a file, get labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.prediction import to_probabilities
from terrazzo.predict.backends.torch_backend import TorchBackend
from terrazzo.predict.inference import Inference, Method, WholeImage
from terrazzo.predict.segment import Answer, Ids, to_ids
from terrazzo.predict.tempered import Tempered, calibrated, temper

if TYPE_CHECKING:
    from terrazzo.checkpoint import Card
    from terrazzo.core.labels import LabelMap
    from terrazzo.core.prediction import Prediction
    from terrazzo.models.base import SegmentationModel
    from terrazzo.predict.postprocess import Postprocess
    from terrazzo.predict.postprocess.spec import Spec

Image = str | PathLike[str] | NDArray[Any]
"""A file, or raw pixel values (H, W, C) in uint8, uint16 or float, RGB for three channels; a volume for
networks that take them: NIfTI, or (D, H, W, C)."""


class Predictor:
    """A model with the meaning of its outputs.

    Attributes:
        model: the network, in evaluation mode.
        labels: names, colours and raw ids of its K classes.
        card: all that its folder says about it, scores included.
        inference: how one image becomes logits; the whole image at once, unless said otherwise. Where the
            card holds a temperature for it, the logits are divided by that.
        postprocess: what is done to the labels afterwards; None: nothing.

    Raises:
        RequestError: post-processing that does not work on what the model takes.
    """

    def __init__(
        self,
        model: "SegmentationModel",
        labels: "LabelMap",
        card: "Card",
        *,
        inference: Inference | None = None,
        postprocess: "Postprocess | None" = None,
    ) -> None:
        self.model = model
        self.labels = labels
        self.card = card
        self.inference = calibrated(inference or WholeImage(TorchBackend(model)), card)
        self.postprocess = postprocess
        if postprocess is not None:
            postprocess.check(self.inference.backend.sides)

    def __repr__(self) -> str:
        """Say what it is in one line."""
        return f"Predictor({self.model.architecture!r}, {self.labels.num_classes} classes, on {self.device})"

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.model.parameters()).device

    @property
    def method(self) -> Method:
        """How predictions are made, in words."""
        method = self.inference.method
        return method if self.postprocess is None else replace(method, postprocess=self.postprocess.words)

    def predict(self, image: Image) -> Ids:
        """Return the label of every pixel.

        Args:
            image: a file, or raw pixel values (H, W, C).

        Returns:
            (H, W) label ids at the image's own size: 0..K-1 in the order of `labels.names`, uint8 (int16
            beyond 255 classes). `labels.decode` turns them into the ids that mask files hold.

        Raises:
            DataError: the image cannot be read, or has another number of channels than the model takes.
        """
        return self.answer(image).ids

    def answer(self, image: Image) -> Answer:
        """Return the labels and the prediction they come from; arguments and errors as `predict`."""
        pixels = read_pixels(image)
        with _named(image):
            return self.finish(self._read(pixels), pixels)

    def _read(self, pixels: NDArray[Any]) -> Answer:
        inference = self.inference
        if not isinstance(inference, Tempered):
            prediction = inference(pixels)
            return Answer(to_ids(prediction), prediction)
        # Labels are read before the division: rounding could else turn a near-tie round.
        plain = inference.inner(pixels)
        return Answer(to_ids(plain), temper(plain, inference.temperature))

    def finish(self, answer: Answer, pixels: NDArray[Any]) -> Answer:
        """Post-process the labels of an image, where that was asked for; `answer` has done so already."""
        if self.postprocess is None:
            return answer
        return replace(answer, ids=self.postprocess(answer.ids, answer.prediction, pixels))

    def with_postprocess(self, spec: "Spec") -> "Predictor":
        """Return the same predictor with other post-processing.

        Args:
            spec: steps, such as `drop-clusters=70;largest=Road`, or `none`; see `parse_postprocess`.

        Raises:
            RequestError: it means nothing, or does not work on what the model takes.
        """
        from terrazzo.predict.postprocess import parse_postprocess

        other = copy(self)
        other.postprocess = parse_postprocess(spec, self.labels)
        other.postprocess.check(self.inference.backend.sides)
        return other

    def probabilities(self, image: Image) -> NDArray[np.float32]:
        """Return the softmax over classes, (K, H, W) float32 in 0..1; arguments and errors as `predict`.

        Where the model was calibrated (see `terrazzo.evaluate.calibrate`), with its temperature.
        """
        return to_probabilities(self.infer(image))

    def overlay(self, image: Image, *, alpha: float = 0.5) -> NDArray[np.uint8]:
        """Return the image with its labels painted over it, (H, W, 3) RGB.

        Args:
            image: a file, or raw pixel values (H, W, C).
            alpha: opacity of the labels, 0 to 1.
        """
        pixels = read_pixels(image)
        return self.paint(pixels, self.predict(pixels), alpha=alpha)

    def paint(self, pixels: NDArray[Any], ids: NDArray[Any], *, alpha: float = 0.5) -> NDArray[np.uint8]:
        """Return raw pixel values (H, W, C) with the labels (H, W) painted over them, (H, W, 3) RGB."""
        from terrazzo.figures import overlay

        return overlay(pixels, ids, self.labels, alpha)

    def infer(self, image: Image) -> "Prediction":
        """Return the logits of an image; `to_ids` and `to_probabilities` read them."""
        pixels = read_pixels(image)
        with _named(image):
            return self.inference(pixels)


def load(folder: str | PathLike[str], device: str = "auto") -> Predictor:
    """Load a model folder for prediction.

    Args:
        folder: a model folder, for instance `runs/demo/best`.
        device: `auto` (the GPU where there is one, else the CPU), `cpu`, `cuda`, `cuda:1`, ...

    Raises:
        CheckpointError: the folder is missing, foreign, cut short or damaged.
        RequestError: there is no such device.
    """
    from terrazzo.checkpoint import load_model

    model, card = load_model(Path(folder), device=pick_device(device))
    return Predictor(model, card.label_map, card)


@contextmanager
def _named(image: Image) -> Iterator[None]:
    """Say which file it is that something is wrong with."""
    try:
        yield
    except DataError as error:
        if isinstance(image, np.ndarray):
            raise
        raise DataError(f"{fspath(image)}: {error}") from error


def pick_device(name: str) -> torch.device:
    """Turn a device's name into a device that is there.

    Raises:
        RequestError: the name means nothing, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise RequestError(
            f"There is no device {name!r} here; expected one of: {', '.join(['auto', 'cpu', *found])}."
        ) from error
    return device


def read_pixels(image: Image) -> NDArray[Any]:
    """Return the raw pixel values of a file, or those given."""
    if isinstance(image, np.ndarray):
        return image
    from terrazzo.core.images import read_image
    from terrazzo.core.volume_files import is_volume, read_volume

    path = Path(image)
    return read_volume(path) if is_volume(path) else read_image(path)
