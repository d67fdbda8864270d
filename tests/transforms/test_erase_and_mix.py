"""Erasing and mixing: whole objects, their own labels, nothing invented."""

from typing import Any

import numpy as np
import pytest

from terrazzo.transforms.erase import Cutout, MaskDropout
from terrazzo.transforms.mixing import ClassMix, CopyPaste, CutMix, Mosaic
from terrazzo.transforms.objects import find_objects
from terrazzo.transforms.operation import Pixels

VOID = 255


def pair(tone: int, offset: int = 0) -> tuple[Pixels, Pixels]:
    """Ground 0, a car (1) of 6 x 8, a person (2) of 5 x 3, a second car; pixels are tone + 30 * label."""
    mask = np.zeros((40, 50), np.uint8)
    mask[5 + offset : 11 + offset, 6:14] = 1
    mask[20 + offset : 25 + offset, 30:33] = 2
    mask[30:36, 6:14] = 1
    return np.repeat((tone + 30 * mask)[..., None], 3, axis=2).astype(np.uint8), mask


def test_find_objects__whole_regions_and_no_background() -> None:
    _, mask = pair(0)
    found = find_objects(mask, VOID, largest=0.2)
    assert [(region.label, region.area) for region in found] == [(1, 48), (1, 48), (2, 15)]
    assert [region.label for region in find_objects(mask, VOID, largest=0.2, classes=(2,))] == [2]


def test_mask_dropout__objects_go_as_a_whole_and_are_void() -> None:
    image, mask = pair(20)
    order = (0.9, 0.1, 0.9)
    out, labels = MaskDropout(0.5, 0.2, (), order).erase(image, mask, VOID)
    assert (labels[30:36, 6:14] == VOID).all()
    assert (out[30:36, 6:14] == 115).all()
    assert (labels == VOID).sum() == 48
    np.testing.assert_array_equal(out[labels != VOID], image[labels != VOID])


def test_mask_dropout__all_at_one_none_at_zero() -> None:
    image, mask = pair(20)
    order = (0.0, 0.5, 0.99)
    assert set(np.unique(MaskDropout(1.0, 0.2, (), order).erase(image, mask, VOID)[1])) == {0, VOID}
    np.testing.assert_array_equal(MaskDropout(0.0, 0.2, (), order).erase(image, mask, VOID)[1], mask)
    only = MaskDropout(1.0, 0.2, (2,), order).erase(image, mask, VOID)[1]
    assert set(np.unique(only)) == {0, 1, VOID}


@pytest.mark.parametrize("void", [False, True])
def test_cutout__holes_are_grey_and_labels_stay_unless_asked(*, void: bool) -> None:
    image, mask = pair(20)
    out, labels = Cutout(((0.1, 0.1, 0.5, 0.4),), void).erase(image, mask, VOID)
    assert (out[4:24, 5:25] == 115).all()
    assert (out[30:] == image[30:]).all()
    assert (labels[4:24, 5:25] == VOID).all() == void
    if not void:
        np.testing.assert_array_equal(labels, mask)


def test_cutmix__a_rectangle_with_its_labels() -> None:
    (image, mask), other = pair(20), pair(100, offset=3)
    out, labels = CutMix((0.25, 0.2, 0.5, 0.6)).mix(image, mask, [other], VOID)
    inside = np.zeros(mask.shape, bool)
    inside[10:30, 10:40] = True
    for made, mine, theirs in ((out, image, other[0]), (labels, mask, other[1])):
        np.testing.assert_array_equal(made[inside], theirs[inside])
        np.testing.assert_array_equal(made[~inside], mine[~inside])


def test_classmix__takes_whole_classes_and_never_void() -> None:
    (image, mask), other = pair(20), pair(100, offset=3)
    other[1][0] = VOID
    out, labels = ClassMix(0.67, (0.9, 0.2, 0.1)).mix(image, mask, [other], VOID)
    taken = np.isin(other[1], (1, 2))
    np.testing.assert_array_equal(labels[taken], other[1][taken])
    np.testing.assert_array_equal(out[taken], other[0][taken])
    np.testing.assert_array_equal(out[~taken], image[~taken])
    assert not (labels == VOID).any()


def test_copy_paste__objects_with_a_soft_seam() -> None:
    (image, mask), other = pair(20), pair(100, offset=3)
    out, labels = CopyPaste(1.0, 0.2, (1,), (0.0,)).mix(image, mask, [other], VOID)
    assert (labels[8:14, 6:14] == 1).all()
    assert (labels[23:28, 30:33] == 2).sum() < 15  # no person came
    assert (out[10:12, 9:11] == 130).all()
    assert 20 < out[7, 10, 0] < 130  # the seam
    np.testing.assert_array_equal(out[:4], image[:4])


def test_mosaic__four_corners_each_its_own() -> None:
    pairs = [pair(tone) for tone in (20, 60, 100, 140)]
    out, labels = Mosaic((0.5, 0.4), own=3).mix(*pairs[3], pairs[:3], VOID)
    corners = (np.s_[:20, :20], np.s_[:20, 20:], np.s_[20:, :20], np.s_[20:, 20:])
    for place, (image, mask) in zip(corners, pairs, strict=True):
        np.testing.assert_array_equal(out[place], image[place])
        np.testing.assert_array_equal(labels[place], mask[place])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_mix__keeps_the_dtype(dtype: Any) -> None:
    image, mask = pair(20)
    mine = image.astype(dtype), mask.astype(np.int16)
    for mix in (CopyPaste(1.0, 0.2, (), (0.0,)), ClassMix(0.5, (0.1,)), CutMix((0.1, 0.1, 0.5, 0.5))):
        out, labels = mix.mix(*mine, [mine], -1)
        assert out.dtype == dtype
        assert labels.dtype == np.int16
