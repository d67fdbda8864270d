"""Run lengths of COCO, CVAT and Label Studio."""

import numpy as np
import pytest

from terrazzo.core import DataError
from terrazzo.datasets.runs import coco_counts, expand, label_studio_mask
from tests.datasets.make_label_studio import brush_bits


def test_expand__columns_and_rows() -> None:
    down = expand([2, 3, 1], (3, 2), along="columns", source="x")
    assert down.tolist() == [[False, True], [False, True], [True, False]]
    across = expand([2, 3, 1], (3, 2), along="rows", source="x")
    assert across.tolist() == [[False, False], [True, True], [True, False]]


@pytest.mark.parametrize("counts", [[2, 3], [7], [8, -2]])
def test_expand__wrong_sums(counts: list[int]) -> None:
    with pytest.raises(DataError, match=r"x: run lengths add up to .* pixels; expected 3 x 2 = 6"):
        expand(counts, (3, 2), along="rows", source="x")
    with pytest.raises(DataError, match="expected whole numbers"):
        expand(["a"], (3, 2), along="rows", source="x")  # type: ignore[list-item]


def squeezed(counts: list[int]) -> str:
    """Write counts as COCO's description has it."""
    text = ""
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
            if not more:
                break
    return text


def test_coco_counts__worked_example() -> None:
    """By hand: 3 is "3"; 20 is 0b10100, whose bit 16 would be a sign, so a second character follows."""
    assert coco_counts("3", "") == [3]
    assert coco_counts("d0", "") == [20]
    assert coco_counts("1235", "") == [1, 2, 3, 2 + 5]
    assert coco_counts("123O", "") == [1, 2, 3, 2 - 1]


def test_coco_counts__any_numbers_return() -> None:
    rng = np.random.default_rng(0)
    for limit in (3, 40, 100_000):
        counts = rng.integers(0, limit, 50).tolist()
        assert coco_counts(squeezed(counts), "") == counts


def test_coco_counts__cut_short() -> None:
    with pytest.raises(DataError, match="x: the run lengths end within a number"):
        coco_counts("12d", "x")


def test_label_studio_mask__returns_what_was_brushed() -> None:
    rng = np.random.default_rng(0)
    for size, share in (((7, 9), 0.3), ((40, 60), 0.01), ((300, 300), 0.0)):
        inside = rng.random(size) < share
        assert (label_studio_mask(bytes(brush_bits(inside)), size, "x") == inside).all()


def test_label_studio_mask__the_tools_own_bytes() -> None:
    """Header and one run by hand: 4 values of 8 bits, sizes 3, 4, 8, 16; then four times 255."""
    bits = (
        f"{4:032b}" + "00111" + "0010" + "0011" + "0111" + "1111" + "1" + "00" + "011" + "11111111" + "0" * 5
    )
    rle = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8))
    assert label_studio_mask(rle, (1, 1), "x").tolist() == [[True]]


def test_label_studio_mask__cut_short_or_of_another_image() -> None:
    rle = bytes(brush_bits(np.eye(8, dtype=bool)))
    with pytest.raises(DataError, match="x: the brush is cut short"):
        label_studio_mask(rle[:20], (8, 8), "x")
    with pytest.raises(DataError, match="a brush of 256 values of 8 bits; expected 9 x 8 RGBA pixels"):
        label_studio_mask(rle, (9, 8), "x")
