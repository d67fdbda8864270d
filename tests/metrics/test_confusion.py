import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrazzo.core import DataError
from terrazzo.metrics import ConfusionCounts


def ids(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


def test_add__rows_are_truth_and_columns_prediction() -> None:
    counts = ConfusionCounts(3)
    counts.add(ids([0, 1, 1], [2, 2, 0]), ids([0, 0, 1], [2, 255, 255]), "a")
    assert counts.pooled.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert counts.pooled.dtype == np.int64


def test_add__keeps_each_image_with_id_and_group() -> None:
    counts = ConfusionCounts(2)
    first = counts.add(ids([0, 1]), ids([0, 0]), "a", "street")
    second = counts.add(ids([1, 1]), ids([1, 1]), "b")
    assert (counts.ids, counts.groups, len(counts)) == (("a", "b"), ("street", None), 2)
    assert np.array_equal(counts.per_image, np.stack([first, second]))
    assert np.array_equal(counts.pooled, first + second)
    assert np.array_equal(counts.matrix(1), second)


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_add__what_is_predicted_under_void_changes_nothing(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    target = random.integers(0, 4, (7, 9)).astype(np.uint8)
    target[random.random(target.shape) < share] = 255
    prediction = random.integers(0, 4, target.shape).astype(np.uint8)
    other = np.where(target == 255, random.integers(0, 256, target.shape), prediction).astype(np.uint8)
    counts = ConfusionCounts(4)
    assert np.array_equal(counts.add(prediction, target, "a"), counts.add(other, target, "b"))
    assert counts.pooled.sum() == 2 * (target != 255).sum()


def test_add__counts_void_of_minus_one_beyond_255_classes() -> None:
    counts = ConfusionCounts(300, ignore_index=-1)
    counts.add(np.array([[299, 255]], dtype=np.int16), np.array([[299, -1]], dtype=np.int16), "a")
    assert counts.pooled[299, 299] == counts.pooled.sum() == 1


def test_add__refuses_another_size_naming_the_image() -> None:
    with pytest.raises(DataError, match=r"^a7: .*\(1, 2\) .*\(2, 1\) differ in shape"):
        ConfusionCounts(2).add(ids([0, 1]), ids([0], [1]), "a7")


def test_add__refuses_an_id_that_is_no_class_naming_the_image() -> None:
    counts = ConfusionCounts(3)
    with pytest.raises(DataError, match=r"^a7: Prediction holds id 9 on 2 valid pixels; expected 0\.\.2"):
        counts.add(ids([9, 9, 0]), ids([0, 0, 0]), "a7")
    with pytest.raises(DataError, match=r"^a7: Target holds id 3 on 1 valid"):
        counts.add(ids([0, 0, 0]), ids([0, 0, 3]), "a7")
    assert len(counts) == 0


def test_add__refuses_an_image_twice() -> None:
    counts = ConfusionCounts(2)
    counts.add(ids([0]), ids([0]), "a")
    with pytest.raises(ValueError, match="'a' has been counted already"):
        counts.add(ids([0]), ids([0]), "a")
    assert counts.pooled.sum() == 1


def test_merge__equals_counting_in_one_go() -> None:
    random = np.random.default_rng(0)
    together, left, right = (ConfusionCounts(3) for _ in range(3))
    for i in range(6):
        pair = random.integers(0, 3, (2, 4, 5)).astype(np.uint8)
        for counts in (together, left if i < 4 else right):
            counts.add(pair[0], pair[1], str(i), f"g{i % 2}")
    left.merge(right)
    assert np.array_equal(left.per_image, together.per_image)
    assert (left.ids, left.groups) == (together.ids, together.groups)


def test_merge__refuses_other_classes_and_shared_images() -> None:
    with pytest.raises(ValueError, match=r"\(2, 255\) and \(3, 255\) cannot be merged"):
        ConfusionCounts(2).merge(ConfusionCounts(3))
    left, right = ConfusionCounts(2), ConfusionCounts(2)
    for counts in (left, right):
        counts.add(ids([0]), ids([0]), "a")
    with pytest.raises(ValueError, match="counted already"):
        left.merge(right)
    assert len(left) == 1


def test_pooled__of_nothing_is_zero() -> None:
    assert ConfusionCounts(2).pooled.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="num_classes must be 1 or more; 0 was given"):
        ConfusionCounts(0)
