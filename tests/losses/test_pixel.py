"""Losses that are a mean over pixels, worked by hand."""

from math import log
from typing import Any

import pytest
import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.losses.pixel import Ohem, cross_entropy, focal

LOGITS = torch.tensor([[[[log(1.0), log(6.0)]], [[log(3.0), log(2.0)]]]])
"""Two pixels, two classes: probabilities (1/4, 3/4) and (3/4, 1/4)."""


def test_cross_entropy__is_the_mean_of_minus_log_probability() -> None:
    loss = cross_entropy(LOGITS, torch.tensor([[[1, 1]]]), stride=1)
    assert loss.item() == pytest.approx((log(4 / 3) + log(4)) / 2)


def test_cross_entropy__averages_over_valid_pixels_only() -> None:
    assert cross_entropy(LOGITS, torch.tensor([[[1, 255]]]), stride=1).item() == pytest.approx(log(4 / 3))


def test_cross_entropy__class_weights_give_the_weighted_mean() -> None:
    loss = cross_entropy(LOGITS, torch.tensor([[[0, 1]]]), stride=1, weight=[3.0, 1.0])
    assert loss.item() == pytest.approx((3 * log(4) + log(4)) / 4)


def test_cross_entropy__label_smoothing_spreads_the_target() -> None:
    loss = cross_entropy(LOGITS, torch.tensor([[[1, 255]]]), stride=1, label_smoothing=0.2)
    assert loss.item() == pytest.approx(0.9 * log(4 / 3) + 0.1 * log(4))


def test_focal__damps_what_is_already_right() -> None:
    loss = focal(LOGITS, torch.tensor([[[1, 1]]]), stride=1)
    assert loss.item() == pytest.approx(((1 / 4) ** 2 * log(4 / 3) + (3 / 4) ** 2 * log(4)) / 2)
    loss = focal(LOGITS, torch.tensor([[[1, 255]]]), stride=1, gamma=0.5)
    assert loss.item() == pytest.approx((1 / 4) ** 0.5 * log(4 / 3))


def test_focal__class_weights_give_the_weighted_mean() -> None:
    loss = focal(LOGITS, torch.tensor([[[0, 1]]]), stride=1, weight=[3.0, 1.0], gamma=1.0)
    assert loss.item() == pytest.approx((3 / 4) * log(4))
    loss = focal(LOGITS, torch.tensor([[[1, 0]]]), stride=1, weight=[3.0, 1.0], gamma=1.0)
    assert loss.item() == pytest.approx((1 / 4) * log(4 / 3))
    both = torch.tensor([[[0, 1], [1, 0]]])
    logits = torch.cat([LOGITS, LOGITS], dim=2)
    loss = focal(logits, both, stride=1, weight=[3.0, 1.0], gamma=1.0)
    assert loss.item() == pytest.approx(((3 / 4) * log(4) + (1 / 4) * log(4 / 3)) / 2)


def test_focal__with_gamma_0_is_cross_entropy() -> None:
    logits, target = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 8, 8))
    options: dict[str, Any] = {"stride": 2, "weight": [1.0, 2.0, 3.0]}
    torch.testing.assert_close(
        focal(logits, target, gamma=0.0, **options), cross_entropy(logits, target, **options)
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal__of_a_perfect_answer_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[[[1e4, 50.0]], [[-1e4, -50.0]]]], requires_grad=True)
    loss = focal(logits, torch.tensor([[[0, 0]]]), stride=1, gamma=gamma)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert gradient.isfinite().all()


def test_focal__refuses_a_negative_gamma() -> None:
    with pytest.raises(RequestError, match=r"gamma is -1\.0; the focal loss needs 0 or more"):
        focal(LOGITS, torch.tensor([[[1, 1]]]), stride=1, gamma=-1.0)


PROBABILITIES = [0.9, 0.6, 0.3, 0.1]


def graded() -> tuple[Tensor, Tensor]:
    """Return two images of two pixels each whose true class 1 has these probabilities, and their target."""
    p = torch.tensor(PROBABILITIES).view(2, 1, 1, 2)
    return torch.cat([(1 - p).log(), p.log()], dim=1), torch.ones(2, 1, 2, dtype=torch.uint8)


