"""The losses of a boundary branch, worked by hand."""

from dataclasses import replace
from math import log

import pytest
import torch
from torch import Tensor

from terrazzo.core.prediction import Boundary, Prediction
from terrazzo.losses.boundary import aware_cross_entropy, balanced_cross_entropy, edges_from_labels
from terrazzo.losses.config import LossPart, build_loss

VOID = 255


def boundary(logits: Tensor, *, stride: int = 1, threshold: float = 0.8) -> Boundary:
    return Boundary(logits, stride=stride, weight=20.0, aware_weight=1.0, threshold=threshold)


def logit(probability: float) -> float:
    return log(probability / (1 - probability))


def test_edges_from_labels__a_straight_border_is_four_pixels_wide() -> None:
    target = torch.tensor([0] * 6 + [1] * 6).expand(1, 9, 12)
    edges = edges_from_labels(target)
    assert edges.dtype == torch.bool
    assert torch.equal(edges[0], torch.tensor([0] * 4 + [1] * 4 + [0] * 4).bool().expand(9, 12))
    thin = edges_from_labels(target, radius=1)
    assert torch.equal(thin[0, 0], torch.tensor([0] * 5 + [1] * 2 + [0] * 5).bool())


def test_edges_from_labels__a_single_pixel_has_a_square_around_it() -> None:
    target = torch.zeros(1, 9, 9, dtype=torch.uint8)
    target[0, 4, 4] = 3
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[2:7, 2:7] = True
    assert torch.equal(edges_from_labels(target)[0], expected)


@pytest.mark.parametrize(("dtype", "void"), [(torch.uint8, 255), (torch.int16, -1), (torch.int64, 255)])
def test_edges_from_labels__void_makes_no_boundary(dtype: torch.dtype, void: int) -> None:
    target = torch.zeros(1, 8, 12, dtype=dtype)
    target[..., 6:] = void
    assert not edges_from_labels(target, ignore_index=void).any()
    target[..., 6:8], target[..., 8:] = void, 1  # void of two pixels between two classes: 3 pixels apart
    assert not edges_from_labels(target, ignore_index=void).any()
    assert edges_from_labels(target, ignore_index=void, radius=3)[0, 0].nonzero().flatten().tolist() == [5, 8]


def test_edges_from_labels__neither_the_image_s_end_nor_one_class_is_a_boundary() -> None:
    assert not edges_from_labels(torch.full((2, 5, 5), 7)).any()
    assert not edges_from_labels(torch.full((2, 5, 5), VOID)).any()


def test_balanced_cross_entropy__weighs_both_kinds_by_the_share_of_the_other() -> None:
    target = torch.tensor([[[0, 0, 0, 0, 0, 0, 1, 1]]])  # boundary on the last four of eight
    target[0, 0, 0] = VOID  # of seven valid pixels, that is
    probabilities = torch.tensor([0.9, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9])
    logits = (probabilities / (1 - probabilities)).log().view(1, 1, 1, 8)
    at = -(probabilities[4:].log().sum()) * 3 / 7
    elsewhere = -((1 - probabilities[1:4]).log().sum()) * 4 / 7
    loss = balanced_cross_entropy(boundary(logits), target)
    assert loss.item() == pytest.approx(((at + elsewhere) / 7).item())


def test_balanced_cross_entropy__counts_over_the_whole_batch() -> None:
    target = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])
    loss = balanced_cross_entropy(boundary(torch.zeros(2, 1, 1, 4)), target)
    assert loss.item() == pytest.approx(log(2) / 2)  # half of the pixels are boundary: all weigh one half
    alone = balanced_cross_entropy(boundary(torch.zeros(1, 1, 1, 4)), target[1:])
    assert alone.item() == 0


LOGITS = torch.tensor([[[[0.0, 0.0, 0.0]], [[log(3.0), log(4.0), 0.0]]]])
"""Three pixels, two classes: the second has probability 3/4, 4/5, 1/2."""


def test_aware_cross_entropy__averages_where_the_branch_sees_a_boundary() -> None:
    prediction = Prediction(LOGITS, stride=1, size=(1, 3))
    target = torch.tensor([[[1, 0, 1]]])
    seen = torch.tensor([logit(0.81), logit(0.9), logit(0.79)]).view(1, 1, 1, 3)
    loss = aware_cross_entropy(prediction, boundary(seen), target)
    assert loss.item() == pytest.approx((log(4 / 3) + log(5)) / 2)
    less = aware_cross_entropy(prediction, boundary(seen, threshold=0.85), target)
    assert less.item() == pytest.approx(log(5))
    assert aware_cross_entropy(prediction, boundary(seen, threshold=0.95), target).item() == 0
    target[0, 0, 1] = VOID
    assert aware_cross_entropy(prediction, boundary(seen), target).item() == pytest.approx(log(4 / 3))


def test_aware_cross_entropy__reads_the_branch_at_its_own_stride() -> None:
    prediction = Prediction(torch.zeros(1, 2, 3, 4), stride=2, size=(5, 7))
    seen = torch.full((1, 1, 2, 2), 5.0)
    loss = aware_cross_entropy(prediction, boundary(seen, stride=4), torch.zeros(1, 5, 7))
    assert loss.item() == pytest.approx(log(2))


