"""Losses that weigh an error by how far it is from the true outline.

Distances are Euclidean, in pixels, between pixel centres, and between valid pixels only: from a pixel of a
class to the nearest valid one that is not of it, and the other way round. Void is thus neither inside nor
outside. They are computed on the CPU, for every image and every class present in it, which takes longer than
all the rest of a step: `classes` names the ones that matter. Only they are kept at full size for backward.

A class that is nowhere, or everywhere, among an image's valid pixels has no outline there; the pair of
image and class is left out. Both losses are to be added to a regional one, with a small weight: alone, they
do not mind a class that is missing altogether.

Shapes: B images, K classes, h x w logits, H x W full size, C classes with an outline in one image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.sample import IGNORE
from terrazzo.losses.full_size import at_full_size, check_target

Mask = NDArray[np.bool_]


def boundary(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    classes: Sequence[int] | None = None,
) -> Tensor:
    """Return the mean of probability times signed distance to the true outline, negative inside.

    Kervadec et al. 2019, Boundary loss for highly unbalanced segmentation, section 2,
    https://arxiv.org/abs/1812.07032. As in the authors' code the distance is 0 on the outermost pixels of
    the class, and 1 right outside. The mean runs over an image's valid pixels, then over pairs of an image
    and a class with an outline in it. The paper adds it to Dice with a weight that starts at 0.01.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        classes: ids of the classes that count; all of them by default.

    Returns:
        Scalar in pixels, float32, below 0 where the prediction is good; 0 with zero gradient where no class
        has an outline.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id that is neither a class nor void.
        RequestError: `classes` holds an id that is no class.
    """

    def image_loss(logits_1Khw: Tensor, target_1HW: Tensor, outlines: "_Outlines") -> Tensor:
        distances = [outline_distance(truth, outlines.valid) for truth in outlines.truth]
        signed = [np.where(t, 1 - d, d) for t, d in zip(outlines.truth, distances, strict=True)]
        maps_CHW = torch.from_numpy(np.stack(signed)).to(logits_1Khw.device)

        def weighed(full_1KHW: Tensor, target_1HW: Tensor) -> Tensor:
            return (_probabilities(full_1KHW, target_1HW, ignore_index)[outlines.classes] * maps_CHW).sum()

        return at_full_size(weighed, logits_1Khw, target_1HW, stride=stride, align_corners=align_corners)[0]

    return _mean_over_outlines(image_loss, logits_BKhw, target_BHW, ignore_index, classes)


def hausdorff(
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    ignore_index: int = IGNORE,
    alpha: float = 2.0,
    classes: Sequence[int] | None = None,
) -> Tensor:
    """Return the mean of (P - Y)^2 * (d_P^alpha + d_Y^alpha), d the distances to the outlines of both.

    Karimi, Salcudean 2019, Reducing the Hausdorff Distance in Medical Image Segmentation with Convolutional
    Neural Networks, the loss by distance transforms, https://arxiv.org/abs/1904.10030. The predicted outline
    is that of P > 1/2; where there is none d_P is 0. The mean runs over an image's valid pixels, then over
    pairs of an image and a class with an outline in it. Distances get no gradient, as there. The paper
    weighs it so that it is as large as the Dice loss that it is added to.

    Args:
        logits_BKhw: (B, K, h, w), of volumes (B, K, d, h, w), any float type, at output stride.
        target_BHW: (B, H, W), of volumes (B, D, H, W), train ids.
        stride: full-size pixels per logit.
        align_corners: how the logits are widened to full size.
        ignore_index: the train id of void.
        alpha: how much more far errors count; the paper tries 0.5 to 3, and takes 2.
        classes: ids of the classes that count; all of them by default.

    Returns:
        Scalar in pixels ** alpha, float32, at least 0; 0 with zero gradient where no class has an outline.

    Raises:
        ValueError: the shapes do not fit each other.
        DataError: an id that is neither a class nor void.
        RequestError: `classes` holds an id that is no class.
    """

    def image_loss(logits_1Khw: Tensor, target_1HW: Tensor, outlines: "_Outlines") -> Tensor:
        def predicted(full_1KHW: Tensor, target_1HW: Tensor) -> Tensor:
            return _probabilities(full_1KHW, target_1HW, ignore_index)[outlines.classes] > 0.5

        sizes: dict[str, Any] = {"stride": stride, "align_corners": align_corners}
        with torch.no_grad():
            found = at_full_size(predicted, logits_1Khw, target_1HW, **sizes)[0].cpu().numpy()
        maps = [
            outline_distance(truth, outlines.valid) ** alpha + outline_distance(mask, outlines.valid) ** alpha
            for truth, mask in zip(outlines.truth, found, strict=True)
        ]
        maps_CHW = torch.from_numpy(np.stack(maps)).to(logits_1Khw.device)
        truth_CHW = torch.from_numpy(outlines.truth).to(logits_1Khw.device)

        def weighed(full_1KHW: Tensor, target_1HW: Tensor) -> Tensor:
            probs_CHW = _probabilities(full_1KHW, target_1HW, ignore_index)[outlines.classes]
            return ((probs_CHW - truth_CHW.float()).square() * maps_CHW).sum()

        return at_full_size(weighed, logits_1Khw, target_1HW, **sizes)[0]

    return _mean_over_outlines(image_loss, logits_BKhw, target_BHW, ignore_index, classes)


def outline_distance(inside_HW: Mask, valid_HW: Mask) -> NDArray[np.float32]:
    """Return how far each valid pixel is from the nearest valid one on the other side of an outline.

    Args:
        inside_HW: what the outline surrounds; any number of dimensions.
        valid_HW: the pixels that there are.

    Returns:
        Pixels, at least 1; 0 where not valid, and everywhere where there is no outline.
    """
    from scipy.ndimage import distance_transform_edt  # here, since most networks train without it

    inside_HW, outside_HW = inside_HW & valid_HW, ~inside_HW & valid_HW
    if not (inside_HW.any() and outside_HW.any()):
        return np.zeros(inside_HW.shape, np.float32)
    distance_HW = np.where(inside_HW, distance_transform_edt(~outside_HW), distance_transform_edt(~inside_HW))
    return np.where(valid_HW, distance_HW, 0).astype(np.float32)


@dataclass(frozen=True)
class _Outlines:
    """The classes of one image that have an outline in it."""

    classes: list[int]
    truth: Mask
    """(C, H, W), where each of them is."""

    valid: Mask
    """(H, W)."""


ImageLoss = Callable[[Tensor, Tensor, _Outlines], Tensor]
"""From logits and target of one image to the sum over its valid pixels and outlines."""


def _mean_over_outlines(
    image_loss: ImageLoss,
    logits_BKhw: Tensor,
    target_BHW: Tensor,
    ignore_index: int,
    classes: Sequence[int] | None,
) -> Tensor:
    check_target(logits_BKhw, target_BHW, ignore_index)
    wanted = _wanted(classes, logits_BKhw.shape[1])
    losses = [logits_BKhw[:0].float().sum()]  # 0, so that a batch without outlines has a gradient of zeros
    pairs = 0
    for logits_1Khw, target_1HW in zip(torch.split(logits_BKhw, 1), torch.split(target_BHW, 1), strict=True):
        outlines = _outlines_of(target_1HW[0].cpu().numpy(), ignore_index, wanted)
        if outlines.classes:
            losses.append(image_loss(logits_1Khw, target_1HW, outlines) / int(outlines.valid.sum()))
            pairs += len(outlines.classes)
    return torch.stack(losses).sum() / max(1, pairs)


def _outlines_of(target_HW: NDArray[Any], ignore_index: int, wanted: set[int]) -> _Outlines:
    valid_HW = target_HW != ignore_index
    present = np.unique(target_HW[valid_HW]).tolist()
    classes = [k for k in present if k in wanted] if len(present) > 1 else []
    return _Outlines(classes, np.stack([target_HW == k for k in classes] or [valid_HW]), valid_HW)


def _wanted(classes: Sequence[int] | None, num_classes: int) -> set[int]:
    wanted = set(range(num_classes) if classes is None else classes)
    unknown = sorted(wanted - set(range(num_classes)))
    if unknown:
        raise RequestError(
            f"classes holds {', '.join(map(str, unknown))}, but the model has the classes "
            f"0..{num_classes - 1}. Give train ids of the label map."
        )
    return wanted


def _probabilities(full_1KHW: Tensor, target_1HW: Tensor, ignore_index: int) -> Tensor:
    """Return softmax probabilities (K, H, W), 0 under void whatever is there."""
    valid_11HW = (target_1HW != ignore_index).unsqueeze(1)
    return full_1KHW.where(valid_11HW, 0.0).softmax(dim=1).where(valid_11HW, 0.0)[0]
