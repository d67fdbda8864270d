"""CGNet: blocks that look at a pixel, its surroundings and the whole image.

Wu, Tang, Zhang, Cao, Zhang 2021, CGNet: A Light-weight Context Guided Network for Semantic Segmentation,
section III, https://arxiv.org/abs/1811.08201.

Follows the authors' code (wutianyiRosun/CGNet, MIT): the first block of a stage halves the size with a 3 x 3
convolution of twice the width and has no residual connection.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import ConvNormAct, NormPReLU, halve, initialise, initialise_classifier, prelu

STEM_WIDTH = 32
NORM_EPS = 1e-3


class GlobalContext(nn.Module):
    """Weighs the channels by what the whole image holds; the paper's f_glo.

    Args:
        channels: width.
        reduction: how many times narrower it is inside.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return the same shape."""
        weights_BD: Tensor = self.weigh(features_BDhw.mean(dim=(2, 3)))
        return features_BDhw * weights_BD[:, :, None, None]


class Surroundings(nn.Module):
    """Each channel near by and further away, side by side, normalised together; f_loc to f_joi.

    Args:
        channels: width of the input; the output has twice as much.
        dilation: pixels between the taps further away.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.near, self.far = (
            nn.Conv2d(channels, channels, 3, padding=step, dilation=step, groups=channels, bias=False)
            for step in (1, dilation)
        )
        self.join = NormPReLU(2 * channels, eps=NORM_EPS)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, 2D, h, w)."""
        out: Tensor = self.join(torch.cat([self.near(features_BDhw), self.far(features_BDhw)], dim=1))
        return out


class Block(nn.Sequential):
    """A context guided block without its residual connection: reduce, look around, weigh.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        dilation: of the surroundings.
        reduction: of the global context.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int, reduction: int) -> None:
        half = out_channels // 2
        super().__init__(
            ConvNormAct(in_channels, half, kernel_size=1, activation=prelu, eps=NORM_EPS),
            Surroundings(half, dilation),
            GlobalContext(out_channels, reduction),
        )


class DownBlock(nn.Sequential):
    """A block that halves the size; arguments as in `Block`."""

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int, reduction: int) -> None:
        super().__init__(
            ConvNormAct(in_channels, out_channels, stride=2, activation=prelu, eps=NORM_EPS),
            Surroundings(out_channels, dilation),
            nn.Conv2d(2 * out_channels, out_channels, kernel_size=1, bias=False),
            GlobalContext(out_channels, reduction),
        )


class Stage(nn.Module):
    """A block that halves the size and residual ones after it.

    Args:
        in_channels: width of the input.
        width: of the output.
        blocks: how many in all, 2 or more.
        dilation: of the surroundings.
        reduction: of the global context.
    """

    def __init__(self, in_channels: int, width: int, blocks: int, *, dilation: int, reduction: int) -> None:
        super().__init__()
        self.down = DownBlock(in_channels, width, dilation=dilation, reduction=reduction)
        self.blocks = nn.ModuleList(
            Block(width, width, dilation=dilation, reduction=reduction) for _ in range(blocks - 1)
        )

    def forward(self, features_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, width, h / 2, w / 2) of the first block and of the last."""
        first_BDhw = last_BDhw = self.down(features_BDhw)
        for block in self.blocks:
            last_BDhw = last_BDhw + block(last_BDhw)
        return first_BDhw, last_BDhw


class CGNet(SegmentationModel):
    """Three stages, the image given again before the second and the third; logits at stride 8.

    Args:
        num_classes: K.
        in_channels: C.
        m: blocks of the second stage, 2 or more; 3 in the paper.
        n: blocks of the third stage, 2 or more; 21 in the paper.
        dropout: share of feature maps dropped before the classes, 0..1; an option of the authors' code (0.1).
    """

    def __init__(
        self, *, num_classes: int, in_channels: int = 3, m: int = 3, n: int = 21, dropout: float = 0.0
    ) -> None:
        if min(m, n) < 2:
            raise RequestError(f"m = {m}, n = {n}: CGNet has 2 blocks or more in either stage.")
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=8, multiple=8)
        widths = [STEM_WIDTH + in_channels, 2 * 64 + in_channels, 2 * 128]
        strides = (2, 1, 1)
        self.stem = nn.Sequential(
            *(
                ConvNormAct(width, STEM_WIDTH, stride=stride, activation=prelu, eps=NORM_EPS)
                for width, stride in zip((in_channels, STEM_WIDTH, STEM_WIDTH), strides, strict=True)
            )
        )
        self.joins = nn.ModuleList(NormPReLU(width, eps=NORM_EPS) for width in widths)
        self.stage_2 = Stage(widths[0], 64, m, dilation=2, reduction=8)
        self.stage_3 = Stage(widths[1], 128, n, dilation=4, reduction=16)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(widths[2], num_classes, kernel_size=1, bias=False)
        initialise(self)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 8, W / 8)."""
        half_BCHW = halve(image_BCHW)
        joined_1 = self.joins[0](torch.cat([self.stem(image_BCHW), half_BCHW], dim=1))
        first_BDhw, last_BDhw = self.stage_2(joined_1)
        joined_2 = self.joins[1](torch.cat([last_BDhw, first_BDhw, halve(half_BCHW)], dim=1))
        joined_3 = self.joins[2](torch.cat(self.stage_3(joined_2), dim=1))
        logits_BKhw: Tensor = self.classify(self.dropout(joined_3))
        return logits_BKhw
