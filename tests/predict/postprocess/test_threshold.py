"""Thresholds by hand."""

import numpy as np

from terrazzo.predict.postprocess.threshold import threshold


def shares(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).T[:, :, None]


def test_threshold__of_two_classes_from_its_probability_on() -> None:
    p = shares([0.75, 0.25], [0.74, 0.26], [0.5, 0.5], [0.8, 0.2])
    assert threshold(p, {1: 0.25}).ravel().tolist() == [1, 1, 1, 0]
    assert threshold(p, {1: 0.6}).ravel().tolist() == [0, 0, 0, 0]


def test_threshold__a_class_below_its_own_is_not_given() -> None:
    p = shares([0.3, 0.2, 0.5], [0.3, 0.1, 0.6], [0.2, 0.3, 0.5])
    assert threshold(p, {2: 0.55}).ravel().tolist() == [0, 2, 1]


def test_threshold__of_several_the_one_furthest_above() -> None:
    p = shares([0.3, 0.3, 0.4], [0.6, 0.1, 0.3], [0.45, 0.1, 0.45])
    assert threshold(p, {1: 0.2, 2: 0.3}).ravel().tolist() == [1, 2, 2]


def test_threshold__where_all_have_one_the_nearest() -> None:
    p = shares([0.4, 0.6], [0.1, 0.9])
    assert threshold(p, {0: 0.5, 1: 0.8}).ravel().tolist() == [0, 1]
