"""DPT: a plain vision transformer, reassembled into a pyramid and fused from coarse to fine.

Ranftl, Bochkovskiy, Koltun 2021, Vision Transformers for Dense Prediction, sections 3 and 4.2 and figure 1,
https://arxiv.org/abs/2103.13413. As the authors' code builds it for segmentation (isl-org/DPT): batch norm in
the fusion's residual units, widths per level as there for ViT-B. The auxiliary head stands on the penultimate
fusion, with weight 0.2, as section 4.2 says. Ours: the projection at the end of a fusion comes before its
widening, not after, which is the same numbers for a quarter of the work; the coarsest fusion has one residual
unit, as nothing ever reaches the other; the last widening by 2 is left to the loss; align_corners is False
unless weights want it. The variant with a ResNet in front (DPT-Hybrid) is not here.

Weights it can load: those of transformers' DPTForSemanticSegmentation; see its model cards for licences.

Shapes: B images, C channels, H x W image size, p patch side, h x w feature size, N tokens, D width,
K classes.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.layers import FCNHead, initialise
from terrazzo.models.plain_vit import PlainViT

Readout = Literal["ignore", "add", "project"]

SCALES = (4.0, 2.0, 1.0, 0.5)
"""Of the levels relative to the patches, finest first: strides 4, 8, 16, 32 for patches of 16."""

LAST_WIDENING = 2
"""The finest fusion doubles the finest level's size."""


class ReadClassToken(nn.Module):
    """Give every patch what the class token says (section 3.2, equations 2 to 4).

    Args:
        width: of the tokens.
        readout: "ignore" the class token, "add" it to every patch, or concatenate it to them and "project".
    """

    def __init__(self, width: int, readout: Readout) -> None:
        super().__init__()
        self.readout = readout
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU()) if readout == "project" else None

    def forward(self, tokens_BND: Tensor, prefix: int) -> Tensor:
        """Return the patches alone, (B, N - prefix, D); the class token is the first of the prefix."""
        class_B1D, patches_BND = tokens_BND[:, :1], tokens_BND[:, prefix:]
        if self.readout == "add":
            patches_BND = patches_BND + class_B1D
        if self.project is not None:
            patches_BND = self.project(torch.cat([patches_BND, class_B1D.expand_as(patches_BND)], dim=2))
        return patches_BND


class Reassemble(nn.Sequential):
    """A map of patches -> a map of one level's scale: Conv1x1, then a learned resizing (section 3.2).

    Args:
        width: of the patches.
        out_channels: of the level.
        scale: of the level relative to the patches: 4 and 2 widen, 0.5 halves.
    """

    def __init__(self, width: int, out_channels: int, *, scale: float) -> None:
        super().__init__(nn.Conv2d(width, out_channels, kernel_size=1), _resize(out_channels, scale))


def _resize(channels: int, scale: float) -> nn.Module:
    if scale == 1:
        return nn.Identity()
    if scale < 1:
        return nn.Conv2d(channels, channels, kernel_size=3, stride=round(1 / scale), padding=1)
    return nn.ConvTranspose2d(channels, channels, kernel_size=int(scale), stride=int(scale))


