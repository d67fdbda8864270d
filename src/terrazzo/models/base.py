"""What every network is: raw pixels in, a `Prediction` at its own output stride out, whatever the size.

Shapes: B images, C channels, H x W image size, K classes, h x w = ceil(H / stride) x ceil(W / stride).
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary, Boundary, Prediction, Queries, logits_size
from terrazzo.models.convention import Convention
from terrazzo.models.pixels import Normalize, crop, pad_to_multiple

MIN_SIDE = 33
"""The smallest image side, pixels: one more than the usual coarsest stride, so that no map is 1 x 1."""


class Outputs(NamedTuple):
    """What a network with more than one output returns from `logits`; all of the padded image."""

    logits: Tensor
    """(B, K, H / stride, W / stride), the main output."""

    auxiliary: tuple[Auxiliary, ...] = ()
    """Deep supervision, in training mode only."""

    boundaries: tuple[Boundary, ...] = ()
    """Boundary branches, in training mode only."""

    queries: tuple[Queries, ...] = ()
    """Masks with classes, in training mode only."""

    weight: float = 1.0
    """Factor on the main output's loss; 0 where the published loss is on the other outputs alone."""


class SegmentationModel(nn.Module):
    """Base of all architectures: it normalises, pads inside and crops; a subclass writes `logits`.

    Args:
        num_classes: K, void not counted.
        in_channels: C.
        stride: pixels per logit, in every direction.
        multiple: the sides of what `logits` gets are multiples of this (the coarsest stride, as a rule).
        align_corners: how the logits are to be widened; False but for weights trained otherwise.
    """

    sides: int = 2
    """Dimensions of an image; a network for volumes sets 3."""

    norms_global_average: bool = False
    """Set where batch norm follows a global average: a single image has but one value per channel there."""

    one_pixel_maps: bool = False
    """Set where a map, at stride 64 or pooled, is a single pixel for some image sizes and larger for others.

    torch.export fixes such sizes unless `torch.fx.experimental._config.backed_size_oblivious` is set; it is
    not set for all networks, because others then get their batch size fixed.
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
        self.normalize = Normalize(in_channels)
        self._kept: list[int] | None = None

    @abstractmethod
    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / stride, W / stride) of normalised images; H and W are multiples of `multiple`.

        With further outputs for training, return `Outputs`; their sizes are those of the padded image, too.
        """

    def streamline(self) -> None:
        """Replace parts by others that compute the same with less work; called on a copy, for prediction.

        Parameters are shared with the network that was copied: they must stay as they are.
        """

    def set_progress(self, share: float) -> None:
        """Be told, before each step, which share of the training is done, 0..1. Most networks do not mind."""

    def adopt(self, convention: Convention) -> None:
        """Take on what the weights expect of images and mean by their outputs (see `Convention`).

        Raises:
            RequestError: statistics that do not fit the channels, or void outputs that the network lacks.
        """
        self.normalize = Normalize(self.in_channels, convention.mean, convention.std, bgr=convention.bgr).to(
            self.normalize.mean.device
        )
        void = convention.void_outputs
        if not void:
            return
        if len(set(void)) < len(void) or not all(0 <= output < self.num_classes for output in void):
            raise RequestError(
                f"void_outputs = {list(void)}: expected different outputs of 0..{self.num_classes - 1}."
            )
        self._kept = [output for output in range(self.num_classes) if output not in void]
        self.num_classes -= len(void)

    def forward(self, image_BCHW: Tensor) -> Prediction:
        """Return the logits of raw images.

        Args:
            image_BCHW: raw pixel values, uint8, uint16 or float in the same units; RGB where C is 3.

        Raises:
            RequestError: the channels are not the network's, a side is below 33 pixels, or batch norm would
                be trained on a single value.
        """
        self._check(image_BCHW)
        size = tuple(image_BCHW.shape[2:])
        outputs = self.logits(pad_to_multiple(self.normalize(image_BCHW), self.multiple))
        if isinstance(outputs, Tensor):
            outputs = Outputs(outputs)
        return Prediction(
            self._classes(outputs.logits, size, self.stride),
            self.stride,
            size,
            align_corners=self.align_corners,
            weight=outputs.weight,
            auxiliary=tuple(
                replace(output, logits=self._classes(output.logits, size, output.stride))
                for output in outputs.auxiliary
            ),
            boundaries=tuple(
                replace(output, logits=crop(output.logits, logits_size(size, output.stride)))
                for output in outputs.boundaries
            ),
            queries=tuple(
                replace(
                    output,
                    mask_logits=crop(output.mask_logits, logits_size(size, output.stride)),
                    class_logits=self._query_classes(output.class_logits),
                )
                for output in outputs.queries
            ),
        )

    def _classes(self, logits_BKhw: Tensor, size: tuple[int, ...], stride: int) -> Tensor:
        """Crop the padding off, and the outputs that mean void."""
        cropped_BKhw = crop(logits_BKhw, logits_size(size, stride))
        return cropped_BKhw if self._kept is None else cropped_BKhw[:, self._kept]

    def _query_classes(self, class_logits_BQK: Tensor) -> Tensor:
        """Leave out the outputs that mean void; "no object" stays the last."""
        return class_logits_BQK if self._kept is None else class_logits_BQK[..., [*self._kept, -1]]

    def _check(self, image_BCHW: Tensor) -> None:
        if image_BCHW.ndim != 2 + self.sides or image_BCHW.shape[1] != self.in_channels:
            wanted = ", ".join(["B", str(self.in_channels), *"DHW"[-self.sides :]])
            raise RequestError(
                f"The images are {tuple(image_BCHW.shape)}; this model takes ({wanted}). "
                "Give images with its number of channels, or build the model with in_channels to match."
            )
        size = tuple(image_BCHW.shape[2:])  # in words only where it is refused: torch.compile has it symbolic
        if min(size) < MIN_SIDE:
            raise RequestError(
                f"The images are {_by(size)} pixels; models take sides from {MIN_SIDE} pixels. "
                "Enlarge the images or crops."
            )
        if self.training and len(image_BCHW) == 1:
            self._check_single(size)

    def _check_single(self, size: tuple[int, ...]) -> None:
        """Refuse a batch of one where batch norm would see one value per channel."""
        if self.norms_global_average:
            raise RequestError(
                f"{self.architecture or 'This network'} normalises a global average, which is one value per "
                "channel for a batch of one image: batch norm cannot learn from it. "
                "Train on 2 images or more per batch."
            )
        if max(size) <= self.multiple:
            raise RequestError(
                f"One image of {_by(size)} becomes one value per channel at stride {self.multiple}, which "
                "batch norm cannot learn from. Train on 2 images or more per batch, or on larger crops."
            )


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
