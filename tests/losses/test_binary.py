"""Losses with a sigmoid per class, worked by hand."""

from collections.abc import Callable
from functools import partial
from math import log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import upsample
from terrazzo.losses.binary import bce, bce_dice
from terrazzo.losses.lovasz import lovasz_hinge

LOGITS = torch.tensor([[[[log(3.0), 0.0]], [[log(4.0), -log(9.0)]]]])
"""Two pixels, two classes: probabilities (3/4, 1/2) of class 0 and (4/5, 1/10) of class 1."""
LABELS = torch.tensor([[[[1, 0]], [[1, 255]]]])
"""Pixel 0 has both labels; pixel 1 has not the first, and of the second nobody knows."""

LOSSES: dict[str, Callable[..., Tensor]] = {
    "bce": bce,
    "bce-weighted": partial(bce, weight=[1.0, 2.0, 3.0], positive_weight=[3.0, 1.0, 2.0]),
    "bce_dice": bce_dice,
    "bce_dice-per_image": partial(bce_dice, per_image=True, smooth=1.0),
    "lovasz_hinge": lovasz_hinge,
    "lovasz_hinge-per_image": partial(lovasz_hinge, per_image=True),
}


@pytest.fixture(params=sorted(LOSSES))
def loss(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    return LOSSES[request.param]


def example(*, void: bool = False) -> tuple[Tensor, Tensor]:
    """Return logits (2, 3, 5, 4) at stride 4 that want a gradient, and labels (2, 3, 18, 15)."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(2, (2, 3, 18, 15), generator=generator, dtype=torch.uint8)
    if void:
        target[:, 1, :, 8:] = 255
    return torch.randn(2, 3, 5, 4, generator=generator, requires_grad=True), target


def gradient_of(value: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(value, logits)[0]


def test_bce__is_the_mean_over_valid_labels() -> None:
    assert bce(LOGITS, LABELS, stride=1).item() == pytest.approx((log(4 / 3) + log(2) + log(5 / 4)) / 3)


def test_bce__class_weights_give_the_weighted_mean() -> None:
    loss = bce(LOGITS, LABELS, stride=1, weight=[1.0, 4.0])
    assert loss.item() == pytest.approx((log(4 / 3) + log(2) + 4 * log(5 / 4)) / 6)


def test_bce__positive_weights_are_factors_on_ones() -> None:
    loss = bce(LOGITS, LABELS, stride=1, positive_weight=[2.0, 5.0])
    assert loss.item() == pytest.approx((2 * log(4 / 3) + log(2) + 5 * log(5 / 4)) / 3)


def test_bce__of_train_ids_is_every_class_against_the_rest() -> None:
    target = torch.tensor([[[1, 255]]])
    assert bce(LOGITS, target, stride=1).item() == pytest.approx((log(4) + log(5 / 4)) / 2)


def test_bce__is_that_of_torch_without_void() -> None:
    logits, target = example()
    full = upsample(logits, (18, 15), stride=4)
    positive = torch.tensor([3.0, 1.0, 2.0])
    expected = F.binary_cross_entropy_with_logits(full, target.float(), pos_weight=positive.view(3, 1, 1))
    loss = bce(logits, target, stride=4, positive_weight=positive.tolist())
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient_of(loss, logits), gradient_of(expected, logits))


def test_bce_dice__weighs_both_parts() -> None:
    # Class 0: P.Y = 3/4, |P| = 5/4, |Y| = 1. Class 1, first pixel only: P.Y = |P| = 4/5, |Y| = 1.
    dice = 1 - (1.5 / 2.25 + 1.6 / 1.8) / 2
    own = bce(LOGITS, LABELS, stride=1).item()
    assert bce_dice(LOGITS, LABELS, stride=1).item() == pytest.approx(own + dice)
    loss = bce_dice(LOGITS, LABELS, stride=1, bce_weight=0.5, dice_weight=3.0)
    assert loss.item() == pytest.approx(0.5 * own + 3 * dice)
    smooth = bce_dice(LOGITS, LABELS, stride=1, bce_weight=0.0, smooth=1.0)
    assert smooth.item() == pytest.approx(1 - (2.5 / 3.25 + 2.6 / 2.8) / 2)


def test_bce_dice__leaves_classes_without_a_one_to_the_cross_entropy() -> None:
    target = torch.tensor([[[[1, 0]], [[0, 0]]]])
    dice = bce_dice(LOGITS, target, stride=1, bce_weight=0.0)
    assert dice.item() == pytest.approx(1 - 1.5 / 2.25)


def test_bce_dice__per_image_is_the_mean_over_pairs() -> None:
    logits = torch.cat([LOGITS, LOGITS])
    target = torch.cat([LABELS, torch.tensor([[[[0, 0]], [[0, 1]]]])])
    # Image 2 has class 1 alone: P.Y = 1/10, |P| = 9/10, |Y| = 1.
    loss = bce_dice(logits, target, stride=1, bce_weight=0.0, per_image=True)
    assert loss.item() == pytest.approx(1 - (1.5 / 2.25 + 1.6 / 1.8 + 0.2 / 1.9) / 3)


def test_binary_loss__of_one_hot_labels_is_that_of_train_ids(loss: Callable[..., Tensor]) -> None:
    logits, _ = example()
    ids = torch.randint(3, (2, 18, 15))
    labels = F.one_hot(ids, 3).movedim(-1, 1)
    ids[:, 4:7], labels[:, :, 4:7] = 255, 255
    torch.testing.assert_close(loss(logits, labels, stride=4), loss(logits, ids, stride=4))


def test_binary_loss__does_not_see_what_lies_under_void_of_one_class(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    other = logits.detach().clone()
    other[:, 1, :, 3:] = torch.nan  # this column of logits reaches void of class 1 only
    value, changed = loss(logits, target, stride=4), loss(other.requires_grad_(), target, stride=4)
    assert torch.equal(value, changed)
    expected, found = gradient_of(value, logits), gradient_of(changed, other)
    assert torch.equal(expected[:, 1, :, :3], found[:, 1, :, :3])
    assert torch.equal(expected[:, [0, 2]], found[:, [0, 2]])
    assert expected[:, 1, :, 3:].count_nonzero() == 0
    assert expected[:, 0, :, 3:].count_nonzero() > 0


def test_binary_loss__of_nothing_but_void_is_zero_with_zero_gradient(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    value = loss(logits, torch.full_like(target, 255), stride=4)
    assert value.item() == 0
    assert gradient_of(value, logits).count_nonzero() == 0


def test_binary_loss__takes_volumes_and_one_class(loss: Callable[..., Tensor]) -> None:
    logits, target = example(void=True)
    deep = loss(logits.unsqueeze(2), target.unsqueeze(2), stride=4)
    torch.testing.assert_close(deep, loss(logits, target, stride=4))
    if not isinstance(loss, partial) or "weight" not in loss.keywords:
        assert loss(logits[:, :1], target[:, :1], stride=4).item() > 0


def test_binary_loss__refuses_labels_that_are_neither_0_nor_1(loss: Callable[..., Tensor]) -> None:
    logits, target = example()
    target[0, 1, 2, 3] = 2
    with pytest.raises(DataError, match=r"Target holds id 2 on 1 pixels; expected 0\.\.1 or 255"):
        loss(logits, target, stride=4)
    with pytest.raises(
        ValueError, match=r"Target \(2, 2, 18, 15\) .*\(B, K, H, W\) of 0 and 1 for one label"
    ):
        loss(logits, target[:, :2], stride=4)


def test_bce__number_of_weights_is_that_of_classes() -> None:
    with pytest.raises(ValueError, match="3 class weights were given for 2 classes"):
        bce(LOGITS, LABELS, stride=1, weight=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="1 class weights were given for 2 classes"):
        bce(LOGITS, LABELS, stride=1, positive_weight=[1.0])
