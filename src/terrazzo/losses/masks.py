"""The loss of mask transformers: match queries to true segments, then compare masks and classes.

Cheng, Misra, Schwing, Kirillov, Girdhar 2022, Masked-attention Mask Transformer for Universal Image
Segmentation, sections 3.3 and 4.1, https://arxiv.org/abs/2112.01527; EoMT trains with the same. A true
segment is one class's pixels in one image. Masks are compared at pixels drawn at random, as there. Three
things are ours: only valid pixels are drawn, so that nothing under void counts (there, void is outside of
every mask); a mask is read by this project's own widening to full size and the truth at that very pixel
(there, both between pixels); and an image of nothing but void does not say "no object" either.

Shapes: B images, Q queries, K classes, h x w masks, H x W full size, T segments of one image, P valid pixels
of one image, S pixels drawn.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.sample import IGNORE
from terrazzo.kernels.cross_entropy import refuse_undeclared

if TYPE_CHECKING:
    from terrazzo.core.prediction import Queries

CLASS_WEIGHT, MASK_WEIGHT, DICE_WEIGHT = 2.0, 5.0, 5.0
"""Factors in the matching cost and in the loss, section 4.1."""
NO_OBJECT_WEIGHT = 0.1
"""Of a query without a segment in the class loss, section 4.1."""
POINTS = 12544
"""Pixels at which two masks are compared, 112 x 112, section 3.3."""
OVERSAMPLING, UNCERTAIN_SHARE = 3, 0.75
"""Of so many times the points, the least certain ones make up this share; the rest is drawn evenly.
Kirillov et al. 2020, PointRend, section 3.1, with the numbers of the official code."""


def mask_classification(
    queries: "Queries", target_BHW: Tensor, *, ignore_index: int = IGNORE, points: int | None = POINTS
) -> Tensor:
    """Return 2 * class + 5 * mask + 5 * Dice loss of the queries, after matching them to the segments.

    Class: cross-entropy over all queries, weighted mean, "no object" where nothing was matched. Mask: binary
    cross-entropy, and Dice, each a mean over all matched pairs of the batch. Every process has its own mean;
    the official code divides by the number of pairs over all processes.

    Args:
        queries: masks and classes, any float type.
        target_BHW: (B, H, W) train ids.
        ignore_index: the train id of void.
        points: pixels drawn per mask, from torch's global generator; None for every valid pixel once.

    Returns:
        Scalar, float32; 0 with zero gradient where every pixel is void.

    Raises:
        DataError: an id that is neither a class nor void.
    """
    masks_BQhw, classes_BQK = queries.mask_logits, queries.class_logits
    no_object = classes_BQK.shape[-1] - 1
    refuse_undeclared(target_BHW, no_object, ignore_index)
    with torch.autocast(masks_BQhw.device.type, enabled=False):
        masks_BQhw, classes_BQK = masks_BQhw.float(), classes_BQK.float()
        wanted_BQ = torch.full(classes_BQK.shape[:2], no_object, device=classes_BQK.device)
        weights_BQ = torch.zeros_like(classes_BQK[..., 0])
        losses = [masks_BQhw[:0].sum()]  # 0, so that a batch of void has a gradient of zeros
        pairs = 0
        for number, (masks_Qhw, classes_QK) in enumerate(zip(masks_BQhw, classes_BQK, strict=True)):
            truth = _Truth(target_BHW[number], ignore_index, queries.stride)
            if len(truth.pixels_P) == 0:
                continue
            matched_T, segments_T = _match(masks_Qhw, classes_QK, truth, points)
            losses.append(_mask_losses(masks_Qhw[matched_T], segments_T, truth, points).sum())
            pairs += len(matched_T)
            weights_BQ[number] = NO_OBJECT_WEIGHT
            weights_BQ[number, matched_T] = 1.0
            wanted_BQ[number, matched_T] = segments_T
        nll_BQ = F.cross_entropy(classes_BQK.movedim(-1, 1), wanted_BQ, reduction="none")
        class_loss = (weights_BQ * nll_BQ).sum() / weights_BQ.sum().clamp(min=NO_OBJECT_WEIGHT)
        return CLASS_WEIGHT * class_loss + torch.stack(losses).sum() / max(1, pairs)


class _Truth:
    """The valid pixels of one image, and how masks are read at them."""

    def __init__(self, target_HW: Tensor, ignore_index: int, stride: int) -> None:
        self.labels_P = target_HW.flatten().long()
        self.pixels_P = (self.labels_P != ignore_index).nonzero()[:, 0]
        self.segments_T = torch.unique(self.labels_P[self.pixels_P])
        self.columns = target_HW.shape[1]
        self.stride = stride

    def draw(self, *shape: int) -> Tensor:
        """Return valid pixels, drawn evenly with replacement; as positions in the flattened image."""
        return self.pixels_P[torch.randint(len(self.pixels_P), shape, device=self.pixels_P.device)]

    def belongs(self, pixels_TS: Tensor, segments_T: Tensor) -> Tensor:
        """Return (T, S), 1 where a pixel is of the segment's class, else 0."""
        return (self.labels_P[pixels_TS] == segments_T[:, None]).float()

    def read(self, masks_NMhw: Tensor, pixels_NS: Tensor) -> Tensor:
        """Return (N, M, S), the full-size logits of masks at pixels: those of `upsample`."""
        h, w = masks_NMhw.shape[-2:]
        rows, columns = pixels_NS // self.columns, pixels_NS % self.columns
        x_NS = (2 * columns + 1) / (w * self.stride) - 1
        y_NS = (2 * rows + 1) / (h * self.stride) - 1
        grid_N1S2 = torch.stack([x_NS, y_NS], dim=-1).unsqueeze(1)
        read_NM1S = F.grid_sample(masks_NMhw, grid_N1S2, padding_mode="border", align_corners=False)
        return read_NM1S.squeeze(2)


