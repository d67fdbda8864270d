"""Where pixels go: image and mask stay together, and no label is invented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrazzo.core.resize import Pixels
from terrazzo.transforms.geometric import Window, cut, cut_mask, draw_window, flip, pad_value, rotate

SIDES = st.integers(1, 24)
PLACES, LENGTHS = st.floats(-30, 30), st.floats(0.3, 40)


def scene(height: int, width: int, patch: int = 4) -> tuple[Pixels, Pixels]:
    """An image whose every channel is the mask: square patches of the ids 3, 40, 80 and 200."""
    rng = np.random.default_rng(0)
    coarse = rng.choice(np.array([3, 40, 80, 200], np.uint8), (-(-height // patch), -(-width // patch)))
    mask = np.kron(coarse, np.ones((patch, patch), np.uint8))[:height, :width]
    return np.repeat(mask[..., None], 3, axis=2), mask


def test_cut__whole_picture_at_its_size_is_the_picture() -> None:
    image, mask = scene(13, 17)
    out = cut(image, mask, Window(0, 0, 13, 17), (13, 17), 255)
    np.testing.assert_array_equal(out[0], image)
    np.testing.assert_array_equal(out[1], mask)
    assert not np.shares_memory(out[0], image)
    assert not np.shares_memory(out[1], mask)


def test_cut__inner_window() -> None:
    image, mask = scene(13, 17)
    out = cut(image, mask, Window(2.6, 3.2, 5, 7), (5, 7), 255)
    np.testing.assert_array_equal(out[1], mask[2:7, 3:10])
    np.testing.assert_array_equal(out[0], image[2:7, 3:10])


def test_cut__outside_is_void_and_mean_like() -> None:
    image, mask = scene(4, 4)
    part, labels = cut(image, mask, Window(-2, -3, 8, 8), (8, 8), 255)
    outside = np.ones((8, 8), dtype=bool)
    outside[2:6, 3:7] = False
    assert (labels[outside] == 255).all()
    assert (part[outside] == 115).all()
    np.testing.assert_array_equal(labels[~outside].reshape(4, 4), mask)


@pytest.mark.parametrize("scale", [0.5, 0.73, 1.0, 1.4, 2.0])
def test_cut__image_and_mask_stay_aligned(scale: float) -> None:
    """The mask is the image's first channel: any shift of one against the other must fit worse."""
    image, mask = scene(96, 128, patch=16)
    part, labels = cut(image, mask, Window(3, 5, 48 / scale, 64 / scale), (48, 64), 255)

    def fit(shift: int, axis: int) -> float:
        moved = np.roll(part[..., 0].astype(int), shift, axis)
        return float((np.abs(moved - labels)[labels != 255] <= 2).mean())

    assert fit(0, 0) > 0.7
    assert all(fit(shift, axis) < fit(0, 0) for shift in (-1, 1) for axis in (0, 1))


@given(SIDES, SIDES, SIDES, SIDES, PLACES, PLACES, LENGTHS, LENGTHS)
def test_cut__any_window_gives_the_crop_and_known_labels(
    height: int, width: int, h: int, w: int, top: float, left: float, tall: float, wide: float
) -> None:
    image, mask = scene(height, width)
    part, labels = cut(image, mask, Window(top, left, tall, wide), (h, w), 255)
    assert part.shape == (h, w, 3)
    assert labels.shape == (h, w)
    assert set(np.unique(labels)) <= {*np.unique(mask).tolist(), 255}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
def test_geometry__any_dtype_and_channels(dtype: type, channels: int) -> None:
    rng = np.random.default_rng(0)
    image: Pixels = (rng.random((20, 24, channels)) * 250).astype(dtype)
    mask = rng.integers(0, 3, (20, 24)).astype(np.int16)
    part, labels = cut(image, mask, Window(-3, 4, 30, 15), (16, 12), -1)
    turned, turned_labels = rotate(part, labels, 5.0, -1)
    for out, ids in ((part, labels), (turned, turned_labels), flip(turned, turned_labels)):
        assert out.shape == (16, 12, channels)
        assert out.dtype == dtype
        assert ids.dtype == np.int16
        assert set(np.unique(ids)) <= {-1, 0, 1, 2}


@given(SIDES, SIDES, st.integers(1, 48), st.integers(1, 48), st.floats(0.4, 2.5), st.integers(0, 999))
def test_draw_window__covers_the_source_or_lies_inside(
    height: int, width: int, h: int, w: int, scale: float, seed: int
) -> None:
    window = draw_window((height, width), (h, w), scale, np.random.default_rng(seed))
    for start, length, have in ((window.top, window.height, height), (window.left, window.width, width)):
        if length <= have:
            assert -1e-9 <= start <= have - length + 1e-9
        else:
            assert have - length - 1e-9 <= start <= 1e-9


def test_draw_window__every_place_comes_up() -> None:
    rng = np.random.default_rng(0)
    tops = [draw_window((10, 10), (4, 4), 1.0, rng).top for _ in range(300)]
    assert min(tops) < 0.3
    assert max(tops) > 5.7


def test_cut_mask__looks_at_every_step_inside_the_source() -> None:
    _, mask = scene(16, 16)
    np.testing.assert_array_equal(cut_mask(mask, Window(-4, 4, 16, 8), 4), mask[0:12:4, 4:12:4])


def test_cut__of_the_whole_is_a_copy() -> None:
    image, mask = scene(8, 8)
    out, labels = cut(image, mask, Window(0, 0, 8, 8), (8, 8), 255)
    np.testing.assert_array_equal(out, image)
    np.testing.assert_array_equal(labels, mask)
    assert not np.may_share_memory(out, image)
    assert not np.may_share_memory(labels, mask)


def test_rotate__quarter_turn_and_back() -> None:
    image, mask = scene(16, 16)
    turned, labels = rotate(image, mask, 90, 255)
    np.testing.assert_array_equal(labels, np.rot90(mask))
    np.testing.assert_array_equal(turned, np.rot90(image))


def test_rotate__corners_are_void() -> None:
    image, mask = scene(40, 40)
    turned, labels = rotate(image, mask, 8, 255)
    assert labels[0, 0] == labels[-1, -1] == 255
    assert turned[0, 0].tolist() == [115] * 3
    inner = labels[8:-8, 8:-8]
    assert (inner != 255).all()
    assert (np.abs(turned[8:-8, 8:-8, 0].astype(int) - inner) <= 2).mean() > 0.5


def test_flip__mirrors_both() -> None:
    image, mask = scene(6, 9)
    out = flip(image, mask)
    np.testing.assert_array_equal(out[0], image[:, ::-1])
    np.testing.assert_array_equal(out[1], mask[:, ::-1])
    assert out[0].flags.c_contiguous


def test_pad_value__mean_like() -> None:
    assert pad_value(np.dtype(np.uint8)) == 115
    assert pad_value(np.dtype(np.uint16)) == 29491
    assert pad_value(np.dtype(np.float32)) == 0.45


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "float32"), (4, "uint16"), (6, "uint8")])
def test_flip__any_channels_and_dtype(channels: int, dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 250, (5, 7, channels)).astype(dtype)
    mask = np.arange(35, dtype=np.int16).reshape(5, 7)
    out = flip(image, mask)
    np.testing.assert_array_equal(out[0], image[:, ::-1])
    np.testing.assert_array_equal(out[1], mask[:, ::-1])
    assert (out[0].dtype, out[1].dtype) == (image.dtype, mask.dtype)
