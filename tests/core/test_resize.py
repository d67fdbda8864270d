"""Samples at another size: the pixel rule, and JPEGs decoded at a fraction of theirs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from terrazzo.core import RequestError
from terrazzo.core.images import Encoded, image_size, read_image, read_mask
from terrazzo.core.resize import checked_resize, resize_ids, resize_image, resize_sample, resized_size


def photo(height: int, width: int) -> np.ndarray:
    """A smooth picture with some grain, as photographs have."""
    rows, columns = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(rows / a) * np.cos(columns / b) for a, b in ((9, 14), (21, 8), (13, 30))]
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    return np.clip(np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize(
    ("at_least", "size"),
    [
        ((97, 131), (97, 131)),
        ((49, 66), (49, 66)),
        ((48, 60), (49, 66)),
        ((50, 60), (97, 131)),
        ((25, 33), (25, 33)),
        ((24, 40), (49, 66)),
        ((1, 1), (13, 17)),
        ((300, 400), (97, 131)),
    ],
)
def test_read_image__a_jpeg_at_the_smallest_fraction_that_is_enough(
    tmp_path: Path, at_least: tuple[int, int], size: tuple[int, int]
) -> None:
    Image.fromarray(photo(97, 131)).save(tmp_path / "a.jpg", quality=92)
    assert read_image(tmp_path / "a.jpg", at_least=at_least).shape == (*size, 3)


def test_read_image__a_turned_jpeg_keeps_its_sides_apart(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photo(40, 160)).save(tmp_path / "a.jpg", quality=95, exif=exif)
    upright = read_image(tmp_path / "a.jpg")
    assert upright.shape == (160, 40, 3)
    half = read_image(tmp_path / "a.jpg", at_least=(80, 20))
    assert half.shape == (80, 20, 3)
    small, _ = resize_sample(upright, np.zeros((160, 40), np.uint8), (80, 20))
    assert psnr(half, small) > 40


@pytest.mark.parametrize("fraction", [2, 4, 8])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_read_image__a_fraction_is_near_the_average(tmp_path: Path, fraction: int, subsampling: int) -> None:
    Image.fromarray(photo(160, 240)).save(tmp_path / "a.jpg", quality=95, subsampling=subsampling)
    size = (160 // fraction, 240 // fraction)
    whole = read_image(tmp_path / "a.jpg")
    average, _ = resize_sample(whole, np.zeros((160, 240), np.uint8), size)
    assert psnr(read_image(tmp_path / "a.jpg", at_least=size), average) > 40


def test_read_image__other_formats_come_whole(tmp_path: Path) -> None:
    Image.fromarray(photo(40, 60)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", at_least=(5, 5)).shape == (40, 60, 3)
    Image.fromarray(photo(40, 60)[..., 0]).save(tmp_path / "g.jpg")
    assert read_image(tmp_path / "g.jpg", at_least=(20, 30)).shape == (20, 30, 1)


def test_read__files_in_memory_are_read_alike(tmp_path: Path) -> None:
    wide = (photo(8, 9).astype(np.uint16) * 257)[..., 0]
    for name, array in (("a.png", photo(8, 9)), ("b.jpg", photo(8, 9)), ("w.png", wide)):
        Image.fromarray(array).save(tmp_path / name)
        encoded = Encoded(name, (tmp_path / name).read_bytes())
        np.testing.assert_array_equal(read_image(encoded), read_image(tmp_path / name))
        assert image_size(encoded) == (8, 9)
    np.testing.assert_array_equal(
        read_mask(Encoded("w", (tmp_path / "w.png").read_bytes())), read_mask(tmp_path / "w.png")
    )
    assert "b'" not in repr(Encoded("a", b"bytes"))


def test_resize_sample__averages_where_it_shrinks_and_takes_the_nearest_label() -> None:
    image = np.zeros((4, 4, 1), np.uint8)
    image[::2] = 200
    mask = np.array([[1, 2, 3, 4]] * 4, np.uint8)
    small, labels = resize_sample(image, mask, (2, 2))
    assert small[..., 0].tolist() == [[100, 100]] * 2
    assert labels.tolist() == [[2, 4]] * 2


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
@pytest.mark.parametrize("size", [(5, 7), (30, 20), (12, 12)])
def test_resize_sample__any_channels(channels: int, size: tuple[int, int]) -> None:
    image = np.repeat(photo(12, 12)[..., :1], channels, axis=2)
    out, mask = resize_sample(image, np.arange(144, dtype=np.int16).reshape(12, 12), size)
    assert out.shape == (*size, channels)
    assert mask.shape == size
    assert (out == out[..., :1]).all()
    assert out.flags.c_contiguous


def test_resize_ids__pixel_centres() -> None:
    mask = np.arange(6, dtype=np.uint8)[None]
    assert resize_ids(mask, (1, 3)).tolist() == [[1, 3, 5]]
    assert resize_ids(mask, (2, 12)).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]] * 2


@pytest.mark.parametrize("size", [(8, 8), (16, 4), (5, 7), (40, 33)])
def test_resize_ids__nearest_by_pixel_centres(size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 200, (16, 16), np.uint8)
    out = resize_ids(mask, size)
    rows = [int((r + 0.5) * 16 / size[0]) for r in range(size[0])]
    columns = [int((c + 0.5) * 16 / size[1]) for c in range(size[1])]
    np.testing.assert_array_equal(out, mask[np.ix_(rows, columns)])


@pytest.mark.parametrize("size", [(60, 70), (51, 55), (35, 40), (20, 60)])
def test_resize_image__shrinking_is_near_the_average_over_areas(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[:100, :100]
    grain = np.random.default_rng(0).normal(0, 8, (100, 100))
    image = np.clip(127 + 80 * np.sin(rows / 7) * np.cos(columns / 5) + grain, 0, 255).astype(np.uint8)
    average = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).astype(float)
    out = resize_image(image[..., None], size)[..., 0]
    plain = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR).astype(float)
    assert np.mean((out - average) ** 2) < min(6.0, 0.5 * np.mean((plain - average) ** 2) + 1e-9)


def test_resized_size__factor_or_sides() -> None:
    assert resized_size((101, 51), 0.5) == (50, 26)
    assert resized_size((101, 51), (7, 9)) == (7, 9)
    assert resized_size((3, 3), 0.1) == (1, 1)


@pytest.mark.parametrize("wrong", [0, -1, True, "half", [1], [1, 2, 3], [0, 3], [1.5, 2], float("nan")])
def test_checked_resize__wrong_sizes(wrong: Any) -> None:
    with pytest.raises(
        RequestError, match="expected \\[height, width\\] in pixels, or a factor above 0, such"
    ):
        checked_resize(wrong)


def test_checked_resize__right_ones() -> None:
    assert checked_resize([3, 4]) == (3, 4)
    assert checked_resize(0.5) == 0.5
    assert checked_resize(None) is None