class ResidualUnit(nn.Module):
    """Twice (ReLU, Conv3x3, batch norm), added to the input.

    Args:
        channels: in and out.
        batch_norm: False for a bias in its place.
    """

    def __init__(self, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=not batch_norm)
            norm = [nn.BatchNorm2d(channels)] if batch_norm else []
            layers += [nn.ReLU(), conv, *norm]
        self.layers = nn.Sequential(*layers)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return features of the same shape."""
        changed_BDhw: Tensor = self.layers(features_BDhw)
        return features_BDhw + changed_BDhw


class Fusion(nn.Module):
    """Add a level to what comes from the coarser ones, refine, project, widen x 2 (section 3.2).

    Args:
        channels: in and out.
        batch_norm: in the residual units.
        coarsest: there is nothing coarser: the level itself is refined.
        align_corners: how features are widened.
    """

    def __init__(self, channels: int, *, batch_norm: bool, coarsest: bool, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.adapt = None if coarsest else ResidualUnit(channels, batch_norm=batch_norm)
        self.refine = ResidualUnit(channels, batch_norm=batch_norm)
        self.project = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, level_BDhw: Tensor, coarser_BDhw: Tensor | None = None) -> Tensor:
        """Return (B, D, 2 * h, 2 * w)."""
        if self.adapt is not None and coarser_BDhw is not None:
            level_BDhw = coarser_BDhw + self.adapt(level_BDhw)
        # The weights of a widening sum to 1, so that a 1x1 convolution may as well come before it.
        fused_BDhw = self.project(self.refine(level_BDhw))
        return F.interpolate(fused_BDhw, scale_factor=2, mode="bilinear", align_corners=self.align_corners)


class DPT(SegmentationModel):
    """Tokens at four depths, reassembled, fused, and the classes; logits at stride 2 for patches of 16.

    Args:
        encoder: a plain vision transformer whose patch side is a multiple of 8.
        num_classes: K.
        in_channels: C.
        features: width of the decoder; 256 in the paper.
        reassemble_channels: of the four levels, finest first; None for 1/8, 1/4, 1/2 and all of the encoder's
            width, which the authors' code takes for ViT-B. For ViT-L it takes (256, 512, 1024, 1024).
        blocks: whose outputs are the levels, counted from 0 and rising; None for those at a quarter, a half,
            three quarters and all of the depth, as in the authors' code (the paper: layers 5, 12, 18, 24).
        readout: what becomes of the class token; "project" is best in the paper's ablation.
        batch_norm: in the residual units, as for segmentation in section 4.2; False for biases.
        dropout: share of values dropped before the classes, 0..1.
        auxiliary: train with a second head.
        auxiliary_at: the fusion it stands on; "penultimate" as in section 4.2. "last" as in transformers.
        auxiliary_weight: factor on its loss; section 4.2.
        align_corners: how features and logits are widened; True only for weights trained so.

    Raises:
        RequestError: a patch side that gives no whole strides, fewer than four blocks, blocks that the
            encoder lacks, or a readout without a class token.
    """

    def __init__(
        self,
        encoder: PlainViT,
        *,
        num_classes: int,
        in_channels: int = 3,
        features: int = 256,
        reassemble_channels: tuple[int, int, int, int] | None = None,
        blocks: tuple[int, int, int, int] | None = None,
        readout: Readout = "project",
        batch_norm: bool = True,
        dropout: float = 0.1,
        auxiliary: bool = True,
        auxiliary_at: Literal["penultimate", "last"] = "penultimate",
        auxiliary_weight: float = 0.2,
        align_corners: bool = False,
    ) -> None:
        _check_encoder(encoder, readout)
        finest = encoder.patch // int(SCALES[0])
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=finest // LAST_WIDENING,
            multiple=2 * encoder.patch,
            align_corners=align_corners,
        )
        self.encoder = encoder
        self.blocks = _checked_blocks(encoder, blocks)
        encoder.end_after(self.blocks[-1])
        width = encoder.width
        channels = reassemble_channels or (width // 8, width // 4, width // 2, width)
        self.read = nn.ModuleList(ReadClassToken(width, readout) for _ in SCALES)
        self.reassemble = nn.ModuleList(
            Reassemble(width, out, scale=scale) for out, scale in zip(channels, SCALES, strict=True)
        )
        self.lateral = nn.ModuleList(
            nn.Conv2d(out, features, kernel_size=3, padding=1, bias=False) for out in channels
        )
        self.fusions = nn.ModuleList(
            Fusion(features, batch_norm=batch_norm, coarsest=scale == SCALES[-1], align_corners=align_corners)
            for scale in SCALES
        )
        for part in (self.reassemble, self.lateral, self.fusions):
            initialise(part)
        self.head = FCNHead(features, num_classes, channels=features, dropout=dropout)
        self.auxiliary_head = FCNHead(features, num_classes, channels=features) if auxiliary else None
        self.auxiliary_level = 1 if auxiliary_at == "penultimate" else 0
        self.auxiliary_weight = auxiliary_weight

    def logits(self, image_BCHW: Tensor) -> Outputs:
        """Return (B, K, 8 * H / p, 8 * W / p), and in training the auxiliary head's."""
        fused = self._fuse(self._levels(image_BCHW))
        auxiliary: tuple[Auxiliary, ...] = ()
        if self.training and self.auxiliary_head is not None:
            level = self.auxiliary_level
            logits_BKhw = self.auxiliary_head(fused[level])
            stride = self.stride * 2**level
            auxiliary = (Auxiliary(logits_BKhw, stride, self.auxiliary_weight, self.align_corners),)
        return Outputs(self.head(fused[0]), auxiliary)

    def _levels(self, image_BCHW: Tensor) -> list[Tensor]:
        """Return (B, features, h, w) per level, finest first."""
        depths = self.encoder.after(image_BCHW, self.blocks)
        patches = [
            read(tokens, self.encoder.prefix_tokens) for read, tokens in zip(self.read, depths, strict=True)
        ]
        maps = [self.encoder.map_patches(patches_BND, image_BCHW) for patches_BND in patches]
        steps = zip(self.lateral, self.reassemble, maps, strict=True)
        return [lateral(reassemble(map_BDhw)) for lateral, reassemble, map_BDhw in steps]

    def _fuse(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return what every fusion gives, finest first."""
        fused: list[Tensor] = []
        for fusion, level_BDhw in zip(reversed(self.fusions), reversed(levels), strict=True):
            fused.append(fusion(level_BDhw, fused[-1] if fused else None))
        return fused[::-1]


def _check_encoder(encoder: PlainViT, readout: Readout) -> None:
    whole = int(SCALES[0]) * LAST_WIDENING
    if encoder.patch % whole:
        raise RequestError(
            f"DPT widens patches {whole} times, and the encoder's have {encoder.patch} pixels: that gives no "
            f"whole stride. Take an encoder whose patch side is a multiple of {whole}, such as "
            "vit_base_patch16_384, or give encoder_options patch_size = 16."
        )
    if readout != "ignore" and not getattr(encoder.body, "has_class_token", encoder.prefix_tokens > 0):
        raise RequestError(
            f"readout = {readout!r} reads the class token, which this encoder lacks. Give readout = 'ignore'."
        )


def _checked_blocks(encoder: PlainViT, blocks: tuple[int, ...] | None) -> list[int]:
    """Return the blocks of the levels."""
    count = len(SCALES)
    chosen = encoder.blocks_at(range(1, count + 1), of=count) if blocks is None else list(blocks)
    if len(chosen) < count:
        raise RequestError(f"DPT reads {count} depths, and the encoder has {encoder.depth} blocks only.")
    if chosen != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < encoder.depth:
        raise RequestError(
            f"blocks = {chosen}: give {count} different blocks of 0..{encoder.depth - 1}, rising."
        )
    return chosen
