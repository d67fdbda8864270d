"""How much of the image one logit sees: measured from gradients, not computed from kernel sizes.

Luo, Li, Urtasun, Zemel 2016, Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks, section 3, https://arxiv.org/abs/1701.04128: the gradient of one output with respect to every pixel.

Shapes: B draws, C channels, H x W image size, h x w logits.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.models.stages import settle_norms

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

EFFECTIVE_SHARE = 0.9545
"""Share of the gradient in the effective field: two standard deviations of a Gaussian, as in the paper."""

_SCALES = ("gamma", "scale_factor")
"""Names of learned scales outside of norms (layer scale of transformers and ConvNeXt)."""


@dataclass(frozen=True)
class ReceptiveField:
    """What the logit in the middle of the image depends on."""

    gradient_hw: NDArray[np.float32]
    """(H, W), mean absolute gradient per pixel, sums to 1."""

    extent: tuple[int, int]
    """Height and width in pixels of the smallest box around all pixels with any gradient."""

    effective: int
    """Side in pixels of the smallest square around the centre of gravity with 95.45 % of the gradient."""

    @property
    def whole_image(self) -> bool:
        """Whether every border is reached: the true extent may be larger still."""
        return self.extent == self.gradient_hw.shape


def measure_receptive_field(
    model: "SegmentationModel", size: tuple[int, int] = (512, 512), *, draws: int = 4
) -> ReceptiveField:
    """Measure the receptive field of the logit in the middle.

    The network is copied and stays as it is. In the copy, norms get the statistics of the drawn images, and
    scales that start at (nearly) 0, as those at the end of residual branches do, are set to 1: a closed
    branch would hide what it sees once it is trained.

    Args:
        model: for images with two sides, at its random start or trained.
        size: (H, W), pixels; the field cannot be seen to be larger.
        draws: how many images of uniform noise to average over.
    """
    copy = _opened(deepcopy(model))
    generator = torch.Generator().manual_seed(0)
    images_BCHW = 255 * torch.rand(draws, model.in_channels, *size, generator=generator)
    settle_norms(copy, images_BCHW)
    total_HW = sum(_gradient(copy, image_CHW.unsqueeze(0)) for image_CHW in images_BCHW)
    assert isinstance(total_HW, Tensor)
    gradient_HW = (total_HW / total_HW.sum()).numpy().astype(np.float32)
    return ReceptiveField(gradient_HW, _extent(gradient_HW), _effective(gradient_HW))


def _gradient(model: "SegmentationModel", image_1CHW: Tensor) -> Tensor:
    """Return (H, W), the absolute gradient of the middle's logits, summed over channels."""
    image_1CHW = image_1CHW.clone().requires_grad_()
    logits_1Khw = model(image_1CHW).logits
    h, w = logits_1Khw.shape[-2:]
    # The sum over classes may be constant (a softmax's is): every other class counts negatively.
    signs_K = torch.ones(logits_1Khw.shape[1])
    signs_K[1::2] = -1
    value = (logits_1Khw[0, :, h // 2, w // 2] * signs_K).sum()
    (gradient_1CHW,) = torch.autograd.grad(value, image_1CHW)
    return gradient_1CHW[0].abs().sum(dim=0).double()


def _opened(model: "SegmentationModel") -> "SegmentationModel":
    """Set closed scales to 1: of norms, and of layer scales."""
    with torch.no_grad():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                is_scale = parameter.ndim == 1 and (name == "weight" or name in _SCALES)
                if is_scale and parameter.abs().max() < 0.01:
                    parameter.fill_(1.0)
    return model


def _extent(gradient_HW: NDArray[np.float32]) -> tuple[int, int]:
    rows, columns = (np.flatnonzero(gradient_HW.any(axis=axis)) for axis in (1, 0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def _effective(gradient_HW: NDArray[np.float32]) -> int:
    """Return the side of the smallest square around the centre of gravity that holds the share."""
    rows_HW, columns_HW = np.indices(gradient_HW.shape)
    row, column = (round(float((index * gradient_HW).sum())) for index in (rows_HW, columns_HW))
    distance_HW = np.maximum(abs(rows_HW - row), abs(columns_HW - column))
    held = np.cumsum(np.bincount(distance_HW.ravel(), weights=gradient_HW.ravel()))
    radius = int(np.searchsorted(held, EFFECTIVE_SHARE * held[-1]))
    return min(2 * radius + 1, max(_extent(gradient_HW)))  # beyond the extent there is nothing to hold
