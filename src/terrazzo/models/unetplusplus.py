"""U-Net++ with any timm network as its backbone.

Zhou, Siddiquee, Tajbakhsh, Liang 2018, UNet++: A Nested U-Net Architecture for Medical Image Segmentation,
https://arxiv.org/abs/1807.10165, and 2019, Redesigning Skip Connections to Exploit Multiscale Features,
https://arxiv.org/abs/1912.05074; sections 3.1 and 3.2 of the first, figure 1. The grid is the paper's: node
X^{i,j} of level i (0 the finest) and column j sees every node before it in its level, and the node below it
of the column before. The nodes are those of segmentation_models_pytorch, whose network ours equals weight by
weight (tests/models/foreign/test_smp.py): nearest upsampling where the paper has transposed convolutions,
inner nodes as wide as the encoder's level, the last of each level as `decoder_channels` says; and since a
timm network's first map has stride 2 or 4, blocks without skips lead from X^{0,4} to full size.

Deep supervision is on by default: the paper's main results are with it, its heads cost next to nothing, and
they are asked in training only. Weights that were trained without it load with `deep_supervision=False`.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import initialise, initialise_classifier
from terrazzo.models.unet_timm import LAST_WIDTH, WIDEST, UpBlock

AUXILIARY_WEIGHT = 1.0
"""Of every inner node's loss: as much as that of the main output, all of them summed."""


class NestedSkips(nn.Module):
    """The grid of nodes between the encoder's levels and X^{0,n}.

    Args:
        channels: width of each level of the encoder, finest first.
        strides: image pixels per feature of each level.
        widths: of the last node of each level but the coarsest, finest first.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.depth = len(channels) - 1
        factors = [coarse // fine for fine, coarse in pairwise(strides)]
        self.nodes = nn.ModuleDict()
        for column in range(1, self.depth + 1):
            for level in range(self.depth + 1 - column):
                last = level + column == self.depth
                below_is_last = last and column > 1
                self.nodes[f"{level}_{column}"] = UpBlock(
                    widths[level + 1] if below_is_last else channels[level + 1],
                    column * channels[level],
                    widths[level] if last else channels[level],
                    factor=factors[level],
                )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return X^{0,1}, ..., X^{0,n}, all at the finest level's size.

        Args:
            levels: the encoder's, finest first: X^{0,0}, ..., X^{n,0}.
        """
        grid = [[level_BDhw] for level_BDhw in levels]
        for column in range(1, self.depth + 1):
            for level in range(self.depth + 1 - column):
                skips_BDhw = torch.cat(grid[level][::-1], dim=1)
                node_BDhw = self.nodes[f"{level}_{column}"](grid[level + 1][column - 1], skips_BDhw)
                grid[level].append(node_BDhw)
        return grid[0][1:]


class UNetPlusPlus(SegmentationModel):
    """Nested, dense skips on an encoder.

    Args:
        encoder: the backbone, of at least two levels.
        num_classes: K.
        in_channels: C.
        decoder_channels: width of the last node of each level, coarsest first, then of the blocks towards
            full size; None for 16 at stride 1, doubling up to 256. Leaving out the last ones ends the
            network earlier: each one less doubles the stride of the logits.
        deep_supervision: in training, classify the inner nodes of the finest level, too.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        decoder_channels: Sequence[int] | None = None,
        deep_supervision: bool = True,
    ) -> None:
        depth, finest = len(encoder.channels) - 1, encoder.strides[0]
        widths = _widths(decoder_channels, depth, finest)
        blocks_up = len(widths) - depth
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=finest // 2**blocks_up,
            multiple=encoder.strides[-1],
        )
        self.encoder = encoder
        self.skips = NestedSkips(encoder.channels, encoder.strides, widths[:depth][::-1])
        self.up = nn.ModuleList(
            UpBlock(coarse, 0, fine, factor=2) for coarse, fine in pairwise(widths[depth - 1 :])
        )
        self.classify = nn.Conv2d(widths[-1], num_classes, kernel_size=3, padding=1)
        inner = depth - 1 if deep_supervision else 0
        self.auxiliary = nn.ModuleList(
            nn.Conv2d(encoder.channels[0], num_classes, kernel_size=1) for _ in range(inner)
        )
        initialise(self.skips)
        initialise(self.up)
        for classify in [self.classify, *self.auxiliary]:
            initialise_classifier(classify)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / stride, W / stride); in training with those of the inner nodes."""
        nodes = self.skips(self.encoder(image_BCHW))
        features_BDhw = nodes[-1]
        for block in self.up:
            features_BDhw = block(features_BDhw, None)
        logits_BKhw: Tensor = self.classify(features_BDhw)
        if not self.training:
            return logits_BKhw
        return Outputs(logits_BKhw, auxiliary=self._supervised(nodes[:-1]))

    def _supervised(self, nodes: Sequence[Tensor]) -> tuple[Auxiliary, ...]:
        """Classify X^{0,1}, ..., X^{0,n-1}; nothing without deep supervision."""
        stride = self.encoder.strides[0]
        return tuple(
            Auxiliary(classify(node_BDhw), stride, AUXILIARY_WEIGHT)
            for classify, node_BDhw in zip(self.auxiliary, nodes, strict=False)
        )


def _widths(decoder_channels: Sequence[int] | None, depth: int, finest: int) -> list[int]:
    """Return the widths of the last nodes, coarsest first, and of the blocks towards full size."""
    most = depth + finest.bit_length() - 1
    if decoder_channels is None:
        return [min(WIDEST, LAST_WIDTH * 2**finer) for finer in reversed(range(most))]
    if not depth <= len(decoder_channels) <= most or min(decoder_channels) < 1:
        raise RequestError(
            f"decoder_channels = {list(decoder_channels)}: this encoder needs {depth} levels and leaves room "
            f"for {most}, of at least 1 channel each; give one width per level, coarsest first."
        )
    return list(decoder_channels)
