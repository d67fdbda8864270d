import numpy as np
import pytest

from terrazzo.core import LabelMap
from terrazzo.figures import as_rgb, error_map, legend, number_regions, overlay
from terrazzo.figures.pictures import WRONG, one_slice

LABELS = LabelMap.of({"sky": (10, 20, 200), "road": (120, 60, 120)})


def luma(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]))


def test_as_rgb__repeats_grey_and_takes_the_first_three_channels() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for image in (grey, grey[..., None], np.dstack([grey, grey + 9])):
        assert np.array_equal(as_rgb(image), np.dstack([grey] * 3))
    many = np.random.default_rng(0).integers(0, 256, (2, 3, 6), dtype=np.uint8)
    assert np.array_equal(as_rgb(many), many[..., :3])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_as_rgb__stretches_what_is_not_8_bit(dtype: type) -> None:
    picture = as_rgb(np.linspace(0, 4000, 300).reshape(10, 30).astype(dtype))
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)
    constant = as_rgb(np.full((4, 4, 3), 7, dtype=dtype))
    assert constant.shape == (4, 4, 3)


def test_overlay__blends_inside_and_leaves_void_as_the_image() -> None:
    image = np.full((6, 6, 3), 100, dtype=np.uint8)
    ids = np.zeros((6, 6), dtype=np.uint8)
    ids[:, 3:] = 255
    picture = overlay(image, ids, LABELS, alpha=0.5)
    assert picture[0, 0].tolist() == [55, 60, 150]
    assert picture[0, 5].tolist() == [100, 100, 100]
    assert image.min() == 100, "the image is not touched"


def test_overlay__draws_borders_that_read_without_colour() -> None:
    ids = np.zeros((6, 6), dtype=np.uint8)
    ids[:, 3:] = 1
    picture = overlay(np.full((6, 6, 3), 200, dtype=np.uint8), ids, LABELS)
    assert (luma(picture)[:, 2] < 0.5 * luma(picture)[:, 1]).all()


def test_error_map__right_dim_wrong_bright_void_hatched() -> None:
    target = np.array([[0, 1, 255]] * 9, dtype=np.uint8).repeat(8, axis=1)
    prediction = np.zeros_like(target)
    image = np.random.default_rng(0).integers(0, 256, (*target.shape, 3), dtype=np.uint8)
    for picture in (error_map(prediction, target), error_map(prediction, target, image=image)):
        right, wrong, void = picture[:, :8], picture[:, 8:16], picture[:, 16:]
        assert (wrong == WRONG).all()
        assert luma(right).max() < 0.6 * luma(wrong).min()
        assert len(np.unique(void)) == 2, "stripes of two greys"
        assert not (void == WRONG).all(axis=-1).any(), "void is never an error"


def test_number_regions__writes_into_wide_regions_only() -> None:
    ids = np.full((60, 90), 255, dtype=np.uint8)
    ids[5:45, 5:45] = 0
    ids[50:53, 50:90] = 1
    picture = LABELS.colorize(ids)
    numbered = number_regions(picture, ids, 2)
    changed = (numbered != picture).any(axis=-1)
    assert changed[5:45, 5:45].any()
    assert not changed[ids == 1].any()
    assert not changed[ids == 255].any()


def test_legend__numbers_names_and_colours() -> None:
    assert [(e.number, e.name, e.css) for e in legend(LABELS)] == [
        (0, "sky", "rgb(10, 20, 200)"),
        (1, "road", "rgb(120, 60, 120)"),
    ]


def test_one_slice__of_a_volume_the_one_that_tells_most() -> None:
    truth = np.zeros((4, 5, 6), np.uint8)
    truth[1] = 255
    truth[2, :2] = 1
    truth[3, 0] = 1
    image = np.arange(4)[:, None, None, None] * np.ones((4, 5, 6, 1))
    shown, mask, guess = one_slice(image, truth, truth + 1, void=255)
    assert (shown == 2).all()
    assert (mask == truth[2]).all()
    assert (guess == truth[2] + 1).all()
    assert one_slice(image[0], truth[0], truth[0], void=255)[0].shape == (5, 6, 1)
    assert one_slice(image, np.full((4, 5, 6), 255), truth, void=255)[1].shape == (5, 6)
