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

STAGES = (4, 8, 16, 32)
"""The strides of the encoder's stages."""

CENTRE = (512, 256)
"""Width of the centre block's convolution, and of its output."""

WITH_SKIP = ((512, 256), (512, 256), (256, 64), (128, 128))
"""Likewise of the blocks that take a skip, coarsest first."""

LAST = (128, 32)
"""Likewise of the block to full size, and so the width before the classes."""


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


class Widen(nn.Sequential):
    """Conv3x3-ReLU, a residual block if wanted, and a transposed 4x4 convolution to twice the size.

    Args:
        in_channels: width of the input.
        middle: width of the convolution.
        out_channels: width of the output.
        residual: with a residual block, and then without the ReLU at the end.
    """

    def __init__(self, in_channels: int, middle: int, out_channels: int, *, residual: bool = False) -> None:
        conv = nn.Conv2d(in_channels, middle, kernel_size=3, padding=1)
        widen = nn.ConvTranspose2d(middle, out_channels, kernel_size=4, stride=2, padding=1)
        extra = [ResidualBlock(middle), widen] if residual else [widen, nn.ReLU(inplace=True)]
        super().__init__(conv, nn.ReLU(inplace=True), *extra)


class UNetResidual(SegmentationModel):
    """Centre, four blocks with skips, one without, and the classes; logits at stride 1.

    Args:
        encoder: its last four levels, at strides 4, 8, 16 and 32, are the skips; the finer one is not used.
        num_classes: K.
        in_channels: C.
        residual: residual blocks in the four blocks with skips.
        dropout: share of the encoder's maps dropped after each of its four stages, 0..1.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        residual: bool = False,
        dropout: float = 0.2,
    ) -> None:
        _check_stages(encoder)
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, stride=1, multiple=2 * encoder.strides[-1]
        )
        _pool_by_two(encoder.body)
        if dropout:
            _drop_after_stages(encoder.body, dropout)
        self.encoder = encoder
        self.centre = Widen(encoder.channels[-1], *CENTRE)
        self.blocks = nn.ModuleList()
        coarser = CENTRE[-1]
        for skip, (middle, out) in zip(reversed(encoder.channels[-len(STAGES) :]), WITH_SKIP, strict=True):
            self.blocks.append(Widen(coarser + skip, middle, out, residual=residual))
            coarser = out
        self.last = nn.Sequential(
            Widen(coarser, *LAST), nn.Conv2d(LAST[-1], LAST[-1], kernel_size=3, padding=1), nn.ReLU()
        )
        self.classify = nn.Conv2d(LAST[-1], num_classes, kernel_size=1)
        initialise(nn.ModuleList([self.centre, self.blocks, self.last]))
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        stages = self.encoder(image_BCHW)[-len(STAGES) :]
        features_BDhw = self.centre(F.max_pool2d(stages[-1], kernel_size=2))
        for block, stage_BDhw in zip(self.blocks, reversed(stages), strict=True):
            features_BDhw = block(torch.cat([features_BDhw, stage_BDhw], dim=1))
        logits_BKHW: Tensor = self.classify(self.last(features_BDhw))
        return logits_BKHW

    def _check_single(self, given: str, longest: int) -> None:
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
