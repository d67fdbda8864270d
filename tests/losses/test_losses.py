"""The contract that every loss keeps; a new loss is one more line in CASES."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import logits_size, upsample
from terrazzo.losses import LOSSES
from terrazzo.losses.binary import bce, bce_dice
from terrazzo.losses.correlation import mcc
from terrazzo.losses.distance import boundary, hausdorff
from terrazzo.losses.lovasz import lovasz_hinge, lovasz_softmax
from terrazzo.losses.pixel import Ohem, cross_entropy, focal
from terrazzo.losses.region import dice, focal_tversky, jaccard, tversky
from terrazzo.losses.scales import multi_scale, nearest_labels

CASES: dict[str, Callable[..., Tensor]] = {
    "bce": bce,
    "bce-weighted": partial(bce, weight=[1.0, 2.0, 0.5], positive_weight=[3.0, 1.0, 2.0]),
    "bce_dice": bce_dice,
    "bce_dice-per_image": partial(bce_dice, bce_weight=0.5, dice_weight=2.0, per_image=True),
    "boundary": boundary,
    "boundary-one_class": partial(boundary, classes=[1]),
    "cross_entropy": cross_entropy,
    "cross_entropy-weighted": partial(cross_entropy, weight=[1.0, 2.0, 0.5], label_smoothing=0.1),
    "dice": dice,
    "dice-per_image": partial(dice, per_image=True),
    "dice-smooth": partial(dice, smooth=1.0),
    "dice-squared": partial(dice, squared=True),
    "focal": focal,
    "focal-root": partial(focal, gamma=0.5, weight=[1.0, 2.0, 0.5]),
    "focal_tversky": focal_tversky,
    "hausdorff": hausdorff,
    "hausdorff-linear": partial(hausdorff, alpha=1.0),
    "jaccard": jaccard,
    "jaccard-per_image": partial(jaccard, per_image=True),
    "lovasz_hinge": lovasz_hinge,
    "lovasz_hinge-per_image": partial(lovasz_hinge, per_image=True),
    "lovasz_softmax": lovasz_softmax,
    "lovasz_softmax-per_image": partial(lovasz_softmax, per_image=True),
    "mcc": mcc,
    "mcc-per_image": partial(mcc, per_image=True),
    "multi_scale": multi_scale,
    "multi_scale-logits": partial(multi_scale, resize="logits"),
    "ohem": Ohem(),
    "ohem-threshold": Ohem(threshold=0.4, minimum=10),
    "ohem-weighted": Ohem(keep=0.6, weight=[1.0, 2.0, 0.5]),
    "tversky": tversky,
}
JUMPS = ("hausdorff", "ohem")
"""Losses with a choice in them (an outline, the hardest pixels) that is constant over small steps only."""


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


@pytest.mark.parametrize("case", sorted(CASES))
def test_loss__gradient_is_that_of_finite_differences(case: str) -> None:
    loss = CASES[case]
    logits, target = example(void=True)
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(9))
    step = 5e-4 if case.startswith(JUMPS) else 1e-2
    plus, minus = (loss(logits + sign * step * direction, target, stride=4) for sign in (1, -1))
    expected = (gradient_of(loss(logits, target, stride=4), logits) * direction).sum()
    torch.testing.assert_close((plus - minus) / (2 * step), expected, atol=1e-4, rtol=1e-3)


def test_loss__falls_when_the_logits_say_the_truth(loss: Callable[..., Tensor]) -> None:
    _, target = example()
    right = 2 * torch.nn.functional.one_hot(target.long(), 3).movedim(-1, 1).float() - 1
    good, better, wrong = (loss(scale * right, target, stride=1) for scale in (0.6, 0.9, -0.9))
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


@pytest.mark.parametrize("case", sorted(set(CASES) - {"multi_scale-logits"}))
def test_loss__is_not_disturbed_by_what_is_no_number_under_void(case: str) -> None:
    loss = CASES[case]
    logits, target = example(void=True)
    other = logits.detach().clone()
    other[..., 3:] = torch.nan
    value, changed = loss(logits, target, stride=4), loss(other.requires_grad_(), target, stride=4)
    assert torch.equal(value, changed)
    assert torch.equal(gradient_of(value, logits)[..., :3], gradient_of(changed, other)[..., :3])


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_loss__of_wide_logits_is_that_of_full_size_ones(
    loss: Callable[..., Tensor], stride: int, align_corners: bool
) -> None:
    _, target = example(void=True)
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 3, *logits_size((18, 15), stride), generator=generator, requires_grad=True)
    value = loss(logits, target, stride=stride, align_corners=align_corners)
    if isinstance(loss, partial) or loss is not multi_scale:
        full = upsample(logits, (18, 15), stride=stride, align_corners=align_corners)
        expected = loss(full, target, stride=1)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(gradient_of(value, logits), gradient_of(expected, logits))
    else:
        points = nearest_labels(target, stride=stride, align_corners=align_corners)
        assert torch.equal(value, cross_entropy(logits, points, stride=1))


def test_loss__of_a_flat_volume_is_that_of_the_image(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    expected = loss(logits, target, stride=4)
    deep = logits.unsqueeze(2)
    value = loss(deep, target.unsqueeze(1), stride=4)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient_of(value, logits), gradient_of(expected, logits))


def test_loss__refuses_a_label_that_is_no_class(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    target[1, 2, 3] = 3
    with pytest.raises(DataError, match=r"Target holds id 3 on 1 pixels; expected 0\.\.2 or 255"):
        loss(logits, target, stride=4)


def test_loss__refuses_a_target_of_another_shape(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    with pytest.raises(ValueError, match=r"Target \(1, 18, 15\) does not belong to logits \(2, 3, 5, 4\)"):
        loss(logits, target[:1], stride=4)


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
