"""Confusion counting, against counting by hand and against scikit-learn's definition."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from terrazzo.core.errors import DataError
from terrazzo.kernels.confusion import count_confusion


def test_count_confusion__rows_are_truth() -> None:
    target = np.array([[0, 0, 1], [1, 2, 255]], dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [1, 0, 2]], dtype=np.uint8)
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    counts = count_confusion(prediction, target, 3)
    assert counts.tolist() == expected
    assert counts.dtype == np.int64


@given(
    seed=st.integers(0, 2**32 - 1),
    num_classes=st.integers(2, 30),
    size=st.lists(st.integers(1, 9), min_size=2, max_size=3).map(tuple),
)
def test_count_confusion__agrees_with_scikit_learn(
    seed: int, num_classes: int, size: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    target, prediction = rng.integers(0, num_classes, (2, *size)).astype(np.uint8)
    void = rng.random(size) < 0.3
    counts = count_confusion(prediction, np.where(void, 255, target).astype(np.uint8), num_classes)
    assert counts.sum() == (~void).sum()
    if not void.all():
        expected = confusion_matrix(target[~void], prediction[~void], labels=range(num_classes))
        np.testing.assert_array_equal(counts, expected)


def test_count_confusion__of_nothing_but_void_is_zero() -> None:
    void = np.full((3, 4), 255, dtype=np.uint8)
    assert count_confusion(np.zeros_like(void), void, 2).tolist() == [[0, 0], [0, 0]]


def test_count_confusion__does_not_look_under_void() -> None:
    target = np.array([[0, 255]], dtype=np.uint8)
    assert count_confusion(np.array([[0, 200]], dtype=np.uint8), target, 2).tolist() == [[1, 0], [0, 0]]


def test_count_confusion__takes_minus_one_as_void_beyond_255_classes() -> None:
    target = np.array([[299, -1, 3]], dtype=np.int16)
    counts = count_confusion(np.array([[3, 3, 3]], dtype=np.int16), target, 300, ignore_index=-1)
    assert (counts[299, 3], counts[3, 3], counts.sum()) == (1, 1, 2)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ([[0, 3]], [[0, 1]], "Prediction holds id 3 on 1 valid pixels; expected 0..2"),
        ([[0, 1]], [[0, 7]], "Target holds id 7 on 1 valid pixels; expected 0..2"),
        ([[0, 1]], [[0, -1]], "Target holds id -1 on 1 valid pixels; expected 0..2"),
        ([[0, 1, 2]], [[0, 1]], r"Prediction \(1, 3\) and target \(1, 2\) differ in shape"),
        ([[0.0, 1.0]], [[0, 1]], "Prediction ids are float64; expected whole numbers"),
    ],
)
def test_count_confusion__refuses_what_cannot_be_counted(
    prediction: list[list[float]], target: list[list[int]], message: str
) -> None:
    ids: NDArray[np.int64] = np.array(target)
    with pytest.raises(DataError, match=message):
        count_confusion(np.array(prediction), ids, 3)


def test_count_confusion__needs_no_torch() -> None:
    code = "import sys; import terrazzo.kernels.confusion; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
@pytest.mark.parametrize("num_classes", [1, 19, 100])
def test_count_confusion__of_large_maps_equals_numpy(dtype: Any, num_classes: int) -> None:
    rng = np.random.default_rng(0)
    target, prediction = rng.integers(0, num_classes, (2, 3, 150, 170)).astype(dtype)
    prediction[:, 30:, 20:40] = 120  # under void: not looked at
    target[:, 30:, 20:40] = 127
    counts = count_confusion(prediction, target, num_classes, ignore_index=127)
    valid = target != 127
    cells = target[valid].astype(int) * num_classes + prediction[valid]
    expected = np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
    np.testing.assert_array_equal(counts, expected)
    images = count_confusion(prediction, target, num_classes, ignore_index=127, per_image=True)
    assert images.shape == (3, num_classes, num_classes)
    np.testing.assert_array_equal(images.sum(axis=0), counts)
    np.testing.assert_array_equal(
        images[1], count_confusion(prediction[1], target[1], num_classes, ignore_index=127)
    )


def test_count_confusion__of_large_maps_without_numba_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    target, prediction = np.random.default_rng(0).integers(0, 7, (2, 200, 170)).astype(np.uint8)
    counts = count_confusion(prediction, target, 7, ignore_index=6)
    monkeypatch.setattr("terrazzo.kernels.confusion.compiled_room", lambda name: None)
    np.testing.assert_array_equal(counts, count_confusion(prediction, target, 7, ignore_index=6))


@pytest.mark.parametrize("which", ["Prediction", "Target"])
def test_count_confusion__of_large_maps_names_an_id_that_is_no_class(which: str) -> None:
    maps = {"Prediction": np.zeros((200, 200), np.uint8), "Target": np.zeros((200, 200), np.uint8)}
    maps[which][5, 5:7] = 3
    with pytest.raises(DataError, match=rf"{which} holds id 3 on 2 valid pixels; expected 0\.\.2"):
        count_confusion(maps["Prediction"], maps["Target"], 3)


def test_count_confusion__takes_maps_of_any_layout() -> None:
    target, prediction = np.random.default_rng(0).integers(0, 7, (2, 200, 170)).astype(np.uint8)
    expected = count_confusion(prediction, target, 7)
    np.testing.assert_array_equal(count_confusion(prediction.T, target.T, 7), expected)
    np.testing.assert_array_equal(
        count_confusion(prediction[::-1, ::-1], np.flip(target, axis=(0, 1)).copy(), 7), expected
    )
