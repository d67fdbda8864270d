"""The contract that every loss keeps; a new loss is one more line in CASES."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from terrazzo.losses import LOSSES
from terrazzo.losses.pixel import cross_entropy
from terrazzo.losses.region import dice

CASES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "cross_entropy-weighted": partial(cross_entropy, weight=[1.0, 2.0, 0.5], label_smoothing=0.1),
    "dice": dice,
    "dice-smooth": partial(dice, smooth=1.0),
}


@pytest.fixture(params=sorted(CASES))
def loss(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    return CASES[request.param]


def example(void: bool = False) -> tuple[Tensor, Tensor]:
    """Return logits (2, 3, 5, 4) at stride 4 that want a gradient, and labels (2, 18, 15)."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(3, (2, 18, 15), generator=generator, dtype=torch.uint8)
    if void:
        target[:, :, 8:] = 255
    return torch.randn(2, 3, 5, 4, generator=generator, requires_grad=True), target


def gradient_of(value: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(value, logits)[0]


def test_losses__every_name_has_a_case() -> None:
    assert {name.partition("-")[0] for name in CASES} == set(LOSSES)
    assert all(callable(load()) for load in LOSSES.values())


def test_loss__is_a_positive_float32_scalar_with_a_gradient(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    value = loss(logits, target, stride=4)
    assert (value.shape, value.dtype) == ((), torch.float32)
    assert value.item() > 0
    assert gradient_of(value, logits).abs().amax() > 0


def test_loss__gradient_is_that_of_finite_differences(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(9))
    step = 1e-2
    plus, minus = (loss(logits + sign * step * direction, target, stride=4) for sign in (1, -1))
    expected = (gradient_of(loss(logits, target, stride=4), logits) * direction).sum()
    torch.testing.assert_close((plus - minus) / (2 * step), expected, atol=1e-4, rtol=1e-3)


def test_loss__falls_when_the_logits_say_the_truth(loss: Callable[..., Tensor]) -> None:
    _, target = example()
    right = torch.nn.functional.one_hot(target.long(), 3).movedim(-1, 1).float()
    good, better, wrong = (loss(scale * right, target, stride=1) for scale in (2.0, 4.0, -4.0))
    assert better < good < wrong


def test_loss__does_not_see_what_lies_under_void(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    other = logits.detach().clone()
    other[..., 3:] += 50  # this column of logits reaches void pixels only
    other.requires_grad_()
    value, changed = loss(logits, target, stride=4), loss(other, target, stride=4)
    assert torch.equal(value, changed)
    assert torch.equal(gradient_of(value, logits), gradient_of(changed, other))


def test_loss__of_nothing_but_void_is_zero_with_zero_gradient(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    value = loss(logits, torch.full_like(target, 255), stride=4)
    assert value.item() == 0
    assert gradient_of(value, logits).count_nonzero() == 0


def test_loss__is_computed_in_float32_under_autocast(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits.bfloat16(), target, stride=4)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.bfloat16().float(), target, stride=4), atol=0, rtol=0)


def test_loss__takes_any_label_dtype_and_void(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    wide = torch.where(target == 255, -1, target.to(torch.int16))
    value = loss(logits, wide, stride=4, ignore_index=-1)
    torch.testing.assert_close(value, loss(logits, target, stride=4), atol=0, rtol=0)


def test_loss__leaves_its_inputs_alone(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    before = logits.detach().clone(), target.clone()
    torch.autograd.backward(loss(logits, target, stride=4))
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


def test_loss__without_gradient_has_the_same_value(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    with torch.no_grad():
        value = loss(logits, target, stride=4)
    assert torch.equal(value, loss(logits, target, stride=4).detach())


def test_losses__listing_the_names_needs_no_torch() -> None:
    code = "import sys; from terrazzo.losses import LOSSES; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
