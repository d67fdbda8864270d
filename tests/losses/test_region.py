"""Dice, worked by hand and against the definition written out."""

from math import log

import pytest
import torch

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import logits_size, upsample
from terrazzo.losses.region import dice

LOGITS = torch.tensor([[[[log(1.0), log(6.0)]], [[log(3.0), log(2.0)]]]])
"""Two pixels, two classes: probabilities (1/4, 3/4) and (3/4, 1/4)."""


def test_dice__of_two_pixels() -> None:
    # Class 0: P.Y = 1/4, |P| = 1, |Y| = 1, so 1 - 2/4 / 2 = 3/4. Class 1: P.Y = 1/4, the same.
    assert dice(LOGITS, torch.tensor([[[0, 1]]]), stride=1).item() == pytest.approx(3 / 4)


def test_dice__leaves_out_classes_without_a_true_pixel() -> None:
    # Class 1 only: P.Y = 1, |P| = 1, |Y| = 2.
    assert dice(LOGITS, torch.tensor([[[1, 1]]]), stride=1).item() == pytest.approx(1 - 2 / 3)


def test_dice__does_not_sum_over_void() -> None:
    # Class 1 only, first pixel: P.Y = 3/4, |P| = 3/4, |Y| = 1.
    loss = dice(LOGITS, torch.tensor([[[1, 255]]]), stride=1)
    assert loss.item() == pytest.approx(1 - 1.5 / 1.75)


def test_dice__smooth_is_added_to_both_sides_of_the_fraction() -> None:
    loss = dice(LOGITS, torch.tensor([[[1, 255]]]), stride=1, smooth=1.0)
    assert loss.item() == pytest.approx(1 - 2.5 / 2.75)


def test_dice__sums_over_the_batch_before_it_divides() -> None:
    logits = torch.cat([LOGITS, LOGITS])
    target = torch.tensor([[[1, 1]], [[1, 255]]])
    # Class 1: P.Y = 1 + 3/4, |P| = 1 + 3/4, |Y| = 3.
    assert dice(logits, target, stride=1).item() == pytest.approx(1 - 3.5 / 4.75)


@pytest.mark.parametrize("stride", [1, 2])
def test_dice__of_a_volume_is_written_out(stride: int) -> None:
    size = (3, 4, 5)
    logits = torch.randn(2, 3, *logits_size(size, stride), requires_grad=True)
    target = torch.randint(3, (2, *size))
    target[:, 1] = 255
    valid = target != 255
    probs = upsample(logits, size, stride=stride).softmax(dim=1).movedim(1, -1)[valid]
    truth = torch.nn.functional.one_hot(target[valid], 3)
    expected = (1 - 2 * (probs * truth).sum(0) / (probs.sum(0) + truth.sum(0))).mean()
    loss = dice(logits, target, stride=stride)
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (loss, expected)]
    torch.testing.assert_close(*gradients)


def test_dice__of_a_perfect_answer_is_zero() -> None:
    target = torch.tensor([[[0, 1], [1, 1]]])
    logits = torch.nn.functional.one_hot(target, 2).movedim(-1, 1) * 100.0
    assert dice(logits, target, stride=1).item() == pytest.approx(0, abs=1e-6)


def test_dice__names_a_label_that_is_no_class() -> None:
    with pytest.raises(DataError, match=r"Target holds id 2 on 1 pixels; expected 0\.\.1"):
        dice(LOGITS, torch.tensor([[[0, 2]]]), stride=1)
