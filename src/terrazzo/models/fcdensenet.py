"""FC-DenseNet, the One Hundred Layers Tiramisu: dense blocks down and up.

Jegou, Drozdzal, Vazquez, Romero, Bengio 2017, The One Hundred Layers Tiramisu: Fully Convolutional DenseNets
for Semantic Segmentation, section 3, tables 1 and 2, https://arxiv.org/abs/1611.09326; details (biases, the
dropout after every convolution) from the authors' code, SimJeg/FC-DenseNet. On the way down a block's input
stays in the stack; on the way up only the block's new features are widened, or the stack would grow too wide.

Ours is the padding of the 3x3 transposed convolution, which gives exactly twice the size: the authors cut a
row and a column off instead.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from terrazzo.models.base import SegmentationModel
from terrazzo.models.layers import initialise_classifier

FIRST_WIDTH = 48


class Plan(NamedTuple):
    """One variant, a line of the paper's section 4."""

    growth: int
    """New features per layer, k in the paper."""

    depths: tuple[int, ...]
    """Layers per dense block: down, the bottleneck in the middle, up."""


PLANS = {
    56: Plan(growth=12, depths=(4,) * 11),
    67: Plan(growth=16, depths=(5,) * 11),
    103: Plan(growth=16, depths=(4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)),
}


class NormReluConv(nn.Sequential):
    """Batch norm, ReLU, convolution with bias, dropout; keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, dropout: float) -> None:
        super().__init__(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.Dropout(dropout),
        )


class DenseBlock(nn.Module):
    """Layers of which each one sees the input and the outputs of all before it.

    Args:
        in_channels: width of the input.
        growth: width of each layer's output.
        depth: how many layers.
        dropout: share of values dropped after each layer, 0..1.
    """

    def __init__(self, in_channels: int, growth: int, *, depth: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            NormReluConv(in_channels + earlier * growth, growth, kernel_size=3, dropout=dropout)
            for earlier in range(depth)
        )

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return the new features alone, (B, depth * growth, h, w)."""
        new: list[Tensor] = []
        for layer in self.layers:
            new.append(layer(torch.cat([features_BDhw, *new], dim=1)))
        return torch.cat(new, dim=1)


class TransitionDown(nn.Sequential):
    """Norm, ReLU, Conv1x1 of the same width, dropout, 2x2 max-pooling."""

    def __init__(self, channels: int, *, dropout: float) -> None:
        super().__init__(
            NormReluConv(channels, channels, kernel_size=1, dropout=dropout), nn.MaxPool2d(kernel_size=2)
        )


class TransitionUp(nn.ConvTranspose2d):
    """Transposed 3x3 convolution of the same width to exactly twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, kernel_size=3, stride=2, padding=1, output_padding=1)


class FCDenseNet(SegmentationModel):
    """Five dense blocks down, one at the bottom, five up; logits at stride 1.

    Args:
        num_classes: K.
        in_channels: C.
        layers: which of the paper's networks, by its number of convolutions.
        dropout: share of values dropped after each convolution, 0..1; 0.2 in the paper.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        layers: Literal[56, 67, 103] = 103,
        dropout: float = 0.2,
    ) -> None:
        growth, depths = PLANS[layers]
        steps = len(depths) // 2
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=1, multiple=2**steps)
        self.stem = nn.Conv2d(in_channels, FIRST_WIDTH, kernel_size=3, padding=1)
        self.blocks = nn.ModuleList()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        width, skips = FIRST_WIDTH, list[int]()
        for step, depth in enumerate(depths):
            if step > steps:
                fresh = growth * depths[step - 1]
                self.up.append(TransitionUp(fresh))
                width = fresh + skips.pop()
            self.blocks.append(DenseBlock(width, growth, depth=depth, dropout=dropout))
            width += growth * depth
            if step < steps:
                self.down.append(TransitionDown(width, dropout=dropout))
                skips.append(width)
        self.classify = nn.Conv2d(width, num_classes, kernel_size=1)
        _initialise(self)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H, W)."""
        blocks, skips = iter(self.blocks), list[Tensor]()
        stack_BDhw = self.stem(image_BCHW)
        for down in self.down:
            skips.append(torch.cat([stack_BDhw, next(blocks)(stack_BDhw)], dim=1))
            stack_BDhw = down(skips[-1])
        new_BDhw = next(blocks)(stack_BDhw)
        for up in self.up:
            stack_BDhw = torch.cat([skips.pop(), up(new_BDhw)], dim=1)
            new_BDhw = next(blocks)(stack_BDhw)
        logits_BKHW: Tensor = self.classify(torch.cat([stack_BDhw, new_BDhw], dim=1))
        return logits_BKHW


def _initialise(module: nn.Module) -> None:
    """Initialise every convolution as the paper does (section 4.1): He et al. 2015, uniform, by fan-in.

    By fan-out, of which a dense layer has little, features would grow from layer to layer.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
