"""U-Net on a residual network, the self-driving variant: transposed convolutions, residual blocks on request.

There is no paper for it. Its nearest published relative is TernausNet (Iglovikov, Shvets 2018, TernausNet:
U-Net with VGG11 Encoder Pre-Trained on ImageNet for Image Segmentation, https://arxiv.org/abs/1801.05746),
whose repository (ternaus/TernausNet) holds the same decoder on a ResNet34 under the name AlbuNet, by
A. Buslaev: skips from the four stages, a 2x2 max-pooling in the stem and another before the centre, blocks of
Conv3x3-ReLU and a transposed 4x4 convolution, no norm in the decoder. The variant adds dropout of whole maps
after each stage of the encoder, and residual blocks where there is a skip; its own encoder is a ResNeXt50.

Ours is that the encoder may be any timm network with stages in a row. Where its stem has a max-pooling of its
own (`maxpool`; 3x3 in ResNets), that becomes 2x2; where it has none, it stays as it is.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import initialise, initialise_classifier
from terrazzo.models.pixels import crop

STAGES = (4, 8, 16, 32)
"""The strides of the encoder's stages."""

CENTRE = (16, 8)
"""Width of the centre block's convolution, and of its output, in units of `width`."""

WITH_SKIP = ((16, 8), (16, 8), (8, 2), (4, 4))
"""Likewise of the blocks that take a skip, coarsest first."""

LAST = (4, 1)
"""Likewise of the block to full size."""


class ResidualBlock(nn.Module):
    """Conv3x3-BN-ReLU, Conv3x3-BN, BN again, added to the input, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return features of the same shape."""
        return F.relu(features_BDhw + self.change(features_BDhw))


class Widen(nn.Module):
    """Conv3x3-ReLU, a residual block if wanted, and a transposed 4x4 convolution to twice the size.

    Args:
        in_channels: width of the input.
        middle: width of the convolution.
        out_channels: width of the output.
        residual: with a residual block, and then without the ReLU at the end.
    """

    def __init__(self, in_channels: int, middle: int, out_channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, middle, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            *([ResidualBlock(middle)] if residual else []),
        )
        self.widen = nn.Sequential(
            nn.ConvTranspose2d(middle, out_channels, kernel_size=4, stride=2, padding=1),
            *([] if residual else [nn.ReLU(inplace=True)]),
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, out_channels, 2h, 2w)."""
        out: Tensor = self.widen(self.conv(features_BDhw))
        return out


class UNetResidual(SegmentationModel):
    """Centre, four blocks with skips, one without, and the classes; logits at stride 1.

    Args:
        encoder: its last four levels, at strides 4, 8, 16 and 32, are the skips; the finer one is not used.
        num_classes: K.
        in_channels: C.
        residual: residual blocks in the four blocks with skips.
        dropout: share of the encoder's maps dropped after each of its four stages, 0..1.
        width: before the classes; every other width of the decoder is a multiple of it (512 and 256 in the
            centre, with the default), as in TernausNet's code.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        residual: bool = False,
        dropout: float = 0.2,
        width: int = 32,
    ) -> None:
        _check_stages(encoder)
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, stride=1, multiple=2 * encoder.strides[-1]
        )
        _pool_by_two(encoder.body)
        if dropout:
            _drop_after_stages(encoder.body, dropout)
        self.encoder = encoder
        centre, *with_skip, last = ([width * times for times in pair] for pair in (CENTRE, *WITH_SKIP, LAST))
        skips = reversed(encoder.channels[-len(STAGES) :])
        coarser = [out for _, out in (centre, *with_skip)]
        self.centre = Widen(encoder.channels[-1], *centre)
        self.blocks = nn.ModuleList(
            Widen(fan_in + skip, *widths, residual=residual)
            for fan_in, skip, widths in zip(coarser[:-1], skips, with_skip, strict=True)
        )
        self.last = nn.Sequential(
            Widen(coarser[-1], *last), nn.Conv2d(width, width, kernel_size=3, padding=1), nn.ReLU()
        )
        self.classify = nn.Conv2d(width, num_classes, kernel_size=1)
        initialise(nn.ModuleList([self.centre, self.blocks, self.last]))
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        stages = self.encoder(image_BCHW)[-len(STAGES) :]
        features_BDhw = self._centre(stages[-1])
        for block, stage_BDhw in zip(self.blocks, reversed(stages), strict=True):
            features_BDhw = block(torch.cat([features_BDhw, stage_BDhw], dim=1))
        logits_BKHW: Tensor = self.classify(self.last(features_BDhw))
        return logits_BKHW

    def _centre(self, stage_BDhw: Tensor) -> Tensor:
        """Return the centre's features, (B, 8 * width, h, w), of the last stage."""
        if not torch.compiler.is_exporting():
            centre_BDhw: Tensor = self.centre(F.max_pool2d(stage_BDhw, kernel_size=2))
            return centre_BDhw
        # Images up to 64 pixels pool to a map of 1 x 1, which no exported graph takes beside other sizes.
        # So a row and a column of zeros, as the convolutions pad them, come along and are cut off at the end.
        wider_BDhw = self.centre.conv(F.max_pool2d(F.pad(stage_BDhw, (0, 2, 0, 2)), kernel_size=2))
        inside_h, inside_w = (
            torch.arange(side, device=stage_BDhw.device) < side - 1 for side in wider_BDhw.shape[2:]
        )
        return crop(self.centre.widen(wider_BDhw * (inside_h[:, None] & inside_w)), stage_BDhw.shape[2:])

    def _check_single(self, size: tuple[int, ...]) -> None:
        """Take a batch of one image: no batch norm works at the centre's stride 64, only at 32 and finer."""


def _check_stages(encoder: Encoder) -> None:
    if encoder.strides[-len(STAGES) :] != STAGES:
        given = ", ".join(map(str, encoder.strides))
        raise RequestError(
            f"unet-residual takes its skips from four stages at strides 4, 8, 16 and 32; this encoder's "
            f"levels are at {given}. Choose one such as resnet34, resnext50_32x4d or regnety_016, without "
            "output_stride."
        )


def _pool_by_two(body: nn.Module) -> None:
    """Let the stem pool 2x2, where it pools by a layer of its own."""
    if isinstance(getattr(body, "maxpool", None), nn.MaxPool2d):
        body.maxpool = nn.MaxPool2d(kernel_size=2)


def _drop_after_stages(body: nn.Module, dropout: float) -> None:
    """Drop whole maps after each stage: the skip, and what the next stage sees.

    timm keeps such a network as a row of layers and says which of them end a level.
    """
    ends = list(getattr(body, "return_layers", ()))[-len(STAGES) :]
    if not ends:
        raise RequestError(
            "unet-residual drops maps between the stages of its encoder, and timm does not keep this one as "
            "a row of stages. Set dropout = 0, or choose an encoder such as resnet34 or resnext50_32x4d."
        )
    for name in ends:
        stage, drop = body.get_submodule(name), nn.Dropout2d(dropout)
        if isinstance(stage, nn.Sequential):
            stage.append(drop)  # the weights keep their names
        else:
            body.set_submodule(name, nn.Sequential(stage, drop))
