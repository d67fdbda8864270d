"""Small pieces that every architecture is made of: normalisation, conv blocks, initialisation, padding.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB mean in 0..255, the usual ImageNet value times 255."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""RGB standard deviation in 0..255, the usual ImageNet value times 255."""

OTHER_MEAN = 127.5
"""Mean per channel where the image is not RGB: the middle of 0..255."""

OTHER_STD = 64.0
"""Standard deviation per channel where the image is not RGB: a quarter of 0..255."""


class Normalize(nn.Module):
    """Raw pixel values -> (x - mean) / std, in the dtype of the network's parameters.

    The mean and std are buffers in *pixel units*, so they are saved with the weights and travel with every
    export. Images may be uint8, uint16 or float in the same units. For 16-bit or float images give values
    that fit the data: the defaults are for 0..255.

    Args:
        in_channels: C.
        mean: one value per channel, pixel units; default ImageNet's for RGB, else 127.5.
        std: one value per channel, pixel units, above 0; default ImageNet's for RGB, else 64.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, in_channels: int, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        rgb = in_channels == 3
        mean = mean if mean is not None else IMAGENET_MEAN if rgb else (OTHER_MEAN,) * in_channels
        std = std if std is not None else IMAGENET_STD if rgb else (OTHER_STD,) * in_channels
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != in_channels:
                raise RequestError(
                    f"Normalisation {name} has {len(values)} values for {in_channels} channels; "
                    "give one per channel."
                )
        if min(std) <= 0:
            raise RequestError(f"Normalisation std is {list(std)}; every value must be above 0.")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, C, H, W) of about zero mean and unit spread; the arithmetic is at least float32."""
        wide = torch.promote_types(self.mean.dtype, torch.float32)
        normal_BCHW = (image_BCHW.to(wide) - self.mean.to(wide)) / self.std.to(wide)
        return normal_BCHW.to(self.mean.dtype)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; keeps the size at stride 1.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        kernel_size: odd, pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def initialise(module: nn.Module) -> None:
    """Initialise every convolution below a module for ReLU networks, its biases to 0.

    He et al. 2015 (Delving Deep into Rectifiers, section 2.2), normal, by fan-out; a group of channels has
    only its own outputs as fan. Norms keep their 1 and 0 (and a block's zeroed last norm stays). Draws from
    torch's global generator: seed it before.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1] // layer.groups
            nn.init.normal_(layer.weight, std=sqrt(2 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_classifier(layer: nn.Conv2d) -> None:
    """Start the last convolution near zero, so that the first loss is log K whatever comes in.

    Normal with standard deviation 0.01, as in Lin et al. 2017 (Focal Loss for Dense Object Detection,
    section 4.1).
    """
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def pad_to_multiple(image_BCHW: Tensor, multiple: int) -> Tensor:
    """Pad zeros on the bottom and right until both sides are multiples; after `Normalize` 0 is the mean."""
    height, width = image_BCHW.shape[-2:]
    bottom = (height + multiple - 1) // multiple * multiple - height
    right = (width + multiple - 1) // multiple * multiple - width
    # An exported graph must serve sizes with and without padding, so it always pads.
    if not torch.compiler.is_exporting() and bottom == 0 and right == 0:
        return image_BCHW
    return F.pad(image_BCHW, (0, right, 0, bottom))


def crop(features_BDhw: Tensor, height: int, width: int) -> Tensor:
    """Return the top left (B, D, height, width): a view, but for a copy in an exported graph.

    Whether a view is contiguous depends on how much was cut off; torch.export would fix that for all sizes.
    """
    if not torch.compiler.is_exporting():
        return features_BDhw[..., :height, :width]
    rows = torch.arange(height, device=features_BDhw.device)
    columns = torch.arange(width, device=features_BDhw.device)
    return features_BDhw.index_select(-2, rows).index_select(-1, columns)


def resize_like(features_BDhw: Tensor, like: Tensor, *, mode: str = "nearest") -> Tensor:
    """Resize features to the height and width of another tensor; as they are where these agree already."""
    size = like.shape[-2:]
    if features_BDhw.shape[-2:] == size:
        return features_BDhw
    align = False if mode == "bilinear" else None
    return F.interpolate(features_BDhw, size=size, mode=mode, align_corners=align)
