"""SegFormer: a pyramid of features, one linear layer per level, and their fusion.

Xie, Wang, Yu, Anandkumar, Alvarez, Luo 2021, SegFormer: Simple and Efficient Design for Semantic Segmentation
with Transformers, section 3.2 and figure 2, https://arxiv.org/abs/2105.15203. The encoder is one of mit_b0 ..
mit_b5 (`terrazzo.models.mit`); any other pyramid will do. As in the official code, batch norm and ReLU follow
the fusion, and dropout comes before the classes; the paper's figure does not show them.

The weights that its authors publish, which transformers distributes too, are under the NVIDIA Source Code
License: for research and evaluation only.

Shapes: B images, C channels, H x W image size, h x w = H / 4 x W / 4, D feature width, K classes.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import Encoder
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, resize_like

FINEST_STRIDE = 4


class SegFormer(SegmentationModel):
    """Encoder and all-MLP decoder; logits at stride 4.

    Args:
        encoder: gives the levels; those of stride 4 and more are used.
        num_classes: K.
        in_channels: C.
        decoder_channels: width of the decoder; 256 in the paper for mit_b0 and mit_b1, 768 for the larger
            ones (section 4.2).
        dropout: share of feature maps dropped before the classes, 0..1; 0.1 in the official code.
        finer_levels: use levels of a stride below 4, too, brought down to it, as
            segmentation_models_pytorch does.
        align_corners: how the logits are widened; True only for weights trained so. Features are always
            widened with False.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_classes: int,
        in_channels: int = 3,
        decoder_channels: int = 256,
        dropout: float = 0.1,
        finer_levels: bool = False,
        align_corners: bool = False,
    ) -> None:
        coarse = [stride for stride in encoder.strides if stride >= FINEST_STRIDE]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=coarse[0],
            multiple=encoder.strides[-1],
            align_corners=align_corners,
        )
        self.encoder = encoder
        self.finest = -len(coarse)
        widths = encoder.channels if finer_levels else encoder.channels[self.finest :]
        # A linear layer on every pixel is a 1x1 convolution.
        self.project = nn.ModuleList(nn.Conv2d(width, decoder_channels, kernel_size=1) for width in widths)
        self.fuse = ConvNormAct(len(widths) * decoder_channels, decoder_channels, kernel_size=1)
        self.early_fusion: EarlyFusion | None = None
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(decoder_channels, num_classes, kernel_size=1)
        initialise(self.project)
        initialise(self.fuse)
        initialise_classifier(self.classify)

    def streamline(self) -> None:
        """Fuse before widening; see `EarlyFusion`."""
        self.early_fusion = EarlyFusion(cast("Sequence[nn.Conv2d]", self.project), self.fuse)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        levels = self.encoder(image_BCHW)[-len(self.project) :]
        finest = levels[self.finest]
        if self.early_fusion is not None:
            fused_BDhw = self.early_fusion(levels, finest)
        else:
            level_BDhw = [
                resize_like(project(level), finest, mode="bilinear")
                for project, level in zip(self.project, levels, strict=True)
            ]
            # Coarsest first, as the official code concatenates them: its weights of the fusion are ours then.
            fused_BDhw = self.fuse(torch.cat(level_BDhw[::-1], dim=1))
        logits_BKhw: Tensor = self.classify(self.dropout(fused_BDhw))
        return logits_BKhw


class EarlyFusion(nn.Module):
    """Projection, widening and fusion in another order, for prediction: the same values with less work.

    A 1x1 convolution of concatenated levels is the sum of one for each level. It commutes with widening: its
    weights sum to 1 and are the same for all channels. And after a projection it is but another matrix. So
    each level goes through one matrix at its own size, is widened and added. The norm's factor and summand
    go into the matrices, too. With mit_b0 that leaves a twentieth of the decoder's arithmetic.

    Args:
        project: one 1x1 convolution per level, finest first.
        fuse: 1x1 convolution over the concatenated levels, coarsest first, batch norm and activation.
    """

    def __init__(self, project: Sequence[nn.Conv2d], fuse: ConvNormAct) -> None:
        super().__init__()
        conv, norm, self.activation = fuse
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        fused = fuse_conv_bn_eval(conv, norm)
        assert fused.bias is not None
        parts = fused.weight.double().chunk(len(project), dim=1)[::-1]
        self.levels = nn.ModuleList(_after(level, part) for level, part in zip(project, parts, strict=True))
        self.levels[0].get_parameter("bias").add_(fused.bias)

    def forward(self, levels_BDhw: Sequence[Tensor], finest: Tensor) -> Tensor:
        """Return (B, D, h, w), of the finest level's size."""
        first, *others = zip(self.levels, levels_BDhw, strict=True)
        total_BDhw = resize_like(first[0](first[1]), finest, mode="bilinear")
        for matrix, level_BDhw in others:
            total_BDhw.add_(resize_like(matrix(level_BDhw), finest, mode="bilinear"))
        out: Tensor = self.activation(total_BDhw)
        return out


def _after(level: nn.Conv2d, part_DD11: Tensor) -> nn.Conv2d:
    """Return the 1x1 convolution that is a level's projection and then its part of the fusion."""
    part_DD = part_DD11.flatten(1)
    weight_DC = part_DD @ level.weight.flatten(1).double()
    bias_D = part_DD[:, 0] * 0 if level.bias is None else part_DD @ level.bias.double()
    conv = nn.Conv2d(level.in_channels, len(part_DD), kernel_size=1, device="meta")  # draws nothing at random
    conv.weight = nn.Parameter(weight_DC.float()[..., None, None], requires_grad=False)
    conv.bias = nn.Parameter(bias_D.float(), requires_grad=False)
    return conv