def mean_of(*probabilities: float) -> Any:
    return pytest.approx(-sum(map(log, probabilities)) / len(probabilities))


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"keep": 0.5}, [0.3, 0.1]),
        ({"keep": 0.26}, [0.3, 0.1]),  # rounded up
        ({"keep": 0.25}, [0.1]),
        ({"keep": 1.0}, PROBABILITIES),
        ({"threshold": 0.7, "minimum": 1}, [0.6, 0.3, 0.1]),
        ({"threshold": 0.2, "minimum": 2}, [0.3, 0.1]),
        ({"threshold": 0.2, "minimum": 100}, PROBABILITIES),
        ({"threshold": 0.7, "minimum": 1, "keep": 0.25}, [0.6, 0.3, 0.1]),  # keep is for shares only
    ],
    ids=str,
)
def test_ohem__keeps_the_hardest_pixels_of_the_batch(options: dict[str, Any], kept: list[float]) -> None:
    logits, target = graded()
    assert Ohem(**options)(logits, target, stride=1).item() == mean_of(*kept)


def test_ohem__only_what_is_kept_gets_a_gradient() -> None:
    logits, target = graded()
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(Ohem(keep=0.5)(logits, target, stride=1), logits)
    assert gradient.abs().amax(dim=1).flatten().gt(0).tolist() == [False, False, True, True]


def test_ohem__shares_are_of_valid_pixels() -> None:
    logits, target = graded()
    target[1, 0, 1] = 255
    assert Ohem(keep=0.5)(logits, target, stride=1).item() == mean_of(0.6, 0.3)
    assert Ohem(threshold=0.5, minimum=1)(logits, target, stride=1).item() == mean_of(0.3)


def test_ohem__keeps_all_of_those_that_are_as_hard_as_the_last() -> None:
    loss = Ohem(keep=0.01)
    assert loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), stride=1).item() == pytest.approx(log(2))
    logits, target = graded()
    logits[1, :, 0, 0] = logits[1, :, 0, 1]
    assert Ohem(keep=0.25)(logits, target, stride=1).item() == mean_of(0.1)


def test_ohem__weights_what_it_keeps_and_not_what_is_hard() -> None:
    logits, target = graded()
    target[0, 0, 1], target[1, 0, 1] = 0, 0  # now 0.9, 0.4, 0.3, 0.9 at the true class
    loss = Ohem(keep=0.5, weight=[3.0, 1.0])(logits, target, stride=1)
    assert loss.item() == pytest.approx(-(3 * log(0.4) + log(0.3)) / 4)


@pytest.mark.parametrize(("progress", "kept"), [(0.0, 4), (0.24, 4), (0.25, 3), (0.5, 2), (0.8, 2), (1.0, 2)])
@pytest.mark.parametrize("options", [{"keep": 0.5}, {"threshold": 0.01, "minimum": 2}], ids=str)
def test_ohem__mines_more_as_the_run_goes_on(options: dict[str, Any], progress: float, kept: int) -> None:
    logits, target = graded()
    loss = Ohem(**options, until=0.5)
    loss.set_progress(0.9)
    loss.set_progress(progress)  # nothing but the last one counts: a resumed run goes on as if never stopped
    assert loss(logits, target, stride=1).item() == mean_of(*PROBABILITIES[-kept:])


def test_ohem__without_a_run_mines_at_its_strongest() -> None:
    logits, target = graded()
    assert Ohem(keep=0.5, until=0.5)(logits, target, stride=1).item() == mean_of(0.3, 0.1)
    always = Ohem(keep=0.5)
    always.set_progress(0.0)
    assert always(logits, target, stride=1).item() == mean_of(0.3, 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.0}, "keep of the loss 'ohem' is 0.0; expected above 0, up to 1"),
        ({"threshold": 1.0}, "threshold of the loss 'ohem' is 1.0; expected between 0 and 1"),
        ({"minimum": 0}, "minimum of the loss 'ohem' is 0; expected 1 or more"),
        ({"until": 1.5}, "until of the loss 'ohem' is 1.5; expected 0 to 1"),
    ],
)
def test_ohem__refuses_values_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Ohem(**options)


@pytest.mark.parametrize("loss", [focal, Ohem(weight=[1.0, 2.0, 3.0])])
def test_pixel_losses__number_of_weights_is_that_of_classes(loss: Any) -> None:
    options = {"weight": [1.0, 2.0, 3.0]} if loss is focal else {}
    with pytest.raises(ValueError, match="3 class weights were given for 2 classes; give one per class"):
        loss(LOGITS, torch.tensor([[[1, 1]]]), stride=1, **options)
