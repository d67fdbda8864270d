"""SETR: a plain vision transformer as encoder, and one of three plain decoders.

Zheng, Lu, Zhao, Zhu, Luo, Wang, Fu, Feng, Xiang, Torr, Zhang 2021, Rethinking Semantic Segmentation from a
Sequence-to-Sequence Perspective with Transformers, sections 3.2, 3.3 and 4.1 and figure 1,
https://arxiv.org/abs/2012.15840. Details as in the authors' code (fudan-zvg/SETR): the layer norm before
every decoder, widths, and auxiliary heads with weight 0.4.

Ours: class and register tokens stay in the sequence, as the encoder was trained with them; the layers are
chosen by their share of the depth, so that any depth will do; every widening that nothing learned follows is
left to the loss, so the naive decoder ends at stride 16, the progressive one at stride 2, the aggregating one
at stride 4, and auxiliary heads at stride 16 (a 1x1 convolution and a widening may change places).

Shapes: B images, C channels, H x W image size, p patch side, h x w feature size, N tokens, D width,
K classes.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Auxiliary
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.layers import ConvNormAct, initialise, initialise_classifier
from terrazzo.models.plain_vit import PlainViT

DecoderName = Literal["naive", "pup", "mla"]

PAPER_DEPTH = 24
"""Layers of ViT-L, which the layers below are counted in (from 1)."""

LAYERS: dict[str, tuple[int, ...]] = {"naive": (24,), "pup": (24,), "mla": (6, 12, 18, 24)}
"""What the decoder reads; section 3.3."""

AUXILIARY_LAYERS: dict[str, tuple[int, ...]] = {"naive": (10, 15, 20), "pup": (10, 15, 20, 24), "mla": ()}
"""Where auxiliary heads stand; section 4.1. MLA's stand on its own four streams."""

FINER: dict[str, int] = {"naive": 1, "pup": 8, "mla": 4}
"""Patch side over the stride of the logits."""

AUXILIARY_WEIGHT = 0.4
"""Of every auxiliary head; from the authors' code."""

NORM_EPS = 1e-6
"""Of the layer norms before the decoders, as in the encoder."""


class PlainHead(nn.Sequential):
    """Conv-BN-ReLU and a 1x1 convolution to the classes: the naive decoder, and the auxiliary heads.

    Args:
        in_channels: width of the input.
        num_classes: K.
        channels: width of the middle.
        kernel_size: of the first convolution; 1 for the naive decoder, 3 beside the progressive one.
    """

    def __init__(self, in_channels: int, num_classes: int, *, channels: int, kernel_size: int) -> None:
        classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        super().__init__(ConvNormAct(in_channels, channels, kernel_size=kernel_size), classify)
        initialise(self[0])
        initialise_classifier(classify)


