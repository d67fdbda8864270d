"""The transforms that training uses."""

import pickle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from terrazzo.core import RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.transforms import PRESETS, build_transform

K = 4


def scene(height: int = 60, width: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """An image whose channels all are 60 times the mask, so that it can be read back."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, K, (-(-height // 10), -(-width // 10))).astype(np.uint8)
    mask = np.kron(coarse, np.ones((10, 10), np.uint8))[:height, :width]
    return np.repeat((60 * mask)[..., None], 3, axis=2), mask


def build(preset: str = "standard", crop: tuple[int, int] = (32, 48), **options: Any) -> Any:
    return build_transform(preset, crop=crop, ignore_index=255, num_classes=K, **options)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(3, 90), st.integers(3, 90)),
    crop=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    seed=st.integers(0, 10**6),
)
def test_transform__shape_and_labels(
    preset: str, size: tuple[int, int], crop: tuple[int, int], seed: int
) -> None:
    image, mask = scene(*size)
    out, labels = build(preset, crop)(image, mask, generator(seed, Stream.TRANSFORM, 0))
    assert out.shape == (*crop, 3)
    assert out.dtype == np.uint8
    assert labels.shape == crop
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {*np.unique(mask).tolist(), 255}
    assert out.flags.c_contiguous
    assert labels.flags.c_contiguous


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_transform__the_key_decides_every_bit(preset: str) -> None:
    image, mask = scene()
    transform = build(preset)
    for index in range(12):
        one, two = (transform(image, mask, generator(3, Stream.TRANSFORM, 1, index)) for _ in range(2))
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    crops = {transform(image, mask, generator(3, Stream.TRANSFORM, e, 0))[0].tobytes() for e in range(8)}
    assert len(crops) == 8


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_transform__inputs_stay_as_they_were(preset: str) -> None:
    image, mask = scene()
    copies = image.copy(), mask.copy()
    out, labels = build(preset)(image, mask, generator(0, Stream.TRANSFORM, 0))
    out[:], labels[:] = 0, 0
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(mask, copies[1])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_transform__image_and_mask_stay_aligned(preset: str) -> None:
    """The mask is painted into the image; with colours left alone it must be readable there."""
    image, mask = scene(120, 160)
    plain = {"brightness": 0, "contrast": 0, "gamma": 0, "saturation": 0, "hue": 0, "blur": 0, "noise": 0}
    transform = build(preset, (64, 96), **plain)
    for seed in range(30):
        out, labels = transform(image, mask, generator(seed, Stream.TRANSFORM, 0))
        square = np.ones((3, 3), np.uint8)
        inner = (cv2.dilate(labels, square) == cv2.erode(labels, square)) & (labels != 255)
        read = np.rint(out[..., 0] / 60)
        assert (read == labels)[inner].mean() > 0.985


def test_transform__flips_half_of_the_time() -> None:
    image, mask = scene(32, 48)
    mask[:] = 0
    mask[:, :24] = 1
    transform = build(scale=(1.0, 1.0), max_share=1.0)
    left = [transform(image, mask, generator(s, Stream.TRANSFORM, 0))[1][0, 0] for s in range(200)]
    assert 70 < sum(left) < 130


def test_transform__category_cap_holds_where_avoidable() -> None:
    """A sea of class 0 with an island of class 1 in a corner: uncapped, most crops see only the sea."""
    image = np.zeros((100, 100, 3), np.uint8)
    mask = np.zeros((100, 100), np.uint8)
    mask[:40, :40] = 1
    worst = {}
    for share in (1.0, 0.75):
        transform = build(crop=(30, 30), max_share=share, scale=(1.0, 1.0))
        crops = [transform(image, mask, generator(s, Stream.TRANSFORM, 0))[1] for s in range(100)]
        worst[share] = sum(np.bincount(c.ravel())[:2].max() / c.size > 0.78 for c in crops)
    assert worst[1.0] > 70
    assert worst[0.75] < 45


def test_transform__category_cap_gives_up_on_one_class() -> None:
    image, mask = scene()
    mask[:] = 2
    assert set(np.unique(build()(image, mask, generator(0, Stream.TRANSFORM, 0))[1])) <= {2, 255}
    mask[:] = 255
    assert set(np.unique(build()(image, mask, generator(0, Stream.TRANSFORM, 0))[1])) == {255}


def test_transform__minus_one_as_void() -> None:
    image, mask = scene(20, 20)
    transform = build_transform("strong", crop=(40, 40), ignore_index=-1, num_classes=300)
    labels = transform(image, mask.astype(np.int16), generator(0, Stream.TRANSFORM, 0))[1]
    assert labels.dtype == np.int16
    assert labels.min() == -1


@pytest.mark.parametrize("channels", [1, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_transform__any_kind_of_image(channels: int, dtype: type) -> None:
    image, mask = scene()
    wide: NDArray[Any] = np.repeat(image[..., :1], channels, axis=2).astype(dtype)
    for seed in range(6):
        out = build("strong")(wide, mask, generator(seed, Stream.TRANSFORM, 0))[0]
        assert out.shape == (32, 48, channels)
        assert out.dtype == dtype


def test_transform__pickles_for_worker_processes() -> None:
    image, mask = scene()
    transform = build("strong")
    again = pickle.loads(pickle.dumps(transform))
    one, two = (t(image, mask, generator(0, Stream.TRANSFORM, 9)) for t in (transform, again))
    np.testing.assert_array_equal(one[0], two[0])


def test_build_transform__overrides() -> None:
    image, mask = scene(32, 48)
    still = build("light", scale=[1, 1], flip=0, max_share=1)
    out = still(image, mask, generator(0, Stream.TRANSFORM, 0))
    np.testing.assert_array_equal(out[0], image)
    np.testing.assert_array_equal(out[1], mask)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "standart"}, "Unknown transform preset 'standart': did you mean 'standard'"),
        ({"brightnes": 1}, "no option 'brightnes': did you mean 'brightness'"),
        ({"crop": (0, 5)}, r"crop \(0, 5\).*; expected pixels"),
        ({"max_share": 0.0}, r"max_share 0\.0; expected pixels, and a share in \(0, 1\]"),
        ({"scale": (2, 1)}, r"scale is \(2, 1\); expected two factors, the smaller first"),
        ({"blur": -1}, "blur is -1; expected a number of 0 or more"),
        ({"noise": "much"}, "noise is 'much'; expected a number"),
        ({"flip": 2}, "flip, contrast and saturation are shares; expected 1 at most"),
    ],
)
def test_build_transform__mistakes(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        build(**options)
