"""DDRNet: two resolutions all the way, which tell each other what they see.

Hong, Pan, Sun, Jia 2021, Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of
Road Scenes, section III, https://arxiv.org/abs/2101.06085 (Pan et al. 2022, IEEE Transactions on
Intelligent Transportation Systems). As in the official code there is no bias where batch norm follows; there,
the first two convolutions have one, which changes nothing. Weights of github.com/ydhongHIT/DDRNet (MIT) fit.

Shapes: B images, C channels, H x W image size, h x w feature size, D feature width, K classes.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.dual_resolution import DAPPM, Head, bottleneck, residual_stage, widen
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier, relu

Variant = Literal["23-slim", "23", "39"]
STRIDE = 8
CONTEXT_CHANNELS = 128
AUXILIARY_WEIGHT = 0.4
"""Of the extra head's loss, as in the paper."""


class Size(NamedTuple):
    """What differs between the variants."""

    channels: int
    """Of the first convolution; D."""

    stem: tuple[int, int]
    """Blocks of conv2 (D channels, stride 4) and conv3 (2 D channels, stride 8)."""

    fused: tuple[tuple[int, int], ...]
    """Blocks of the coarse and the fine branch before each fusion at stride 16."""

    last: tuple[int, int]
    """Likewise before the fusion at stride 32."""

    head: int
    """Width of both heads."""


SIZES: dict[Variant, Size] = {
    "23-slim": Size(32, (2, 2), ((2, 2),), (2, 2), 64),
    "23": Size(64, (2, 2), ((2, 2),), (2, 2), 128),
    "39": Size(64, (3, 4), ((3, 3), (3, 3)), (3, 3), 256),
}


class BilateralStage(nn.Module):
    """One stage of both branches, and the exchange between them.

    Args:
        coarse_in: width of the coarse input.
        coarse: width of the coarse output.
        fine: width of the fine branch, in and out.
        blocks: of the coarse and of the fine branch.
        stride: of the coarse branch.
        halvings: how often the coarse output is halved against the fine one; as often the width is doubled
            on the way down to it.
    """

    def __init__(
        self,
        coarse_in: int,
        coarse: int,
        fine: int,
        *,
        blocks: tuple[int, int],
        stride: int,
        halvings: int,
    ) -> None:
        super().__init__()
        self.coarse = residual_stage(coarse_in, coarse, blocks[0], stride=stride)
        self.fine = residual_stage(fine, fine, blocks[1])
        widths = [fine, *(coarse // 2**number for number in reversed(range(halvings)))]
        self.down = nn.Sequential(
            *(
                ConvNormAct(before, after, stride=2, activation=relu if after < coarse else None)
                for before, after in pairwise(widths)
            )
        )
        self.compress = ConvNormAct(coarse, fine, kernel_size=1, activation=None)

    def forward(self, coarse_BDhw: Tensor, fine_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return both branches before their ReLU, each with the other one's features added."""
        coarse_BDhw = self.coarse(F.relu(coarse_BDhw))
        fine_BDhw = self.fine(F.relu(fine_BDhw))
        return (
            coarse_BDhw + self.down(F.relu(fine_BDhw)),
            fine_BDhw + widen(self.compress(F.relu(coarse_BDhw)), fine_BDhw),
        )


class DDRNet(SegmentationModel):
    """Stem, two branches with bilateral fusions, DAPPM on the coarse one, and the sum; logits at stride 8.

    Args:
        num_classes: K.
        in_channels: C.
        variant: 23 or 39 layers; "23-slim" has half the width.
        channels: width of the first convolution, which all others follow but those of the context and the
            heads; None for the variant's.
        auxiliary: train a second head on the fine branch after conv4, as the paper does.
    """

    norms_global_average = True
    one_pixel_maps = True

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int = 3,
        variant: Variant = "23-slim",
        channels: int | None = None,
        auxiliary: bool = True,
    ) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels, stride=STRIDE, multiple=64)
        size = SIZES[variant]
        width = channels or size.channels
        fine, middle, coarse = 2 * width, 4 * width, 8 * width
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, width, stride=2),
            ConvNormAct(width, width, stride=2),
            residual_stage(width, width, size.stem[0]),
            nn.ReLU(),
            residual_stage(width, fine, size.stem[1], stride=2),
        )
        self.stages = nn.ModuleList(
            BilateralStage(
                middle if number else fine,
                middle,
                fine,
                blocks=blocks,
                stride=1 if number else 2,
                halvings=1,
            )
            for number, blocks in enumerate(size.fused)
        )
        self.last_stage = BilateralStage(middle, coarse, fine, blocks=size.last, stride=2, halvings=2)
        self.fine = bottleneck(fine, fine)
        self.coarse = bottleneck(coarse, coarse, stride=2)
        self.context = DAPPM(2 * coarse, CONTEXT_CHANNELS, 2 * fine)
        self.classify = Head(2 * fine, size.head, num_classes)
        self.classify_extra = Head(fine, size.head, num_classes) if auxiliary else None
        initialise(self)
        for head in filter(None, (self.classify, self.classify_extra)):
            initialise_classifier(head.last)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / 8, W / 8)."""
        coarse_BDhw = fine_BDhw = self.stem(image_BCHW)
        for stage in self.stages:
            coarse_BDhw, fine_BDhw = stage(coarse_BDhw, fine_BDhw)
        guided_BDhw = fine_BDhw
        coarse_BDhw, fine_BDhw = self.last_stage(coarse_BDhw, fine_BDhw)
        fine_BDhw = self.fine(F.relu(fine_BDhw))
        context_BDhw = self.context(self.coarse(F.relu(coarse_BDhw)))
        logits_BKhw: Tensor = self.classify(fine_BDhw + widen(context_BDhw, fine_BDhw))
        if self.classify_extra is None or not self.training:
            return logits_BKhw
        extra = Auxiliary(self.classify_extra(guided_BDhw), STRIDE, AUXILIARY_WEIGHT)
        return Outputs(logits_BKhw, auxiliary=(extra,))
