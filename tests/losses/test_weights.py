"""Class weights from counts, worked by hand."""

from math import log
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.losses.weights import (
    ClassWeights,
    LabelCounts,
    class_weights,
    count_labels,
    effective_number,
    enet_weights,
    inverse_frequency,
    median_frequency,
    root_inverse_frequency,
)

PIXELS = np.array([60, 30, 10, 0])
IMAGE_PIXELS = np.array([100, 100, 20, 0])
COUNTS = LabelCounts(PIXELS, IMAGE_PIXELS)


@pytest.mark.parametrize(("dtype", "void"), [(np.uint8, 255), (np.int16, -1), (np.int64, 255)])
def test_count_labels__counts_pixels_and_those_of_images_that_have_the_class(dtype: type, void: int) -> None:
    masks: list[NDArray[Any]] = [np.array([[0, 0], [1, void]], dtype), np.array([[1, 1, 1]], dtype)]
    counts = count_labels(iter(masks), 3, void)
    assert counts.pixels.tolist() == [2, 4, 0]
    assert counts.image_pixels.tolist() == [3, 6, 0]


def test_count_labels__an_image_of_void_counts_nothing() -> None:
    counts = count_labels([np.full((2, 2), 255, np.uint8)], 2, 255)
    assert counts.pixels.tolist() == counts.image_pixels.tolist() == [0, 0]


@pytest.mark.parametrize("wrong", [-1, 3])
def test_count_labels__names_an_id_that_is_no_class(wrong: int) -> None:
    with pytest.raises(DataError, match=rf"A mask holds id {wrong}; expected 0\.\.2 or 255 \(void\)"):
        count_labels([np.array([0, 2, wrong], np.int16)], 3, 255)


def test_inverse_frequency__is_one_over_the_share() -> None:
    np.testing.assert_allclose(inverse_frequency(PIXELS), [1 / 0.6, 1 / 0.3, 1 / 0.1, 0])
    np.testing.assert_allclose(root_inverse_frequency(PIXELS) ** 2, [1 / 0.6, 1 / 0.3, 1 / 0.1, 0])


def test_median_frequency__is_within_the_images_that_have_the_class() -> None:
    # Frequencies 0.6, 0.3 and 10 / 20; their median is 0.5.
    np.testing.assert_allclose(median_frequency(PIXELS, IMAGE_PIXELS), [0.5 / 0.6, 0.5 / 0.3, 1, 0])


def test_enet_weights__lie_between_the_paper_s_bounds() -> None:
    expected = [1 / log(1.02 + share) for share in (0.6, 0.3, 0.1)]
    np.testing.assert_allclose(enet_weights(PIXELS), [*expected, 0])
    extremes = enet_weights(np.array([10**12, 1]))
    np.testing.assert_allclose(extremes, [1.42, 50.5], rtol=2e-3)
    np.testing.assert_allclose(enet_weights(PIXELS, c=1.1)[0], 1 / log(1.7))


def test_effective_number__is_that_of_the_paper() -> None:
    raw = np.array([0.1 / (1 - 0.9**n) for n in (60, 30, 10)])
    expected = [*(raw * 3 / raw.sum()), 0]
    np.testing.assert_allclose(effective_number(PIXELS, beta=0.9), expected)
    np.testing.assert_allclose(effective_number(PIXELS), effective_number(PIXELS, beta=1 - 3 / 100))


def test_effective_number__lies_between_equal_weights_and_the_inverse_frequency() -> None:
    np.testing.assert_allclose(effective_number(PIXELS, beta=0.0), [1, 1, 1, 0])
    inverse = inverse_frequency(PIXELS)
    near = effective_number(PIXELS, beta=1 - 1e-9)
    np.testing.assert_allclose(near, inverse * 3 / inverse.sum(), rtol=1e-6)


def test_effective_number__of_the_paper_s_beta_is_blind_to_pixels() -> None:
    """Why beta follows the data here: 0.9999 says that ten thousand samples are all there is to see."""
    camvid = np.array([20_000_000, 2_000_000, 200_000])
    np.testing.assert_allclose(effective_number(camvid, beta=0.9999), [1, 1, 1], rtol=1e-6)
    assert np.ptp(effective_number(camvid)) > 1


@pytest.mark.parametrize("beta", [-0.1, 1.0])
def test_effective_number__refuses_a_beta_out_of_range(beta: float) -> None:
    with pytest.raises(RequestError, match=rf"beta is {beta}; .* needs 0 or more and less than 1"):
        effective_number(PIXELS, beta=beta)


@pytest.mark.parametrize("rule", get_args(ClassWeights))
def test_class_weights__by_name(rule: ClassWeights) -> None:
    rules = {
        "inverse": inverse_frequency(PIXELS),
        "sqrt": root_inverse_frequency(PIXELS),
        "median": median_frequency(PIXELS, IMAGE_PIXELS),
        "enet": enet_weights(PIXELS),
        "effective": effective_number(PIXELS),
    }
    expected = tuple(rules[rule].tolist()) if rule != "none" else None
    assert class_weights(rule, COUNTS) == expected


@pytest.mark.parametrize("rule", sorted(set(get_args(ClassWeights)) - {"none"}))
def test_class_weights__are_larger_for_rarer_classes(rule: ClassWeights) -> None:
    alike = LabelCounts(np.array([900, 90, 10]), np.array([1000, 1000, 1000]))
    weights = class_weights(rule, alike)
    assert weights is not None
    assert 0 < weights[0] < weights[1] < weights[2]


def test_class_weights__need_a_labelled_pixel() -> None:
    nothing = LabelCounts(np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(DataError, match="need labelled pixels; every pixel counted is void"):
        class_weights("inverse", nothing)
    assert class_weights("none", nothing) is None
