"""EoMT: a plain vision transformer that carries queries through its last blocks, and no decoder.

Kerssies, Cavagnero, Hermans, Norouzi, Averta, Leibe, Dubbelman, de Geus 2025, Your ViT is Secretly an
Image Segmentation Model, section 3 and figure 1, https://arxiv.org/abs/2503.19108; official code (MIT):
https://github.com/tue-mps/eomt. Every query says a class and a mask. In training, the last blocks let a query
look only where its mask of the block before is, with a probability that falls to 0 block by block ("mask
annealing", section 3.3), so that at the end the network runs without masks.

As in the official code: patches of 16 x 16 whatever the encoder was trained with, unless `encoder_options`
say otherwise; L = 3 query blocks for ViT-S and -B, 4 for -L, 5 for -g; 100 queries for semantic segmentation.
Two things are ours. The logits are the logarithm of the paper's per-pixel class scores: the largest one is
the paper's class, and a softmax gives the scores divided by their sum. And evaluation is without masks from
the first step on, since so the trained network runs; the official code evaluates with them while the
annealing lasts.

Shapes: B images, C channels, H x W image size, D width, Q queries, h x w patches, P = h * w of them, N tokens
(queries, prefix, patches), K classes.
"""

from math import log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Queries
from terrazzo.models.base import Outputs, SegmentationModel
from terrazzo.models.layers import initialise, initialise_classifier
from terrazzo.models.plain_vit import PlainViT

FINEST_STRIDE = 4
ANNEALING_STARTS = (1 / 6, 4 / 6)
"""Shares of training at which the first and the last query block begin to lose their masks, the others evenly
between: in the official configurations for DINOv2, steps 6520 and 26080 of 39153."""
ANNEALING_LENGTH = 1 / 6
"""Share of training in which one block loses them."""
ANNEALING_POWER = 0.9
"""Of the polynomial from 1 to 0 (`poly_power` in the official code)."""