def example(*, void: bool = False) -> tuple[Prediction, Tensor]:
    generator = torch.Generator().manual_seed(5)
    target = (torch.arange(31) // 6 % 3).expand(2, 18, 31).to(torch.uint8).clone()
    if void:
        target[:, :, 16:] = VOID
    main = torch.randn(2, 3, 5, 8, generator=generator, requires_grad=True)
    edges = torch.randn(2, 1, 5, 8, generator=generator).mul(3).requires_grad_()
    output = replace(boundary(edges, stride=4), align_corners=False)
    return Prediction(main, stride=4, size=(18, 31), boundaries=(output,)), target


def gradients(prediction: Prediction, target: Tensor) -> tuple[Tensor, list[Tensor]]:
    total, _ = build_loss([LossPart(kind="cross_entropy")])(prediction, target)
    inputs = [prediction.logits, prediction.boundaries[0].logits]
    return total.detach(), list(torch.autograd.grad(total, inputs))


def test_combined_loss__adds_both_losses_of_a_boundary_branch() -> None:
    prediction, target = example()
    (output,) = prediction.boundaries
    total, values = build_loss([LossPart(kind="cross_entropy")])(prediction, target)
    own, aware = balanced_cross_entropy(output, target), aware_cross_entropy(prediction, output, target)
    assert list(values) == ["cross_entropy", "boundary1", "boundary1.aware"]
    assert own > 0
    assert aware > 0
    torch.testing.assert_close(values["boundary1"], own.detach())
    torch.testing.assert_close(values["boundary1.aware"], aware.detach())
    torch.testing.assert_close(total, values["cross_entropy"] + 20 * own + aware)
    assert not any(value.requires_grad for value in values.values())


def test_combined_loss__uses_its_own_void_for_boundaries() -> None:
    prediction, target = example(void=True)
    wide = torch.where(target == VOID, -1, target.to(torch.int16))
    expected, _ = build_loss([LossPart(kind="cross_entropy")])(prediction, target)
    total, _ = build_loss([LossPart(kind="cross_entropy")], ignore_index=-1)(prediction, wide)
    torch.testing.assert_close(total, expected, atol=0, rtol=0)


def test_boundary_losses__each_branch_gets_a_gradient() -> None:
    prediction, target = example()
    (output,) = prediction.boundaries
    torch.autograd.backward(aware_cross_entropy(prediction, output, target))
    assert prediction.logits.grad is not None
    assert prediction.logits.grad.any()
    assert output.logits.grad is None
    torch.autograd.backward(balanced_cross_entropy(output, target))
    assert output.logits.grad is not None
    assert output.logits.grad.any()


def test_boundary_losses__do_not_see_what_lies_under_void() -> None:
    prediction, target = example(void=True)
    edges = prediction.boundaries[0].logits.detach().clone()
    main = prediction.logits.detach().clone()
    edges[..., 5:] = 40  # these columns of logits reach void pixels only
    main[..., 5:] += 30
    other = replace(
        prediction,
        logits=main.requires_grad_(),
        boundaries=(replace(prediction.boundaries[0], logits=edges.requires_grad_()),),
    )
    value, grads = gradients(prediction, target)
    changed, changed_grads = gradients(other, target)
    assert torch.equal(value, changed)
    assert all(torch.equal(one, two) for one, two in zip(grads, changed_grads, strict=True))


def test_boundary_losses__of_nothing_but_void_are_zero_with_zero_gradient() -> None:
    prediction, target = example()
    value, grads = gradients(prediction, torch.full_like(target, VOID))
    assert value.item() == 0
    assert not any(grad.any() for grad in grads)


def test_boundary_losses__gradient_is_that_of_finite_differences() -> None:
    prediction, target = example(void=True)
    (output,) = prediction.boundaries
    direction = torch.randn(output.logits.shape, generator=torch.Generator().manual_seed(1))
    plus, minus = (
        balanced_cross_entropy(replace(output, logits=output.logits + sign * 1e-2 * direction), target)
        for sign in (1, -1)
    )
    (gradient,) = torch.autograd.grad(balanced_cross_entropy(output, target), output.logits)
    expected = (gradient * direction).sum()
    torch.testing.assert_close((plus - minus) / 2e-2, expected, atol=1e-4, rtol=1e-3)


def test_boundary_losses__are_computed_in_float32_under_autocast() -> None:
    prediction, target = example()
    output = replace(prediction.boundaries[0], logits=prediction.boundaries[0].logits.bfloat16())
    narrow = replace(prediction, logits=prediction.logits.bfloat16())
    expected = [
        balanced_cross_entropy(output, target).float(),
        aware_cross_entropy(narrow, output, target),
    ]
    with torch.autocast("cpu", torch.bfloat16):
        found = [balanced_cross_entropy(output, target), aware_cross_entropy(narrow, output, target)]
    assert all(value.dtype == torch.float32 for value in found)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
