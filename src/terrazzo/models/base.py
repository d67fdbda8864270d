"""What every network is: raw pixels in, a `Prediction` at its own output stride out, whatever the size.

Shapes: B images, C channels, H x W image size, K classes, h x w = ceil(H / stride) x ceil(W / stride).
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.models.layers import Normalize, crop, pad_to_multiple

MIN_SIDE = 33
"""The smallest image side, pixels: one more than the usual coarsest stride, so that no map is 1 x 1."""


class SegmentationModel(nn.Module):
    """Base of all architectures: it normalises, pads inside and crops; a subclass writes `logits`.

    Args:
        num_classes: K, void not counted.
        in_channels: C.
        stride: pixels per logit, both directions.
        multiple: both sides of what `logits` gets are multiples of this (the coarsest stride, as a rule).
        mean: per channel, pixel units; None for the default of `Normalize`.
        std: per channel, pixel units; None for the default of `Normalize`.
        align_corners: how the logits are to be widened; False but for weights trained otherwise.
    """

    architecture: str
    """The name in MODELS that this network was built under (set by `build_model`)."""

    arguments: dict[str, Any]
    """What rebuilds this network through `build_model` with pretrained=False (set by `build_model`)."""

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        stride: int,
        multiple: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1 or in_channels < 1:
            raise RequestError(
                f"A model needs at least 1 class and 1 channel; given {num_classes} and {in_channels}."
            )
        self.architecture = ""
        self.arguments = {}
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.stride = stride
        self.multiple = multiple
        self.align_corners = align_corners
        self.normalize = Normalize(in_channels, mean, std)

    @abstractmethod
    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / stride, W / stride) of normalised images; H and W are multiples of `multiple`."""

    def forward(self, image_BCHW: Tensor) -> Prediction:
        """Return the logits of raw images.

        Args:
            image_BCHW: raw pixel values, uint8, uint16 or float in the same units; RGB where C is 3.

        Raises:
            RequestError: the channels are not the network's, a side is below 33 pixels, or batch norm would
                be trained on a single value.
        """
        self._check(image_BCHW)
        height, width = image_BCHW.shape[-2:]
        padded_BCHW = pad_to_multiple(self.normalize(image_BCHW), self.multiple)
        logits_BKhw = self.logits(padded_BCHW)
        h, w = logits_size((height, width), self.stride)
        return Prediction(
            crop(logits_BKhw, h, w), self.stride, (height, width), align_corners=self.align_corners
        )

    def _check(self, image_BCHW: Tensor) -> None:
        if image_BCHW.ndim != 4 or image_BCHW.shape[1] != self.in_channels:
            raise RequestError(
                f"The images are {tuple(image_BCHW.shape)}; this model takes (B, {self.in_channels}, H, W). "
                "Give images with its number of channels, or build the model with in_channels to match."
            )
        batch, _, height, width = image_BCHW.shape
        if height < MIN_SIDE or width < MIN_SIDE:
            raise RequestError(
                f"The images are {height} x {width} pixels; models take sides from {MIN_SIDE} pixels. "
                "Enlarge the images or crops."
            )
        if self.training and batch == 1 and max(height, width) <= self.multiple:
            raise RequestError(
                f"One image of {height} x {width} becomes one value per channel at stride {self.multiple}, "
                "which batch norm cannot learn from. Train on 2 images or more per batch, or on larger crops."
            )
