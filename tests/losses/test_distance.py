"""Losses by distance from the outline, worked by hand and against distances measured one by one."""

from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.losses.distance import boundary, hausdorff, outline_distance

ROW = torch.tensor([[[0, 0, 1, 1]]])
EVEN = torch.zeros(1, 2, 1, 4)


@pytest.mark.parametrize("shape", [(9, 11), (4, 5, 6)])
def test_outline_distance__is_the_nearest_valid_pixel_on_the_other_side(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    inside, valid = rng.random(shape) < 0.3, rng.random(shape) < 0.6
    found = outline_distance(inside, valid)
    assert found.dtype == np.float32
    for place in np.ndindex(shape):
        others = np.argwhere(valid & (inside != inside[place]))
        nearest = np.sqrt(((others - place) ** 2).sum(axis=1)).min() if valid[place] else 0
        assert found[place] == pytest.approx(nearest)


@pytest.mark.parametrize("side", [True, False])
def test_outline_distance__is_zero_where_there_is_no_outline(side: bool) -> None:
    inside, valid = np.full((3, 4), side), np.ones((3, 4), bool)
    inside[0], valid[0] = not side, False  # the other side lies under void
    assert not outline_distance(inside, valid).any()


def test_boundary__of_a_row() -> None:
    # Class 1: 2, 1 outside, 0, -1 inside; class 0 mirrored. Half of each, over four pixels.
    assert boundary(EVEN, ROW, stride=1).item() == pytest.approx(1 / 4)
    # Class 1 alone, with 3/4 on its first pixel, 1/4 on its second, 1/2 elsewhere.
    logits = EVEN.clone()
    logits[0, 1, 0, 2:] = torch.tensor([log(3.0), -log(3.0)])
    loss = boundary(logits, ROW, stride=1, classes=[1])
    assert loss.item() == pytest.approx((1 + 1 / 2 + 0 - 1 / 4) / 4)


def test_boundary__is_negative_for_a_good_answer() -> None:
    assert boundary(100.0 * torch.tensor([[[[1, 1, 0, 0]], [[0, 0, 1, 1]]]]), ROW, stride=1).item() < 0


def test_boundary__void_is_on_neither_side() -> None:
    target = torch.tensor([[[255, 0, 1, 1]]])
    # Class 1: 1, 0, -1; class 0: 0, 1, 2. Half of each, over three pixels, then the mean of the two.
    assert boundary(EVEN, target, stride=1).item() == pytest.approx((0 + 1.5 / 3) / 2)
    between = torch.tensor([[[0, 255, 255, 1]]])
    # Class 1: 3 outside, 1 - 3 inside, across the void.
    assert boundary(EVEN, between, stride=1, classes=[1]).item() == pytest.approx((3 - 2) / 2 / 2)


def test_boundary__is_that_of_the_authors_where_nothing_is_void() -> None:
    """Their map: distances outside, and distances less one, negative, inside."""
    target = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (2, 8, 9)))
    logits = torch.randn(2, 3, 8, 9)
    maps = np.zeros((2, 3, 8, 9))
    for b, k in np.ndindex(2, 3):
        inside = target[b].numpy() == k
        maps[b, k] = distance_transform_edt(~inside) - np.where(inside, distance_transform_edt(inside) - 1, 0)
    expected = (logits.softmax(dim=1) * torch.from_numpy(maps).float()).mean()
    torch.testing.assert_close(boundary(logits, target, stride=1), expected)


def test_hausdorff__of_a_row() -> None:
    # Nowhere more than one half: only the truth has an outline. Both classes: errors 1/4, distances 2 1 1 2.
    assert hausdorff(EVEN, ROW, stride=1).item() == pytest.approx((4 + 1 + 1 + 4) / 4 / 4)
    assert hausdorff(EVEN, ROW, stride=1, alpha=1.0).item() == pytest.approx((2 + 1 + 1 + 2) / 4 / 4)


def test_hausdorff__adds_the_distances_to_the_predicted_outline() -> None:
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 1, 0] = log(3.0) * torch.tensor([1.0, -1.0, -1.0, 1.0])
    # Class 1 at 3/4 1/4 1/4 3/4: the prediction's distances are 1 everywhere; class 0 mirrors it.
    expected = (9 / 16 * (4 + 1) + 1 / 16 * (1 + 1) + 9 / 16 * (1 + 1) + 1 / 16 * (4 + 1)) / 4
    assert hausdorff(logits, ROW, stride=1).item() == pytest.approx(expected)


def test_hausdorff__is_the_paper_s_where_nothing_is_void() -> None:
    """Both distance maps there are unsigned: of inside and outside, added."""
    target = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (2, 8, 9)))
    logits = 3 * torch.randn(2, 3, 8, 9)
    probs, parts = logits.softmax(dim=1), []
    for b, k in np.ndindex(2, 3):
        masks = target[b].numpy() == k, probs[b, k].numpy() > 0.5
        weights = sum((distance_transform_edt(m) + distance_transform_edt(~m)) ** 2 for m in masks)
        parts.append(
            ((probs[b, k] - torch.from_numpy(masks[0]).float()).square() * torch.from_numpy(weights)).mean()
        )
    torch.testing.assert_close(hausdorff(logits, target, stride=1), torch.stack(parts).mean().float())


@pytest.mark.parametrize("loss", [boundary, hausdorff])
def test_distance_loss__averages_over_pairs_of_image_and_class_with_an_outline(
    loss: Callable[..., Tensor],
) -> None:
    logits = torch.randn(3, 3, 1, 4)
    target = torch.tensor([[[0, 0, 1, 1]], [[2, 2, 2, 2]], [[0, 1, 2, 255]]])
    value = loss(logits, target, stride=1)
    first, third = (loss(logits[[i]], target[[i]], stride=1) for i in (0, 2))
    torch.testing.assert_close(value, (2 * first + 3 * third) / 5)
    only = [loss(logits[[i]], target[[i]], stride=1, classes=[1, 2]) for i in (0, 2)]
    torch.testing.assert_close(loss(logits, target, stride=1, classes=[1, 2]), (only[0] + 2 * only[1]) / 3)


@pytest.mark.parametrize("loss", [boundary, hausdorff])
def test_distance_loss__without_an_outline_is_zero_with_zero_gradient(
    loss: Callable[..., Tensor],
) -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = loss(logits, torch.tensor([[[2, 2], [2, 255]]]), stride=1)
    assert value.item() == 0
    assert torch.autograd.grad(value, logits)[0].count_nonzero() == 0


@pytest.mark.parametrize("loss", [boundary, hausdorff])
def test_distance_loss__refuses_classes_that_there_are_not(
    loss: Callable[..., Tensor],
) -> None:
    with pytest.raises(RequestError, match=r"classes holds -1, 2, but the model has the classes 0\.\.1"):
        loss(EVEN, ROW, stride=1, classes=[2, 0, -1])
