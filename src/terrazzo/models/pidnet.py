"""PIDNet: a branch for detail, one for context, and one for boundaries that decides between them.

Xu, Xiong, Bhattacharyya 2023, PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers,
section 3, https://arxiv.org/abs/2206.02066. P (proportional) keeps detail, I (integral) gathers context,
D (derivative) finds boundaries. Where batch norm follows there is no bias; in the official code the first two
convolutions have one, which changes nothing. The extra heads see the branches after their ReLU, as there.
Weights of github.com/XuJiacong/PIDNet (MIT) fit.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from terrazzo.core.prediction import Auxiliary, Boundary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.dual_resolution import (
    DAPPM,
    Head,
    basic_block,
    bottleneck,
    residual_stage,
    widen,
)
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier
from terrazzo.models.pidnet_branches import PAPPM, Bag, Level, LightBag

Variant = Literal["s", "m", "l"]
STRIDE = 8
AUXILIARY_WEIGHT = 0.4
"""Lambda 0 of the training loss, of the head on the P branch."""

BOUNDARY_WEIGHT = 20.0
"""Lambda 1 of the training loss, of the binary cross-entropy on the D branch."""

AWARE_WEIGHT = 1.0
"""Lambda 3 of the training loss, of the cross-entropy at boundaries."""

THRESHOLD = 0.8
"""t of the training loss: the probability from which on a pixel counts as boundary."""


class Size(NamedTuple):
    """What differs between the variants (the table of the architecture)."""

    channels: int
    """Of the first convolution; D."""

    blocks: tuple[int, int]
    """Of the stages at stride 4 and 8 and of the P branch; of the stages at stride 16 and 32."""

    context: int
    """Width of each scale of the context."""

    head: int
    """Width of the heads for classes."""

    light: bool
    """PAPPM and the light Bag, and a D branch that starts with half the width."""


SIZES: dict[Variant, Size] = {
    "s": Size(32, (2, 3), 96, 128, light=True),
    "m": Size(64, (2, 3), 96, 128, light=True),
    "l": Size(64, (3, 4), 112, 256, light=False),
}


class PIDNet(SegmentationModel):
    """Stem, three branches with two exchanges, pooled context, and their fusion; logits at stride 8.

    Args:
        num_classes: K.
        in_channels: C.
        variant: small, medium or large.
        channels: width of the first convolution, which all others follow but those of the context and the
            heads; even. None for the variant's.
        auxiliary: train a head for classes on the P branch and one for boundaries on the D branch, as the
            paper does.
        align_corners: how the logits are widened to full size; True only for the official weights, which
            were trained so. Inside, features are always widened with align_corners=False.
    """

    norms_global_average = True
    one_pixel_maps = True

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        variant: Variant = "s",
        channels: int | None = None,
        auxiliary: bool = True,
        align_corners: bool = False,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=STRIDE,
            multiple=64,
            align_corners=align_corners,
        )
        size = SIZES[variant]
        few, many = size.blocks
        width = channels or size.channels
        fine = 2 * width
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, width, stride=2),
            ConvNormAct(width, width, stride=2),
            residual_stage(width, width, few),
            nn.ReLU(),
            residual_stage(width, fine, few, stride=2),
            nn.ReLU(),
        )
        blocks = (few, many)
        first = width if size.light else fine
        edges = (
            basic_block(fine, first),
            bottleneck(width, width) if size.light else basic_block(fine, fine),
        )
        self.levels = nn.ModuleList(
            Level(fine, before, after, blocks=blocks, boundary=block, boundary_channels=edge)
            for before, after, block, edge in zip(
                (fine, 2 * fine), (2 * fine, 4 * fine), edges, (first, fine), strict=True
            )
        )
        self.detail = bottleneck(fine, fine)
        self.context = nn.Sequential(
            bottleneck(4 * fine, 4 * fine, stride=2),
            bottleneck(8 * fine, 4 * fine),
            (PAPPM if size.light else DAPPM)(8 * fine, size.context, 2 * fine),
        )
        self.boundary = bottleneck(fine, fine)
        self.fuse = LightBag(2 * fine) if size.light else Bag(2 * fine)
        self.classify = Head(2 * fine, size.head, num_classes)
        self.classify_detail = Head(fine, size.head, num_classes) if auxiliary else None
        self.find_boundary = Head(fine, width, 1) if auxiliary else None
        initialise(self)
        for head in filter(None, (self.classify, self.classify_detail, self.find_boundary)):
            initialise_classifier(head.last)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8)."""
        stem_BDhw = self.stem(image_BCHW)
        guided_BDhw, context_BDhw, boundary_BDhw = self.levels[0](stem_BDhw, stem_BDhw, stem_BDhw)
        detail_BDhw, context_BDhw, boundary_BDhw = self.levels[1](guided_BDhw, context_BDhw, boundary_BDhw)
        context_BDhw = widen(self.context(context_BDhw), detail_BDhw)
        fused_BDhw = self.fuse(self.detail(detail_BDhw), context_BDhw, self.boundary(boundary_BDhw))
        logits_BKhw: Tensor = self.classify(fused_BDhw)
        return self._with_guidance(logits_BKhw, guided_BDhw, boundary_BDhw) if self.training else logits_BKhw

    def _with_guidance(
        self, logits_BKhw: Tensor, detail_BDhw: Tensor, boundary_BDhw: Tensor
    ) -> Tensor | Outputs:
        """Add the outputs of the heads on the P branch (first level) and on the D branch (second level)."""
        if self.classify_detail is None or self.find_boundary is None:
            return logits_BKhw
        detail = Auxiliary(
            self.classify_detail(detail_BDhw), STRIDE, AUXILIARY_WEIGHT, align_corners=self.align_corners
        )
        boundary = Boundary(
            self.find_boundary(boundary_BDhw),
            STRIDE,
            BOUNDARY_WEIGHT,
            AWARE_WEIGHT,
            THRESHOLD,
            align_corners=self.align_corners,
        )
        return Outputs(logits_BKhw, auxiliary=(detail,), boundaries=(boundary,))
