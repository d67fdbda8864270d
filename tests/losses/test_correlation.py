"""The correlation loss, worked by hand and against the coefficient of counts."""

from math import log

import pytest
import torch
from sklearn.metrics import matthews_corrcoef

from terrazzo.losses.correlation import mcc

LOGITS = torch.tensor([[[[log(1.0), log(6.0)]], [[log(3.0), log(2.0)]]]])
"""Two pixels, two classes: probabilities (1/4, 3/4) and (3/4, 1/4)."""


def test_mcc__of_two_pixels() -> None:
    # Each class: 1/8 both, 1/2 predicted, 1/2 true: (1/8 - 1/4) / (1/4).
    assert mcc(LOGITS, torch.tensor([[[0, 1]]]), stride=1).item() == pytest.approx(3 / 2)
    assert mcc(LOGITS, torch.tensor([[[1, 0]]]), stride=1).item() == pytest.approx(1 / 2)


def test_mcc__leaves_out_classes_that_are_nowhere_or_everywhere() -> None:
    logits = torch.cat([LOGITS, torch.full_like(LOGITS[:, :1], -40.0)], dim=1)
    assert mcc(logits, torch.tensor([[[1, 0]]]), stride=1).item() == pytest.approx(1 / 2)
    logits = LOGITS.clone().requires_grad_()
    loss = mcc(logits, torch.tensor([[[1, 1]]]), stride=1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert gradient.count_nonzero() == 0


def test_mcc__of_hard_answers_is_that_of_the_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    target, answer = torch.randint(3, (2, 2, 8, 8), generator=generator)
    target[:, :3] = 255
    logits = 200.0 * torch.nn.functional.one_hot(answer, 3).movedim(-1, 1)
    valid = target != 255
    found = [matthews_corrcoef(target[valid] == k, answer[valid] == k) for k in range(3)]
    assert mcc(logits, target, stride=1).item() == pytest.approx(1 - sum(found) / 3, abs=1e-5)


def test_mcc__per_image_is_the_mean_over_pairs_of_image_and_class() -> None:
    logits, target = torch.cat([LOGITS] * 3), torch.tensor([[[1, 0]], [[0, 1]], [[1, 1]]])
    loss = mcc(logits, target, stride=1, per_image=True)
    assert loss.item() == pytest.approx((1 / 2 + 3 / 2) / 2)
    # Pooled over six pixels; class 0 has the same coefficient as class 1.
    p, y = torch.tensor([3 / 4, 1 / 4] * 3), torch.tensor([1.0, 0, 0, 1, 1, 1])
    both, p_mean, y_mean = (p * y).mean(), p.mean(), y.mean()
    coefficient = (both - p_mean * y_mean) / (p_mean * (1 - p_mean) * y_mean * (1 - y_mean)).sqrt()
    torch.testing.assert_close(mcc(logits, target, stride=1), 1 - coefficient)


@pytest.mark.parametrize("scale", [200.0, -200.0])
def test_mcc__of_an_answer_without_variance_has_a_finite_gradient(scale: float) -> None:
    logits = torch.stack([torch.zeros(4, 4), torch.full((4, 4), scale)])[None].requires_grad_()
    target = torch.zeros(1, 4, 4, dtype=torch.uint8)
    target[0, 0] = 1
    loss = mcc(logits, target, stride=1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(1)
    assert gradient.isfinite().all()
