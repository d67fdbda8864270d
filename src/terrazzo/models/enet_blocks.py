"""The bottlenecks of ENet; see enet.py for the paper and for what differs.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models.layers import ConvNormAct, max_unpool_2x2

FIRST_FILTERS = 13
"""Beside the pooled channels of the image: 16 maps for RGB."""

REDUCTION = 4
"""A bottleneck is a quarter as wide inside as its input."""

ASYMMETRIC = 0
"""Stands for convolutions of 5 x 1 and 1 x 5 among the dilations of a stage."""


@dataclass(frozen=True)
class Style:
    """What bottlenecks of the same part have in common."""

    activation: Callable[[int], nn.Module]
    """Makes an activation for so many channels."""

    activate_expansion: bool
    """An activation also after the convolution that widens."""

    dropout: float
    """Share of feature maps dropped, 0..1."""


class Initial(nn.Module):
    """A convolution of stride 2 and the pooled image, normalised together; figure 2a.

    Args:
        in_channels: C; the output has 13 + C.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = FIRST_FILTERS + in_channels
        self.conv = nn.Conv2d(in_channels, FIRST_FILTERS, kernel_size=3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.after = nn.Sequential(nn.BatchNorm2d(width), nn.PReLU(width))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, 13 + C, H / 2, W / 2)."""
        out: Tensor = self.after(torch.cat([self.conv(image_BCHW), self.pool(image_BCHW)], dim=1))
        return out


class Extension(nn.Sequential):
    """The branch of every bottleneck: narrow, convolve, widen, drop maps; figure 2b.

    Args:
        in_channels: width of the input; a quarter of it inside.
        out_channels: width of the output.
        convolve: makes the middle from the width inside.
        style: of the part.
        stride: 2 to halve the size with the first convolution, which then is 2 x 2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        convolve: Callable[[int], nn.Module],
        *,
        style: Style,
        stride: int = 1,
    ) -> None:
        inside = in_channels // REDUCTION
        last = style.activation if style.activate_expansion else None
        super().__init__(
            nn.Sequential(
                nn.Conv2d(in_channels, inside, kernel_size=stride, stride=stride, bias=False),
                nn.BatchNorm2d(inside),
                style.activation(inside),
            ),
            convolve(inside),
            ConvNormAct(inside, out_channels, kernel_size=1, activation=last),
            nn.Dropout2d(style.dropout),
        )


class Bottleneck(nn.Module):
    """Keeps size and width.

    Args:
        channels: width.
        dilation: of its 3 x 3 convolution, or ASYMMETRIC.
        style: of the part.
    """

    def __init__(self, channels: int, dilation: int = 1, *, style: Style) -> None:
        super().__init__()

        def convolve(inside: int) -> nn.Module:
            if dilation != ASYMMETRIC:
                return ConvNormAct(inside, inside, dilation=dilation, activation=style.activation)
            column, row = (
                ConvNormAct(inside, inside, kernel_size=sides, activation=style.activation)
                for sides in ((5, 1), (1, 5))
            )
            return nn.Sequential(*column, *row)

        self.extension = Extension(channels, channels, convolve, style=style)
        self.activation = style.activation(channels)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = self.activation(features_BDhw + self.extension(features_BDhw))
        return out


class Down(nn.Module):
    """Halves the size; the main branch pools and is filled up with empty maps.

    Args:
        in_channels: width of the input.
        out_channels: width of the output, not below the input's.
        window: side of the pooling windows, pixels.
        style: of the part.
    """

    def __init__(self, in_channels: int, out_channels: int, *, window: int, style: Style) -> None:
        super().__init__()
        self.empty_maps = out_channels - in_channels
        self.pool = nn.MaxPool2d(window, stride=2, padding=(window - 1) // 2, return_indices=True)
        self.extension = Extension(
            in_channels,
            out_channels,
            lambda inside: ConvNormAct(inside, inside, activation=style.activation),
            style=style,
            stride=2,
        )
        self.activation = style.activation(out_channels)

    def forward(self, features_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, out_channels, h / 2, w / 2), and (B, D, h / 2, w / 2) where the maxima were."""
        pooled_BDhw, indices_BDhw = self.pool(features_BDhw)
        filled_BDhw = F.pad(pooled_BDhw, (0, 0, 0, 0, 0, self.empty_maps))
        return self.activation(filled_BDhw + self.extension(features_BDhw)), indices_BDhw


class Up(nn.Module):
    """Doubles the size; the main branch puts its features where the maxima were.

    Args:
        in_channels: width of the input.
        out_channels: width of the output: that of the maps that were pooled.
        window: side of the windows that were pooled, pixels.
        style: of the part.
    """

    def __init__(self, in_channels: int, out_channels: int, *, window: int, style: Style) -> None:
        super().__init__()
        self.unpool = max_unpool_2x2 if window == 2 else unpool_overlapping
        self.main = ConvNormAct(in_channels, out_channels, kernel_size=1, activation=None)
        self.extension = Extension(
            in_channels,
            out_channels,
            lambda inside: nn.Sequential(
                doubling(inside, inside), nn.BatchNorm2d(inside), style.activation(inside)
            ),
            style=style,
        )
        self.activation = style.activation(out_channels)

    def forward(self, features_BDhw: Tensor, indices_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, 2h, 2w)."""
        extension_BDhw = self.extension(features_BDhw)
        main_BDhw = self.unpool(self.main(features_BDhw), indices_BDhw, like=extension_BDhw)
        out: Tensor = self.activation(main_BDhw + extension_BDhw)
        return out


def doubling(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """Return the full convolution of the decoder, without bias as in section 3."""
    return nn.ConvTranspose2d(
        in_channels, out_channels, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False
    )


def unpool_overlapping(features_BDhw: Tensor, indices_BDhw: Tensor, like: Tensor) -> Tensor:
    """Put features back where a max pooling found its maxima; the last of several windows wins.

    As `F.max_unpool2d` on a CPU, where windows are taken row by row, but the same on every device.

    Args:
        features_BDhw: as many as there are indices.
        indices_BDhw: from `F.max_pool2d(..., return_indices=True)`.
        like: its last two sides are those of what was pooled.
    """
    height, width = like.shape[-2:]
    batch, channels = features_BDhw.shape[:2]
    places_BDn = indices_BDhw.flatten(2)
    windows_BDn = torch.arange(places_BDn.shape[2], device=places_BDn.device).expand_as(places_BDn)
    nobody = places_BDn.new_full((batch, channels, height * width), -1)
    winners_BDN = nobody.scatter_reduce(2, places_BDn, windows_BDn, reduce="amax")
    filled_BDN = features_BDhw.flatten(2).gather(2, winners_BDN.clamp(min=0)) * (winners_BDN >= 0)
    return filled_BDN.view(batch, channels, height, width)
