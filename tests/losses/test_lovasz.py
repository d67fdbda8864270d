"""The Lovasz losses, worked by hand and against the index that they extend."""

from math import log

import pytest
import torch
from torch import Tensor

from terrazzo.losses.lovasz import _extension, lovasz_hinge, lovasz_softmax

LOGITS = torch.tensor([[[[log(1.0), log(6.0)]], [[log(3.0), log(2.0)]]]])
"""Two pixels, two classes: probabilities (1/4, 3/4) and (3/4, 1/4)."""


def test_extension__weighs_errors_by_what_they_add_to_the_jaccard_loss() -> None:
    errors, truth = torch.tensor([0.2, 0.9, 0.5, 0.7]), torch.tensor([True, False, True, False])
    # In order: 0.9 false adds 1 - 2/3, 0.7 false 2/3 - 2/4, 0.5 missed 2/4 - 1/4, 0.2 missed 1/4.
    expected = 0.9 / 3 + 0.7 / 6 + 0.5 / 4 + 0.2 / 4
    assert _extension(errors, truth).item() == pytest.approx(expected)


def test_lovasz_softmax__of_two_pixels() -> None:
    # Class 1 alone: errors 3/4 and 1/4, both of true pixels, each half of the index.
    assert lovasz_softmax(LOGITS, torch.tensor([[[1, 1]]]), stride=1).item() == pytest.approx(1 / 2)
    # Class 0: errors 3/4 (false) adds 1/2, 3/4 (missed) the rest; class 1 the same.
    assert lovasz_softmax(LOGITS, torch.tensor([[[0, 1]]]), stride=1).item() == pytest.approx(3 / 4)
    # First pixel only.
    assert lovasz_softmax(LOGITS, torch.tensor([[[1, 255]]]), stride=1).item() == pytest.approx(1 / 4)


def index_loss(answer: Tensor, target: Tensor, classes: list[int]) -> Tensor:
    """Return 1 - Jaccard, averaged over classes."""
    found = [(answer == k, target == k) for k in classes]
    return torch.stack([1 - (a & b).sum() / (a | b).sum() for a, b in found]).mean()


def test_lovasz_softmax__of_hard_answers_is_one_minus_jaccard() -> None:
    generator = torch.Generator().manual_seed(0)
    target, answer = torch.randint(4, (2, 2, 8, 8), generator=generator)
    target[target == 3] = 0  # class 3 is predicted, but nowhere true
    logits = 200.0 * torch.nn.functional.one_hot(answer, 5).movedim(-1, 1)
    loss = lovasz_softmax(logits, target, stride=1)
    torch.testing.assert_close(loss, index_loss(answer, target, [0, 1, 2]))
    each = lovasz_softmax(logits, target, stride=1, per_image=True)
    parts = [index_loss(a, t, [0, 1, 2]) for a, t in zip(answer, target, strict=True)]
    torch.testing.assert_close(each, torch.stack(parts).mean())
    assert not torch.allclose(loss, each)


def test_lovasz_softmax__per_image_is_the_mean_over_pairs_of_image_and_class() -> None:
    logits, target = torch.cat([LOGITS] * 3), torch.tensor([[[1, 1]], [[0, 1]], [[255, 255]]])
    loss = lovasz_softmax(logits, target, stride=1, per_image=True)
    assert loss.item() == pytest.approx((1 / 2 + 3 / 4 + 3 / 4) / 3)


def test_lovasz_hinge__of_three_pixels() -> None:
    logits = torch.tensor([2.0, -0.5, 0.5]).view(1, 1, 1, 3)
    # Errors: 0 of the true pixel; 1/2 and 3/2 of the others. The worst adds 1 - 1/2, the next 1/2 - 1/3.
    loss = lovasz_hinge(logits, torch.tensor([[[[1, 0, 0]]]]), stride=1)
    assert loss.item() == pytest.approx(1.5 / 2 + 0.5 / 6)
    void = lovasz_hinge(logits, torch.tensor([[[[1, 0, 255]]]]), stride=1)
    assert void.item() == pytest.approx(0.5 / 2)


def test_lovasz_hinge__a_class_that_is_nowhere_counts_with_its_worst_error() -> None:
    logits = torch.tensor([[0.25, -0.5, 0.5], [3.0, -3.0, -3.0]]).view(1, 2, 1, 3)
    target = torch.tensor([[[[0, 0, 0]], [[1, 0, 0]]]])
    assert lovasz_hinge(logits, target, stride=1).item() == pytest.approx((1.5 + 0) / 2)


def test_lovasz_hinge__classes_without_a_valid_label_are_left_out() -> None:
    logits = torch.tensor([[0.25, -0.5, 0.5], [3.0, -3.0, -3.0]]).view(1, 2, 1, 3)
    target = torch.tensor([[[[0, 0, 0]], [[255, 255, 255]]]])
    assert lovasz_hinge(logits, target, stride=1).item() == pytest.approx(1.5)


def test_lovasz_hinge__per_image_is_the_mean_over_pairs() -> None:
    logits = torch.tensor([[2.0, -0.5, 0.5], [0.0, 0.0, 0.0]]).view(2, 1, 1, 3)
    target = torch.tensor([[1, 0, 0], [1, 1, 255]]).view(2, 1, 1, 3)
    loss = lovasz_hinge(logits, target, stride=1, per_image=True)
    assert loss.item() == pytest.approx((1.5 / 2 + 0.5 / 6 + 1.0) / 2)
    pooled = lovasz_hinge(logits, target, stride=1)
    # Of the batch's three true pixels two are missed by 1; errors 1.5, 1 and 1, 1/2.
    assert pooled.item() == pytest.approx(1.5 * (1 - 3 / 4) + 2 * 1.0 / 4 + 0.5 * (4 / 5 - 3 / 4))
