"""Losses of whole regions, worked by hand and against the definition written out."""

from math import log

import pytest
import torch

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import logits_size, upsample
from terrazzo.losses.region import dice, focal_tversky, jaccard, tversky

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


def test_dice__squared_has_squares_in_the_denominator() -> None:
    # Class 1 only: P.Y = 1, |P * P| = 9/16 + 1/16, |Y| = 2.
    loss = dice(LOGITS, torch.tensor([[[1, 1]]]), stride=1, squared=True)
    assert loss.item() == pytest.approx(1 - 2 / 2.625)


def test_dice__per_image_is_the_mean_over_pairs_of_image_and_class() -> None:
    logits = torch.cat([LOGITS, LOGITS, LOGITS])
    target = torch.tensor([[[1, 1]], [[0, 1]], [[255, 255]]])
    # Image 1 has class 1 alone, with 1/3; image 2 has both, with 3/4 each; image 3 has nothing.
    loss = dice(logits, target, stride=1, per_image=True)
    assert loss.item() == pytest.approx((1 / 3 + 3 / 4 + 3 / 4) / 3)


def test_jaccard__of_two_pixels() -> None:
    # Each class: P.Y = 1/4, |P| = |Y| = 1.
    assert jaccard(LOGITS, torch.tensor([[[0, 1]]]), stride=1).item() == pytest.approx(1 - (1 / 4) / (7 / 4))
    loss = jaccard(LOGITS, torch.tensor([[[0, 1]]]), stride=1, smooth=1.0)
    assert loss.item() == pytest.approx(1 - (5 / 4) / (11 / 4))


def test_jaccard__per_image_is_the_mean_over_pairs_of_image_and_class() -> None:
    logits, target = torch.cat([LOGITS, LOGITS]), torch.tensor([[[1, 1]], [[0, 1]]])
    loss = jaccard(logits, target, stride=1, per_image=True)
    assert loss.item() == pytest.approx((1 / 2 + 6 / 7 + 6 / 7) / 3)


def test_tversky__weighs_false_positives_and_false_negatives() -> None:
    # Class 1 only: 1 found, nothing wrongly, 1 missed.
    loss = tversky(LOGITS, torch.tensor([[[1, 1]]]), stride=1)
    assert loss.item() == pytest.approx(1 - 1 / 1.7)
    # Class 0: 3/4 found, 1/4 wrongly, 1/4 missed; class 1 the same.
    loss = tversky(LOGITS, torch.tensor([[[1, 0]]]), stride=1, alpha=0.2, beta=0.4)
    assert loss.item() == pytest.approx(1 - 0.75 / (0.75 + 0.25 * 0.6))
    # Classes 0 and 1 of three pixels differ: class 0 has 1/4 wrongly, class 1 has 1/4 + 3/4 missed.
    logits = torch.cat([LOGITS, LOGITS[..., 1:]], dim=3)
    loss = tversky(logits, torch.tensor([[[1, 0, 1]]]), stride=1, alpha=0.2, beta=0.4)
    zero, one = 0.75 / (0.75 + 0.2 * 1.0 + 0.4 * 0.25), 1.0 / (1.0 + 0.2 * 0.25 + 0.4 * 1.0)
    assert loss.item() == pytest.approx(1 - (zero + one) / 2)


def test_tversky__of_equal_weights_is_dice_or_jaccard() -> None:
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 8, 10))
    half, whole = (tversky(logits, target, stride=2, alpha=a, beta=a, smooth=2.0) for a in (0.5, 1.0))
    torch.testing.assert_close(half, dice(logits, target, stride=2, smooth=4.0))
    torch.testing.assert_close(whole, jaccard(logits, target, stride=2, smooth=2.0))


def test_focal_tversky__takes_the_root_of_every_class() -> None:
    loss = focal_tversky(LOGITS, torch.tensor([[[1, 1]]]), stride=1)
    assert loss.item() == pytest.approx((1 - 1 / 1.7) ** (3 / 4))
    logits = torch.cat([LOGITS, LOGITS[..., 1:]], dim=3)
    loss = focal_tversky(logits, torch.tensor([[[1, 0, 1]]]), stride=1, alpha=0.2, beta=0.4, gamma=2.0)
    zero, one = 0.75 / (0.75 + 0.2 * 1.0 + 0.4 * 0.25), 1.0 / (1.0 + 0.2 * 0.25 + 0.4 * 1.0)
    assert loss.item() == pytest.approx(((1 - zero) ** 0.5 + (1 - one) ** 0.5) / 2)


def test_focal_tversky__of_a_perfect_answer_has_a_finite_gradient() -> None:
    target = torch.tensor([[[0, 1], [1, 1]]])
    logits = (torch.nn.functional.one_hot(target, 2).movedim(-1, 1) * 200.0).requires_grad_()
    loss = focal_tversky(logits, target, stride=1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() < 1e-4
    assert gradient.isfinite().all()