class ScaleBlock(nn.Module):
    """Doubles the size: ConvTranspose2x2, GELU, depthwise Conv3x3, layer norm over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen = nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        self.smooth = nn.Conv2d(channels, channels, kernel_size=3, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, features_BDhw: Tensor) -> Tensor:
        """Return (B, D, 2h, 2w)."""
        wide_BDhw = self.smooth(F.gelu(self.widen(features_BDhw)))
        normal_BDhw: Tensor = self.norm(wide_BDhw.movedim(1, -1)).movedim(-1, 1)
        return normal_BDhw


class EoMT(SegmentationModel):
    """Encoder-only mask transformer; class scores at stride 4 (7 with patches of 14 x 14).

    The loss is on masks and classes alone (`losses.masks`); the recipe's loss is not used.

    Args:
        encoder: a plain vision transformer.
        num_classes: K.
        in_channels: C.
        num_queries: Q; 100 in the official semantic configurations.
        query_blocks: how many of the last blocks carry the queries; 3 for ViT-S and -B, 4 for ViT-L, 5 for
            ViT-g in the official configurations.
        masked_evaluation: evaluate with masked attention in the blocks whose `attn_mask_probs` is 0.5 or
            more; for weights that were not annealed.
    """

    attn_mask_probs: Tensor

    def __init__(
        self,
        encoder: PlainViT,
        *,
        num_classes: int,
        in_channels: int = 3,
        num_queries: int = 100,
        query_blocks: int = 3,
        masked_evaluation: bool = False,
    ) -> None:
        _check_options(encoder, num_queries, query_blocks)
        doublings = upscalings(encoder.patch)
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=encoder.patch // 2**doublings,
            multiple=encoder.patch,
        )
        width = encoder.width
        self.masked_evaluation = masked_evaluation
        self.num_queries = num_queries
        self.first_query_block = encoder.depth - query_blocks
        self.encoder = encoder
        self.queries = nn.Embedding(num_queries, width)
        self.classify = nn.Linear(width, num_classes + 1)
        self.embed_masks = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.upscale = nn.Sequential(*(ScaleBlock(width) for _ in range(doublings)))
        self.register_buffer("attn_mask_probs", torch.ones(query_blocks))
        initialise(self.upscale)
        initialise_classifier(self.classify)

    def logits(self, image_BCHW: Tensor) -> Tensor | Outputs:
        """Return (B, K, H / stride, W / stride), in training with the segments around every query block."""
        said = self.segments(image_BCHW)
        logits_BKhw = log_scores(said[-1])
        return Outputs(logits_BKhw, queries=tuple(said), weight=0.0) if self.training else logits_BKhw

    def segments(self, image_BCHW: Tensor) -> list[Queries]:
        """Return what the queries say at the end, after what they said where masked attention needs it."""
        tokens_BND = self.encoder.tokens(image_BCHW)
        said: list[Queries] = []
        for number, block in enumerate(self.encoder.body.blocks, start=-self.first_query_block):
            if number == 0:
                queries_BQD = self.queries.weight.expand(tokens_BND.shape[0], -1, -1)
                tokens_BND = torch.cat([queries_BQD.to(tokens_BND.dtype), tokens_BND], dim=1)
            if number >= 0 and (self.training or self.masked_evaluation):
                said.append(self._say(tokens_BND, image_BCHW))
                mask_B1NN = self._attention_mask(said[-1].mask_logits, self.attn_mask_probs[number])
                tokens_BND = block(tokens_BND, attn_mask=mask_B1NN)
            else:
                tokens_BND = block(tokens_BND)
        return [*said, self._say(tokens_BND, image_BCHW)]

    @torch.no_grad()
    def set_progress(self, share: float) -> None:
        """Set, in place, each query block's probability of masked attention for a share of the training."""
        first, last = ANNEALING_STARTS
        blocks = len(self.attn_mask_probs)
        for number in range(blocks):
            start = first + (last - first) * number / max(1, blocks - 1)
            done = min(1.0, max(0.0, (share - start) / ANNEALING_LENGTH))
            self.attn_mask_probs[number] = (1.0 - done) ** ANNEALING_POWER

    def _say(self, tokens_BND: Tensor, image_BCHW: Tensor) -> Queries:
        """Return the class and the mask of every query."""
        normal_BND = self.encoder.body.norm(tokens_BND)
        queries_BQD, rest_BND = normal_BND[:, : self.num_queries], normal_BND[:, self.num_queries :]
        features_BDhw = self.upscale(self.encoder.map(rest_BND, image_BCHW))
        masks_BQhw = torch.einsum("bqd,bdhw->bqhw", self.embed_masks(queries_BQD), features_BDhw)
        return Queries(masks_BQhw, self.classify(queries_BQD), stride=self.stride)

    def _attention_mask(self, mask_logits_BQhw: Tensor, probability: Tensor) -> Tensor:
        """Return (B, 1, N, N), true where a token may look: a masked query at patches in its mask alone."""
        widened = self.multiple // self.stride
        h, w = (side // widened for side in mask_logits_BQhw.shape[-2:])
        inside_BQhw = F.interpolate(mask_logits_BQhw, size=(h, w), mode="bilinear") > 0
        masked_BQ = self._masked(inside_BQhw, probability)
        allowed_BQP = (inside_BQhw | ~masked_BQ[..., None, None]).flatten(2)
        others = self.encoder.prefix_tokens + allowed_BQP.shape[-1]
        # Every token may look at the queries and the prefix, and all but the queries at everything.
        left = self.num_queries + self.encoder.prefix_tokens
        return F.pad(allowed_BQP, (left, 0, 0, others), value=True).unsqueeze(1)

    def _masked(self, inside_BQhw: Tensor, probability: Tensor) -> Tensor:
        """Return (B, Q), which queries are masked: drawn in training, all or none in evaluation."""
        if self.training:
            return torch.rand(inside_BQhw.shape[:2], device=inside_BQhw.device) < probability
        return (probability >= 0.5).expand(inside_BQhw.shape[:2])


def upscalings(patch: int) -> int:
    """Return how often the patches' map is doubled: to stride 4 from a power of two, and once at least.

    This is the rule of the official code; patches of 14 x 14 end at stride 7.
    """
    return max(1, int(log2(patch)) - int(log2(FINEST_STRIDE)))


def log_scores(queries: Queries) -> Tensor:
    """Return (B, K, h, w): log of the sum over queries of softmax(class) * sigmoid(mask).

    "No object" is left out after the softmax. Where every query says no, it is about -87.
    """
    masks_BQhw, classes_BQK = queries.mask_logits, queries.class_logits
    shares_BQK = classes_BQK.softmax(dim=-1)[..., :-1].to(masks_BQhw.dtype)
    scores_BKhw = torch.einsum("bqk,bqhw->bkhw", shares_BQK, masks_BQhw.sigmoid())
    # In float32, since 0 in place of the smallest number would have no logarithm.
    return scores_BKhw.float().clamp(min=torch.finfo(torch.float32).tiny).log().to(masks_BQhw.dtype)


def _check_options(encoder: PlainViT, num_queries: int, query_blocks: int) -> None:
    if num_queries < 1:
        raise RequestError(f"num_queries = {num_queries}: give at least 1, and better more than classes.")
    if not 1 <= query_blocks <= encoder.depth:
        raise RequestError(
            f"query_blocks = {query_blocks}: the encoder has {encoder.depth} blocks; "
            f"give 1..{encoder.depth}, about a fifth of them."
        )
    if encoder.patch % 2 ** upscalings(encoder.patch):
        raise RequestError(
            f"Patches of {encoder.patch} x {encoder.patch} pixels cannot be halved "
            f"{upscalings(encoder.patch)} times; give encoder_options patch_size = 16, say."
        )