@torch.no_grad()
def _match(masks_Qhw: Tensor, classes_QK: Tensor, truth: _Truth, points: int | None) -> tuple[Tensor, Tensor]:
    """Return which query takes which segment, (T,) each, at the least total cost; equal pixels for all."""
    from scipy.optimize import linear_sum_assignment  # here, since most networks train without it

    pixels_1S = truth.pixels_P[None] if points is None else truth.draw(1, points)
    logits_QS = truth.read(masks_Qhw[None], pixels_1S)[0]
    inside_TS = truth.belongs(pixels_1S, truth.segments_T)
    overlap_TQ = inside_TS @ logits_QS.T
    mask_TQ = (F.softplus(logits_QS).sum(dim=1) - overlap_TQ) / logits_QS.shape[1]
    shares_QS = logits_QS.sigmoid()
    sizes_TQ = inside_TS.sum(dim=1)[:, None] + shares_QS.sum(dim=1)
    dice_TQ = 1 - (2 * inside_TS @ shares_QS.T + 1) / (sizes_TQ + 1)
    class_TQ = -classes_QK.softmax(dim=1).T[truth.segments_T]
    cost_TQ = CLASS_WEIGHT * class_TQ + MASK_WEIGHT * mask_TQ + DICE_WEIGHT * dice_TQ
    # What is no number is matched last; the loop stops when the loss is none.
    finite_TQ = cost_TQ.nan_to_num(nan=1e9, posinf=1e9, neginf=1e9)
    rows, columns = (torch.as_tensor(found) for found in linear_sum_assignment(finite_TQ.cpu().numpy()))
    return columns.to(masks_Qhw.device), truth.segments_T[rows.to(masks_Qhw.device)]


def _mask_losses(masks_Thw: Tensor, segments_T: Tensor, truth: _Truth, points: int | None) -> Tensor:
    """Return (T,), 5 * binary cross-entropy + 5 * Dice loss of each mask against its segment."""
    pixels_TS = _draw_uncertain(masks_Thw, truth, points)
    logits_TS = truth.read(masks_Thw[:, None], pixels_TS)[:, 0]
    inside_TS = truth.belongs(pixels_TS, segments_T)
    mask_T = F.binary_cross_entropy_with_logits(logits_TS, inside_TS, reduction="none").mean(dim=1)
    shares_TS = logits_TS.sigmoid()
    overlap_T = (shares_TS * inside_TS).sum(dim=1)
    dice_T = 1 - (2 * overlap_T + 1) / (shares_TS.sum(dim=1) + inside_TS.sum(dim=1) + 1)
    return MASK_WEIGHT * mask_T + DICE_WEIGHT * dice_T


@torch.no_grad()
def _draw_uncertain(masks_Thw: Tensor, truth: _Truth, points: int | None) -> Tensor:
    """Return (T, S) pixels: most of them where the mask's logit is nearest to 0, the rest anywhere."""
    segments = len(masks_Thw)
    if points is None:
        return truth.pixels_P.expand(segments, -1)
    candidates_TC = truth.draw(segments, OVERSAMPLING * points)
    certainty_TC = truth.read(masks_Thw[:, None], candidates_TC)[:, 0].abs()
    uncertain = int(UNCERTAIN_SHARE * points)
    order_TU = certainty_TC.topk(uncertain, dim=1, largest=False).indices
    return torch.cat([candidates_TC.gather(1, order_TU), truth.draw(segments, points - uncertain)], dim=1)
