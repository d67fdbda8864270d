"""What colour pixels have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrazzo.transforms.photometric import Jitter, Pixels, add_noise, blur, jitter, tone_table, turn_colors

RNG = np.random.default_rng(2)
COLOR = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)
FULL = Jitter(0.2, 0.4, 0.3, 0.5, 0.05)


def test_jitter__nothing_asked_nothing_done() -> None:
    np.testing.assert_array_equal(jitter(COLOR, Jitter(), np.random.default_rng(0)), COLOR)


def test_jitter__leaves_its_input_alone() -> None:
    before = COLOR.copy()
    assert not np.array_equal(jitter(COLOR, FULL, np.random.default_rng(0)), before)
    np.testing.assert_array_equal(COLOR, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_jitter__any_image(dtype: type, channels: int) -> None:
    image: Pixels = (RNG.random((7, 5, channels)) * 200).astype(dtype)
    out = jitter(image, FULL, np.random.default_rng(1))
    assert out.shape == image.shape
    assert out.dtype == dtype
    assert not np.array_equal(out, image)


def test_jitter__draws_the_same_count_for_any_image() -> None:
    """So a transform's later draws do not depend on the kind of image."""
    ends = []
    for image in (COLOR, COLOR[..., :1], COLOR.astype(np.float32)):
        rng = np.random.default_rng(3)
        jitter(image, FULL, rng)
        ends.append(rng.random())
    assert ends[0] == ends[1] == ends[2]


def test_tone_table__brightness_contrast_gamma() -> None:
    np.testing.assert_array_equal(tone_table(0, 1, 1), np.arange(256))
    np.testing.assert_array_equal(tone_table(0.1, 1, 1)[[0, 100, 255]], [26, 126, 255])
    np.testing.assert_array_equal(tone_table(0, 2, 1)[[0, 127, 128, 255]], [0, 127, 129, 255])
    np.testing.assert_array_equal(tone_table(0, 1, 2)[[0, 128, 255]], [0, 64, 255])


@given(st.floats(-0.3, 0.3), st.floats(0.5, 1.5), st.floats(0.6, 1.6))
def test_tone_table__never_falls(shift: float, gain: float, power: float) -> None:
    assert (np.diff(tone_table(shift, gain, power).astype(int)) >= 0).all()


@given(st.floats(0, 2), st.floats(-0.5, 0.5))
def test_turn_colors__grey_stays_grey(saturation: float, hue: float) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.abs(turn_colors(grey, saturation, hue).astype(int) - grey).max() <= 1


def test_turn_colors__identity_no_colour_and_a_third_of_the_circle() -> None:
    np.testing.assert_array_equal(turn_colors(COLOR, 1, 0), COLOR)
    flat = turn_colors(COLOR, 0, 0)
    luma = COLOR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(flat - luma[..., None]).max() <= 1
    pure = np.array([[[200, 0, 0]]], np.uint8)
    assert turn_colors(pure, 1, 1 / 3)[0, 0].tolist() == [0, 200, 0]


def test_blur__softens_and_keeps_the_mean() -> None:
    out = blur(COLOR, 1.0)
    assert out.shape == COLOR.shape
    assert out.std() < COLOR.std()
    assert abs(out.mean() - COLOR.mean()) < 6
    assert blur(COLOR, 0.0) is COLOR
    assert blur(COLOR[..., :1], 1.0).shape == (12, 10, 1)


def test_add_noise__spread_is_a_share_of_the_range() -> None:
    image = np.full((100, 100, 1), 128, np.uint8)
    noisy = add_noise(image, 0.02, np.random.default_rng(0))
    assert 4.8 < noisy.std() < 5.4
    white = np.full((9, 9, 3), 255, np.uint8)
    assert add_noise(white, 0.1, np.random.default_rng(0)).min() > 100, "values must not wrap around"


def test_jitter__sixteen_bits_stay_in_the_range_of_the_image() -> None:
    image = RNG.integers(100, 4096, (8, 8, 1), dtype=np.uint16)
    for seed in range(20):
        out = jitter(image, FULL, np.random.default_rng(seed))
        assert image.min() <= out.min() <= out.max() <= image.max()