class ProgressiveUpsampling(nn.Module):
    """Four times Conv3x3-BN-ReLU, widened by 2 in between, then the classes (section 3.3, "PUP").

    Args:
        in_channels: width of the input.
        num_classes: K.
        channels: of the four convolutions.
        align_corners: how features are widened.
    """

    def __init__(self, in_channels: int, num_classes: int, *, channels: int, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.first = ConvNormAct(in_channels, channels)
        self.others = nn.ModuleList(ConvNormAct(channels, channels) for _ in range(3))
        self.classify = nn.Conv2d(channels, num_classes, kernel_size=1)
        initialise(self.first)
        initialise(self.others)
        initialise_classifier(self.classify)

    def forward(self, map_BDhw: Tensor) -> Tensor:
        """Return (B, K, 8 * h, 8 * w)."""
        features_BDhw = self.first(map_BDhw)
        for conv in self.others:
            features_BDhw = conv(_widened(features_BDhw, 2, self.align_corners))
        logits_BKhw: Tensor = self.classify(features_BDhw)
        return logits_BKhw


class Aggregation(nn.Module):
    """Streams from several layers; each gets added what deeper ones say (section 3.3, "MLA").

    Args:
        in_channels: width of the input.
        channels: of the streams.
        streams: how many.
    """

    def __init__(self, in_channels: int, channels: int, *, streams: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(ConvNormAct(in_channels, channels, kernel_size=1) for _ in range(streams))
        self.smooth = nn.ModuleList(ConvNormAct(channels, channels) for _ in range(streams))
        initialise(self)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the streams (B, channels, h, w) in the order of the maps: the shallowest layer's first."""
        reduced = [reduce(map_BDhw) for reduce, map_BDhw in zip(self.reduce, maps, strict=True)]
        summed = list(accumulate(reversed(reduced)))[::-1]
        return [smooth(sum_BDhw) for smooth, sum_BDhw in zip(self.smooth, summed, strict=True)]


class StreamsHead(nn.Module):
    """Two convolutions per stream, concatenated, widened by 4, then the classes ("MLA", figure 1 c).

    Args:
        channels: of the streams; their ends have half of it.
        num_classes: K.
        streams: how many.
        align_corners: how features are widened.
    """

    def __init__(self, channels: int, num_classes: int, *, streams: int, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        half = channels // 2
        self.ends = nn.ModuleList(
            nn.Sequential(ConvNormAct(channels, half), ConvNormAct(half, half)) for _ in range(streams)
        )
        self.classify = nn.Conv2d(streams * half, num_classes, kernel_size=3, padding=1)
        initialise(self.ends)
        initialise_classifier(self.classify)

    def forward(self, *streams: Tensor) -> Tensor:
        """Return (B, K, 4 * h, 4 * w)."""
        ends = [end(stream_BDhw) for end, stream_BDhw in zip(self.ends, streams, strict=True)]
        logits_BKhw: Tensor = self.classify(_widened(torch.cat(ends, dim=1), 4, self.align_corners))
        return logits_BKhw


class SETR(SegmentationModel):
    """A plain transformer's maps, and a decoder; logits at stride 16, 2 or 4 for patches of 16.

    Args:
        encoder: a plain vision transformer; with "pup" its patch side is a multiple of 8, with "mla" of 4.
        num_classes: K.
        in_channels: C.
        decoder: "naive" (two 1x1 convolutions), "pup" (progressive upsampling, best on Cityscapes) or "mla"
            (multi-level aggregation, best on ADE20K); section 3.3.
        channels: width of the decoder; 256 in the authors' code.
        auxiliary: train with the auxiliary heads of section 4.1.
        align_corners: how features and logits are widened; True only for weights trained so.

    Raises:
        RequestError: a patch side that gives no whole stride, or too few blocks for the streams of "mla".
    """

    def __init__(
        self,
        encoder: PlainViT,
        *,
        num_classes: int,
        in_channels: int = 3,
        decoder: DecoderName = "pup",
        channels: int = 256,
        auxiliary: bool = True,
        align_corners: bool = False,
    ) -> None:
        _check_encoder(encoder, decoder)
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.patch // FINER[decoder],
            multiple=encoder.patch,
            align_corners=align_corners,
        )
        self.layers = encoder.blocks_at(LAYERS[decoder], of=PAPER_DEPTH)
        self.auxiliary_layers = encoder.blocks_at(
            AUXILIARY_LAYERS[decoder] if auxiliary else (), of=PAPER_DEPTH
        )
        self.blocks = sorted({*self.layers, *self.auxiliary_layers})
        encoder.end_after(self.blocks[-1])
        self.encoder = encoder
        self.norms = _norms(encoder, self.layers)
        self.auxiliary_norms = _norms(encoder, self.auxiliary_layers)
        width, streams = encoder.width, len(self.layers)
        self.aggregate = Aggregation(width, channels, streams=streams) if decoder == "mla" else None
        self.decode = _decoder(decoder, width, num_classes, channels=channels, align_corners=align_corners)
        self.auxiliary_heads = nn.ModuleList(
            _auxiliary_head(decoder, width, num_classes, channels=channels)
            for _ in (self.layers if self.aggregate and auxiliary else self.auxiliary_layers)
        )

    def logits(self, image_BCHW: Tensor) -> Outputs:
        """Return (B, K, H / stride, W / stride), and in training what the auxiliary heads say."""
        after = dict(zip(self.blocks, self.encoder.after(image_BCHW, self.blocks), strict=True))
        maps = self._maps(self.norms, [after[block] for block in self.layers], image_BCHW)
        if self.aggregate is not None:
            maps = self.aggregate(maps)
        logits_BKhw = self.decode(*maps)
        if not self.training:
            return Outputs(logits_BKhw)
        if self.aggregate is None:
            seen = [after[block] for block in self.auxiliary_layers]
            maps = self._maps(self.auxiliary_norms, seen, image_BCHW)
        return Outputs(logits_BKhw, self._auxiliary(maps))

    def _maps(self, norms: nn.ModuleList, tokens: Sequence[Tensor], image_BCHW: Tensor) -> list[Tensor]:
        """Return the normed patches (B, D, h, w) of several layers."""
        normed = [norm(tokens_BND) for norm, tokens_BND in zip(norms, tokens, strict=True)]
        return [self.encoder.map(tokens_BND, image_BCHW) for tokens_BND in normed]

    def _auxiliary(self, maps: Sequence[Tensor]) -> tuple[Auxiliary, ...]:
        logits = [head(map_BDhw) for head, map_BDhw in zip(self.auxiliary_heads, maps, strict=False)]
        stride = self.encoder.patch
        return tuple(Auxiliary(one, stride, AUXILIARY_WEIGHT, self.align_corners) for one in logits)


def _widened(features_BDhw: Tensor, times: int, align_corners: bool) -> Tensor:
    return F.interpolate(features_BDhw, scale_factor=times, mode="bilinear", align_corners=align_corners)


def _decoder(
    decoder: DecoderName, width: int, num_classes: int, *, channels: int, align_corners: bool
) -> nn.Module:
    """Return what turns maps into logits."""
    if decoder == "naive":
        return PlainHead(width, num_classes, channels=channels, kernel_size=1)
    if decoder == "pup":
        return ProgressiveUpsampling(width, num_classes, channels=channels, align_corners=align_corners)
    streams = len(LAYERS[decoder])
    return StreamsHead(channels, num_classes, streams=streams, align_corners=align_corners)


def _auxiliary_head(decoder: DecoderName, width: int, num_classes: int, *, channels: int) -> nn.Module:
    """Return a head for training; those of "mla" are a single convolution on a stream."""
    if decoder == "mla":
        classify = nn.Conv2d(channels, num_classes, kernel_size=1, bias=False)
        initialise_classifier(classify)
        return classify
    return PlainHead(width, num_classes, channels=channels, kernel_size=3 if decoder == "pup" else 1)


def _norms(encoder: PlainViT, layers: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.LayerNorm(encoder.width, eps=NORM_EPS) for _ in layers)


def _check_encoder(encoder: PlainViT, decoder: DecoderName) -> None:
    finer = FINER[decoder]
    if encoder.patch % finer:
        raise RequestError(
            f"decoder = {decoder!r} widens patches {finer} times, and the encoder's have {encoder.patch} "
            "pixels: that gives no whole stride. Give decoder = 'naive', an encoder whose patch side is a "
            f"multiple of {finer}, or encoder_options patch_size = 16."
        )
    if len(encoder.blocks_at(LAYERS[decoder], of=PAPER_DEPTH)) < len(LAYERS[decoder]):
        raise RequestError(
            f"decoder = {decoder!r} reads {len(LAYERS[decoder])} layers, and the encoder has {encoder.depth} "
            "blocks only. Take a deeper encoder, or decoder = 'pup'."
        )
