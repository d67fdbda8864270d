"""SegFormer: a pyramid of features, one linear layer per level, and their fusion.

Xie, Wang, Yu, Anandkumar, Alvarez, Luo 2021, SegFormer: Simple and Efficient Design for Semantic Segmentation
with Transformers, section 3.2 and figure 2, https://arxiv.org/abs/2105.15203. The encoder is one of mit_b0 ..
mit_b5 (`terrazzo.models.mit`); any other pyramid will do. As in the official code, batch norm and ReLU follow
the fusion, and dropout comes before the classes; the paper's figure does not show them.

The weights that its authors publish, which transformers distributes too, are under the NVIDIA Source Code
License: for research and evaluation only.

Shapes: B images, C channels, H x W image size, h x w = H / 4 x W / 4, D feature width, K classes.
"""

import torch
from torch import Tensor, nn

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
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(decoder_channels, num_classes, kernel_size=1)
        initialise(self.project)
        initialise(self.fuse)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        levels = self.encoder(image_BCHW)[-len(self.project) :]
        finest = levels[self.finest]
        level_BDhw = [
            resize_like(project(level), finest, mode="bilinear")
            for project, level in zip(self.project, levels, strict=True)
        ]
        # Coarsest first, as the official code concatenates them: its weights of the fusion are ours then.
        fused_BDhw = self.fuse(torch.cat(level_BDhw[::-1], dim=1))
        logits_BKhw: Tensor = self.classify(self.dropout(fused_BDhw))
        return logits_BKhw
