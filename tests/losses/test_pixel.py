"""Cross-entropy, worked by hand."""

from math import log

import pytest
import torch

from terrazzo.losses.pixel import cross_entropy

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
