"""Small pieces that architectures are made of: conv blocks, heads, context, initialisation.

Shapes: B images, h x w feature size, D feature width, K classes.
"""

from collections.abc import Callable, Sequence
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[int], nn.Module] | None
"""Makes an activation for so many channels, or None for no activation at all."""


def relu(_channels: int) -> nn.Module:
    """Return a ReLU in place."""
    return nn.ReLU(inplace=True)


def prelu(channels: int) -> nn.Module:
    """Return a PReLU, one slope per channel (He et al. 2015, Delving Deep into Rectifiers, section 2.1)."""
    return nn.PReLU(channels)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm, activation; keeps the size at stride 1.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        kernel_size: odd, pixels; (height, width) where they differ.
        stride: of the convolution.
        dilation: pixels between the kernel's taps; padding follows.
        groups: of channels that do not see each other.
        activation: ReLU unless another is asked for; None for none.
        eps: of the norm; 1e-5 is PyTorch's.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int | tuple[int, int] = 3,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: Activation = relu,
        eps: float = 1e-5,
    ) -> None:
        sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            sides,
            stride=stride,
            padding=(sides[0] // 2 * dilation, sides[1] // 2 * dilation),
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        last = [] if activation is None else [activation(out_channels)]
        super().__init__(conv, nn.BatchNorm2d(out_channels, eps=eps), *last)


class NormPReLU(nn.Sequential):
    """Batch norm and PReLU: what follows features that were added or concatenated.

    Args:
        channels: width of the input.
        eps: of the norm; 1e-5 is PyTorch's.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(nn.BatchNorm2d(channels, eps=eps), nn.PReLU(channels))


class ConvAct(nn.Sequential):
    """Convolution with a bias, ReLU, and no norm between them; keeps the size.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        kernel_size: odd, pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        super().__init__(conv, nn.ReLU(inplace=True))


class FCNHead(nn.Sequential):
    """Conv3x3-BN-ReLU, dropout, Conv1x1 to the classes: the plain head, and the usual auxiliary one.

    Args:
        in_channels: width of the input.
        num_classes: K.
        channels: width of the middle; None for a quarter of the input's.
        dropout: share of values dropped before the classes, 0..1.
    """

    def __init__(
        self, in_channels: int, num_classes: int, *, channels: int | None = None, dropout: float = 0.1
    ) -> None:
        middle = channels or in_channels // 4
        classify = nn.Conv2d(middle, num_classes, kernel_size=1)
        super().__init__(ConvNormAct(in_channels, middle), nn.Dropout(dropout), classify)
        initialise(self[0])
        initialise_classifier(classify)


class PyramidPooling(nn.Module):
    """Context at several scales: pool to n x n, Conv1x1, widen back, concatenate to the input.

    Zhao et al. 2017, Pyramid Scene Parsing Network, section 3.2, https://arxiv.org/abs/1612.01105.

    Args:
        in_channels: width of the input.
        out_channels: width of each scale's branch.
        bins: n of each scale.
        align_corners: how the scales are widened.
        norm_single: norm the 1 x 1 scale too, for which training needs two images per batch.
        norm: norm the scales at all; without it convolutions have a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bins: Sequence[int] = (1, 2, 3, 6),
        align_corners: bool = False,
        norm_single: bool = True,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            ConvNormAct(in_channels, out_channels, kernel_size=1)
            if norm and (norm_single or size > 1)
            else ConvAct(in_channels, out_channels, kernel_size=1)
            for size in self.bins
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, D + len(bins) * out_channels, h, w)."""
        size = features_BDhw.shape[-2:]
        scales = [
            F.interpolate(
                branch(F.adaptive_avg_pool2d(features_BDhw, bins)),
                size=size,
                mode="bilinear",
                align_corners=self.align_corners,
            )
            for bins, branch in zip(self.bins, self.branches, strict=True)
        ]
        return torch.cat([features_BDhw, *scales], dim=1)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def initialise(module: nn.Module) -> None:
    """Initialise every convolution below a module for ReLU networks, its biases to 0.

    He et al. 2015 (Delving Deep into Rectifiers, section 2.2), normal, by fan-out; a group of channels has
    only its own outputs as fan. Norms keep their 1 and 0 (and a block's zeroed last norm stays). Draws from
    torch's global generator: seed it before.
    """
    for layer in module.modules():
        if isinstance(layer, _CONVOLUTIONS):
            fan_out = layer.out_channels * prod(layer.kernel_size) // layer.groups
            nn.init.normal_(layer.weight, std=sqrt(2 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_classifier(layer: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Start the last layer near zero, so that the first loss is log K whatever comes in.

    Normal with standard deviation 0.01, as in Lin et al. 2017 (Focal Loss for Dense Object Detection,
    section 4.1).
    """
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def resize_like(
    features_BDhw: Tensor, like: Tensor, *, mode: str = "nearest", align_corners: bool = False
) -> Tensor:
    """Resize features to the height and width of another tensor; as they are where these agree already.

    Args:
        features_BDhw: to be resized.
        like: its last two sides are the size.
        mode: "nearest" or "bilinear".
        align_corners: for "bilinear".
    """
    size = like.shape[-2:]
    if features_BDhw.shape[-2:] == size:
        return features_BDhw
    align = align_corners if mode == "bilinear" else None
    return F.interpolate(features_BDhw, size=size, mode=mode, align_corners=align)


def halve(image_BCHW: Tensor) -> Tensor:
    """Return an image at half its size: means of 3 x 3 pixels, (B, C, ceil(H / 2), ceil(W / 2))."""
    return F.avg_pool2d(image_BCHW, kernel_size=3, stride=2, padding=1)


def max_unpool_2x2(features_BDhw: Tensor, indices_BDhw: Tensor, like: Tensor) -> Tensor:
    """Put features back where a 2x2 max pooling found its maxima; zeros elsewhere.

    Badrinarayanan et al. 2017, SegNet, section 3.1. As `F.max_unpool2d`, but deterministic on every
    device, and in operations that every export has.

    Args:
        features_BDhw: as many as there are indices.
        indices_BDhw: from `F.max_pool2d(..., return_indices=True)` with windows that do not overlap.
        like: its last two sides are those of what was pooled.
    """
    height, width = like.shape[-2:]
    batch, channels = features_BDhw.shape[:2]
    empty = features_BDhw.new_zeros(batch, channels, height * width)
    filled = empty.scatter(2, indices_BDhw.flatten(2), features_BDhw.flatten(2))
    return filled.view(batch, channels, height, width)
