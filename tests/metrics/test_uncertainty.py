"""Uncertainty per pixel: its ends, its order, and the formulas."""

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from terrazzo.metrics.uncertainty import UNCERTAINTIES, entropy, least_confidence, margin
from tests.metrics.probable import drawn


def test_uncertainties__certain_is_0_and_no_idea_is_1() -> None:
    certain, none = np.array([1, 0, 0, 0], np.float32), np.full(4, 0.25, np.float32)
    pixels = np.stack([certain, none], axis=1)[:, None]
    assert entropy(pixels).ravel() == pytest.approx([0, 1], abs=1e-6)
    assert margin(pixels).ravel() == pytest.approx([0, 1])
    assert least_confidence(pixels).ravel() == pytest.approx([0, 0.75])


def test_uncertainties__are_their_formulas() -> None:
    shares = drawn(0, num_classes=5).probabilities
    top = np.sort(shares, axis=0)[::-1]
    assert entropy(shares) == pytest.approx(scipy_entropy(shares, axis=0) / np.log(5), abs=1e-6)
    assert margin(shares) == pytest.approx(1 - top[0] + top[1], abs=1e-6)
    assert least_confidence(shares) == pytest.approx(1 - top[0])


@pytest.mark.parametrize("name", UNCERTAINTIES)
def test_uncertainties__are_float32_in_0_to_1_and_leave_their_input_alone(name: str) -> None:
    shares = drawn(1).probabilities
    before = shares.copy()
    unsure = UNCERTAINTIES[name](shares)
    assert unsure.dtype == np.float32
    assert unsure.shape == shares.shape[1:]
    assert 0 <= unsure.min() <= unsure.max() <= 1
    np.testing.assert_array_equal(shares, before)


def test_entropy__of_one_class_is_0() -> None:
    assert entropy(np.ones((1, 2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]
