from typing import Any

import numpy as np

from terrazzo.evaluate.explorer.rows import image_row, model_row, only_right

MATRIX = np.array([[60, 10, 0, 0], [20, 0, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
"""Class 1 and 2 are never found, class 3 is absent."""


def test_model_row__has_scores_pairs_and_the_worst_class() -> None:
    assert model_row(MATRIX) == {
        "miou": round((60 / 95 + 0 + 0) / 3, 6),
        "accuracy": round(60 / 95, 6),
        "iou": {0: round(60 / 95, 6), 1: 0.0, 2: 0.0},
        "worst": 1,  # of the two that are never found the larger
        "pairs": [[1, 0, round(20 / 95, 6)], [0, 1, round(10 / 95, 6)], [2, 0, round(5 / 95, 6)]],
    }


def test_model_row__a_class_that_is_only_predicted_is_not_the_worst() -> None:
    row = model_row(np.array([[90, 1], [0, 0]]))
    assert row["iou"] == {0: round(90 / 91, 6), 1: 0.0}
    assert row["worst"] == 0


def test_model_row__of_void_alone_has_no_numbers() -> None:
    expected: dict[str, Any] = {"miou": None, "accuracy": None, "iou": {}, "worst": None, "pairs": []}
    assert model_row(np.zeros((3, 3), np.int64)) == expected


def test_model_row__a_single_wrong_pixel_is_kept() -> None:
    row = model_row(np.array([[10**9, 1], [0, 5]]))
    assert [pair[:2] for pair in row["pairs"]] == [[0, 1]]
    assert row["pairs"][0][2] > 0


def test_image_row__shares_are_of_the_true_pixels() -> None:
    row = image_row("x", None, "00000", (4, 5), [MATRIX])
    assert row["truth"] == {0: round(70 / 95, 6), 1: round(20 / 95, 6), 2: round(5 / 95, 6)}


def test_only_right__counts_no_void() -> None:
    truth = np.array([[0, 1, 1, 255]])
    answers = [np.array([[0, 1, 0, 0]]), np.array([[0, 0, 1, 255]])]
    assert only_right(answers, truth, 255) == [round(1 / 3, 6), round(1 / 3, 6)]
    assert only_right([answers[0], np.zeros_like(truth)], truth, 255) == [round(1 / 3, 6), 0.0]
