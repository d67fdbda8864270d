"""ERFNet: residual blocks whose 3 x 3 convolutions are factorised into 3 x 1 and 1 x 3.

Romera, Alvarez, Bergasa, Arroyo 2018, ERFNet: Efficient Residual Factorized ConvNet for Real-Time Semantic
Segmentation, section III, table I, https://doi.org/10.1109/TITS.2017.2750080.

Follows the authors' PyTorch code (Eromera/erfnet_pytorch; code and weights CC BY-NC 4.0). The paper trains
the encoder first, on ImageNet or with a convolution to the classes on top, and then the decoder; here both
learn at once.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import initialise, initialise_classifier

FIRST_FILTERS = 13
"""Beside the pooled channels of the image: 16 maps for RGB."""

WIDTHS = (64, 128)
"""After the second and after the third downsampling; table I."""

LAST_WIDTH = 16
NORM_EPS = 1e-3
EARLY_BLOCKS = 5
LATE_DILATIONS = (2, 4, 8, 16) * 2


class Down(nn.Module):
    """Halves the size: a convolution and a pooling side by side, batch norm, ReLU.

    Args:
        in_channels: width of the input, which the pooling keeps.
        out_channels: width of the output, above the input's.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, kernel_size=3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.norm = nn.BatchNorm2d(out_channels, eps=NORM_EPS)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, h / 2, w / 2)."""
        both_BDhw = torch.cat([self.conv(features_BDhw), self.pool(features_BDhw)], dim=1)
        out: Tensor = self.norm(both_BDhw).relu()
        return out


class Factorised(nn.Sequential):
    """Conv3x1, ReLU, Conv1x3, batch norm; keeps size and width.

    Args:
        channels: width.
        dilation: pixels between taps, of both convolutions.
    """

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1)),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation)),
            nn.BatchNorm2d(channels, eps=NORM_EPS),
        )


class NonBottleneck1D(nn.Module):
    """The factorised residual block; figure 2c.

    Args:
        channels: width.
        dilation: of its second half.
        dropout: share of feature maps dropped, 0..1.
    """

    def __init__(self, channels: int, *, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = Factorised(channels)
        self.second = Factorised(channels, dilation)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return the same shape."""
        change_BDhw = self.second(self.first(features_BDhw).relu())
        out: Tensor = (features_BDhw + self.dropout(change_BDhw)).relu()
        return out


class Up(nn.Sequential):
    """Doubles the size: a transposed convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(
                in_channels, out_channels, kernel_size=3, stride=2, padding=1, output_padding=1
            ),
            nn.BatchNorm2d(out_channels, eps=NORM_EPS),
            nn.ReLU(inplace=True),
        )


class ERFNet(SegmentationModel):
    """Encoder to stride 8, decoder of transposed convolutions; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C, up to 50: the first block passes all of them on, within the 64 maps of the second.
        dropout: share of feature maps dropped at stride 4 and at stride 8; as in the authors' code.
    """

    def __init__(
        self, *, num_classes: int, in_channels: int = 3, dropout: tuple[float, float] = (0.03, 0.3)
    ) -> None:
        first, (second, third) = FIRST_FILTERS + in_channels, WIDTHS
        if first >= second:
            raise RequestError(
                f"in_channels = {in_channels}: ERFNet takes up to {second - FIRST_FILTERS - 1} channels. "
                "Reduce the channels before, or choose an architecture with an encoder of timm."
            )
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=1, multiple=8)
        early, late = dropout
        self.initial = Down(in_channels, first)
        self.encoder = nn.Sequential(
            Down(first, second),
            *(NonBottleneck1D(second, dropout=early) for _ in range(EARLY_BLOCKS)),
            Down(second, third),
            *(NonBottleneck1D(third, dilation=dilation, dropout=late) for dilation in LATE_DILATIONS),
        )
        self.decoder = nn.Sequential(
            Up(third, second),
            NonBottleneck1D(second),
            NonBottleneck1D(second),
            Up(second, LAST_WIDTH),
            NonBottleneck1D(LAST_WIDTH),
            NonBottleneck1D(LAST_WIDTH),
        )
        self.classify = nn.ConvTranspose2d(LAST_WIDTH, num_classes, kernel_size=2, stride=2)
        initialise(self)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        features_BDhw = self.encoder(self.initial(image_BCHW))
        logits_BKHW: Tensor = self.classify(self.decoder(features_BDhw))
        return logits_BKHW
