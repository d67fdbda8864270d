"""What computes logits: one small interface for PyTorch and for exported files."""

from typing import Protocol

from torch import Tensor

from terrazzo.core.prediction import Prediction


class Backend(Protocol):
    """Something that turns a batch of raw pixel values into logits."""

    @property
    def num_classes(self) -> int:
        """K, void not counted."""

    @property
    def in_channels(self) -> int:
        """C of the images it takes."""

    @property
    def sides(self) -> int:
        """2 for images, 3 for volumes."""

    @property
    def stride(self) -> int:
        """Image pixels per logit."""

    def run(self, image_BCHW: Tensor) -> Prediction:
        """Compute the logits of a batch.

        Args:
            image_BCHW: raw pixel values, uint8 or float32, on any device; volumes have one side more.

        Returns:
            Logits at the backend's own stride, float32, on its device; `size` is that of the images.
        """
