import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.inspect.evidence import Evidence, contradiction, gather_evidence
from tests.inspect.world import erased, nearly_right, scene, swapped


def probabilities(index: int = 0) -> NDArray[np.float32]:
    image = np.zeros((96, 128, 3), np.uint8)
    image[0, 0, 0] = index
    return nearly_right(image)


def gathered(mask: NDArray[np.uint8], index: int = 0) -> Evidence:
    evidence = gather_evidence(probabilities(index), mask)
    assert evidence is not None
    return evidence


def test_gather__a_right_label_is_not_contradicted() -> None:
    evidence = gathered(scene(0))
    assert evidence.labelled.tolist() == [0, 1, 2, 3]
    assert evidence.cells.sum() == (scene(0) != 255).sum()
    assert (np.diag(evidence.confusion) > 0.8).all()
    assert evidence.confusion.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (evidence.shift.gain, evidence.shift.rows, evidence.shift.columns) == (0, 0, 0)
    assert evidence.objects.strength.max() == 0


def test_gather__swapped_classes_are_confused_with_each_other() -> None:
    evidence = gathered(swapped(scene(0), 1, 2))
    assert evidence.confusion[1, 2] > 0.8
    assert evidence.confusion[2, 1] > 0.8


def test_gather__an_erased_object_is_missed_where_it_was() -> None:
    rows, columns = np.nonzero(scene(0) == 2)
    evidence = gathered(erased(scene(0), 2, 1))
    assert evidence.objects.strength.argmax() == 2
    expected = np.array(
        [rows.min() / 96, columns.min() / 128, (rows.max() + 1) / 96, (columns.max() + 1) / 128]
    )
    assert evidence.objects.boxes[2] == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("move", [(4, 0), (-4, 2), (0, -5), (3, 3)])
def test_gather__the_shift_says_how_to_move_the_label_back(move: tuple[int, int]) -> None:
    wrong = np.roll(scene(0), (-move[0], -move[1]), axis=(0, 1))
    shift = gathered(wrong).shift
    assert shift.gain > 0.05
    assert (shift.rows, shift.columns) == pytest.approx(move, abs=1)


def test_gather__the_shift_is_in_pixels_where_a_cell_is_several() -> None:
    large = scene(0).repeat(4, axis=0).repeat(4, axis=1)  # 512 wide: cells of two pixels
    evidence = gather_evidence(probabilities(), np.roll(large, -8, axis=1))
    assert evidence is not None
    assert (evidence.shift.rows, evidence.shift.columns) == pytest.approx((0, 8), abs=2)


def test_gather__void_is_void() -> None:
    mask = scene(0)
    void = mask == 255
    shares = probabilities()
    other = np.where(void, shares[::-1], shares)
    first, second = (gather_evidence(values, mask) for values in (shares, other))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.confusion, second.confusion)
    assert np.array_equal(first.objects.strength, second.objects.strength)
    assert first.worst == second.worst
    assert 0 not in gathered(np.where(mask == 0, 255, mask).astype(np.uint8)).labelled


def test_gather__void_parts_of_an_object_do_not_miss_it() -> None:
    gone, half = erased(scene(0), 2, 1), scene(0)
    rows = np.nonzero(half == 2)[0]
    middle = (rows.min() + rows.max() + 1) // 2
    lower = (half == 2) & (np.arange(96)[:, None] >= middle)
    whole, part = (gathered(np.where(hide, 255, gone).astype(np.uint8)) for hide in (lower & False, lower))
    assert part.objects.strength[2] == pytest.approx(whole.objects.strength[2] / 2, rel=0.15)


def test_gather__an_object_that_is_half_labelled_is_not_missing() -> None:
    half = scene(0)
    half[(half == 2) & (np.arange(128) % 16 < 8)] = 1
    assert gathered(half).objects.strength[2] == 0


def test_gather__all_void_says_nothing() -> None:
    assert gather_evidence(probabilities(), np.full((96, 128), 255, np.uint8)) is None


@pytest.mark.parametrize("size", [(48, 64), (192, 256)])
def test_gather__any_grid_of_the_same_frame_will_do(size: tuple[int, int]) -> None:
    wrong = swapped(scene(0), 1, 2)
    coarse = np.stack(
        [cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA) for part in probabilities()]
    )
    evidence = gather_evidence(coarse, wrong)
    assert evidence is not None
    assert evidence.confusion == pytest.approx(gathered(wrong).confusion, abs=0.06)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (33, 47), (700, 5)])
def test_gather__takes_any_size(size: tuple[int, int]) -> None:
    shares = np.full((2, *size), 0.5, np.float32)
    evidence = gather_evidence(shares, np.zeros(size, np.uint8))
    assert evidence is not None
    assert evidence.shift.gain == 0


def test_contradiction__is_large_where_the_label_is_wrong_and_nothing_under_void() -> None:
    mask = scene(0)
    odds = contradiction(probabilities(), erased(mask, 2, 1))
    assert np.median(odds[mask == 2]) > 4
    assert np.median(odds[mask == 1]) == 0
    assert not odds[mask == 255].any()
    assert odds.shape == mask.shape
