"""Test-time augmentation: an image is predicted flipped, turned and scaled, too, and the answers are merged.

The untouched view is exactly what is predicted without. Every other view is padded at its end, as the network
itself would pad it, *before* it is flipped or turned: its logits, laid upright again, then lie on the grid of
the untouched view at any size and stride, so that a network that treats flipped images alike gives the same
with augmentation as without. Where no view is scaled they are therefore merged at the logits, which costs
next to nothing; otherwise pixel by pixel, one view at a time.

Views are predicted one after the other. On a CPU a batch of them is no faster (`docs/tta.md`) and takes more
memory; and so anything that predicts one image, tiled or not, can be augmented.

Shapes: B images, C channels, K classes, h x w logits, H x W pixels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.inference import Inference, Method
from terrazzo.predict.views.merging import merge
from terrazzo.predict.views.spec import UPRIGHT, Orientation, TestTimeSpec, parse_tta


class TestTime:
    """Predict an image in several views, and merge them.

    It holds, beside the logits of one view, one array of K x H x W numbers where scales differ, and none of
    that size where the views are only flipped and turned.

    Args:
        inner: what predicts a view.
        spec: which views, and how they merge; or the text for it.

    Raises:
        RequestError: the text means nothing, or the views do not fit the model: `dflip` of images, scales of
            volumes.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    def __init__(self, inner: Inference, spec: TestTimeSpec | str) -> None:
        self.inner = inner
        self.spec = parse_tta(spec) if isinstance(spec, str) else spec
        self._padding = Padding.of(inner.backend)
        volumes = inner.backend.sides == 3
        if volumes and len(self.spec.scales) > 1:
            raise RequestError("Volumes are not scaled for test-time augmentation; leave scale= out.")
        if not volumes and any(each.depth for each in self.spec.orientations):
            raise RequestError("dflip turns the slices of volumes around; this model takes images.")

    @property
    def backend(self) -> Backend:
        """What computes, at the bottom."""
        return self.inner.backend

    @property
    def method(self) -> Method:
        """What it does, in words."""
        inner = self.inner.method
        words = self.spec.words if inner.tta == "none" else f"{inner.tta}; {self.spec.words}"
        return replace(inner, tta=words)

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image; see `Inference`.

        Raises:
            RequestError: a scaled view is smaller than the model takes.
        """
        if len(self.spec) == 1:
            return self.inner(image_HWC)
        scales = len(self.spec.scales) > 1
        return merge(self.spec.merge, lambda: self._views(image_HWC), at_full_size=scales)

    def _views(self, image_HWC: NDArray[Any]) -> Iterator[tuple[Prediction, float]]:
        """Predict view by view; what is wrong with the image shows at the untouched one."""
        untouched = self.inner(image_HWC)
        yield untouched, 1.0
        if image_HWC.ndim == self.backend.sides:
            image_HWC = image_HWC[..., None]
        padding = self._padding.for_stride(untouched.stride)
        for scale in self.spec.scales:
            scaled_HWC = _scaled(image_HWC, scale)
            for orientation in self.spec.orientations:
                if (scale, orientation) != (1, UPRIGHT):
                    yield self._view(scaled_HWC, orientation, padding, scale), 1.0

    def _view(
        self, image_HWC: NDArray[Any], orientation: Orientation, padding: "Padding", scale: float
    ) -> Prediction:
        """Predict one view, and lay its logits upright, without those of the padding."""
        size = image_HWC.shape[:-1]
        if orientation != UPRIGHT:
            image_HWC = orientation.apply(padding.pad(image_HWC))
        try:
            prediction = self.inner(image_HWC)
        except RequestError as error:
            raise RequestError(f"{_view_words(scale, size)}: {error}") from error
        logits_BKhw = orientation.undo(prediction.logits)
        for dim, side in enumerate(logits_size(size, prediction.stride), start=2):
            logits_BKhw = logits_BKhw.narrow(dim, 0, side)
        return replace(prediction, logits=logits_BKhw, size=tuple(size))


@dataclass(frozen=True)
class Padding:
    """How an image is padded at the end of its sides before it is flipped.

    Attributes:
        multiple: the sides become multiples of this.
        fill: one value per channel, pixel units; None: the last pixels are repeated.
    """

    multiple: int
    fill: tuple[float, ...] | None = None

    @classmethod
    def of(cls, backend: Backend) -> "Padding":
        """Pad as the network does where it can be asked: its mean, which it normalises to zero."""
        from terrazzo.models.base import SegmentationModel

        model = getattr(backend, "model", None)
        if not isinstance(model, SegmentationModel):
            return cls(backend.stride)
        return cls(model.multiple, tuple(model.normalize.mean.flatten().tolist()))

    def for_stride(self, stride: int) -> "Padding":
        """Return one that fits logits of any stride, which need not be the network's own."""
        return replace(self, multiple=math.lcm(self.multiple, stride))

    def pad(self, image_HWC: NDArray[Any]) -> NDArray[Any]:
        """Return the image at multiples; the same array if it is already, else float32 with `fill`."""
        sides = image_HWC.shape[:-1]
        missing = [-side % self.multiple for side in sides]
        if not any(missing):
            return image_HWC
        border = [*((0, last) for last in missing), (0, 0)]
        if self.fill is None:
            return np.pad(image_HWC, border, mode="edge")
        padded_HWC = np.empty(
            [s + m for s, m in zip(sides, missing, strict=True)] + [len(self.fill)], np.float32
        )
        padded_HWC[...] = self.fill
        padded_HWC[tuple(slice(side) for side in sides)] = image_HWC
        return padded_HWC


def with_tta(inner: Inference, text: str) -> Inference:
    """Wrap an inference by the text of `--tta`; `none` leaves it as it is."""
    spec = parse_tta(text)
    return TestTime(inner, spec) if len(spec) > 1 else inner


def _scaled(image_HWC: NDArray[Any], scale: float) -> NDArray[Any]:
    """Return an image with both sides multiplied, rounded to pixels, by the rule of `core.resize`."""
    if scale == 1:
        return image_HWC
    from terrazzo.core.resize import resize_image, resized_size

    pixels = image_HWC if image_HWC.dtype in (np.uint8, np.uint16) else image_HWC.astype(np.float32)
    return resize_image(pixels, resized_size(image_HWC.shape[:2], scale))


def _view_words(scale: float, size: tuple[int, ...]) -> str:
    what = f"Test-time augmentation scale={scale:g}" if scale != 1 else "Test-time augmentation"
    return f"{what} makes {' x '.join(map(str, size))} pixels of this image"
