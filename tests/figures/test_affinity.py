"""The charts of an augmentation study say in words what they show."""

import math

from terrazzo.figures.affinity import Point, affinity_chart, study_scores

POINTS = [
    Point("rain", 0.5, 0.42, 0.40, 0.44, 0.9, 1.2),
    Point("rain", 1.0, 0.38, 0.36, 0.41, 0.7, 1.4),
    Point("flip", 0.5, 0.40, math.nan, math.nan, math.nan, 1.0),
]


def test_study_scores__every_trial_and_the_clean_run() -> None:
    chart = study_scores(POINTS, (0.39, 0.37, 0.41))
    assert "rain 0.5 42.0 %; rain 1 38.0 %; flip 0.5 40.0 %" in chart
    assert "without augmentation: 39.0" in chart


def test_study_scores__no_interval_is_no_crash() -> None:
    assert "<svg" in study_scores(POINTS[2:], (0.39, math.nan, math.nan))


def test_affinity_chart__leaves_out_what_has_no_affinity() -> None:
    chart = affinity_chart(POINTS)
    assert "rain 0.5: affinity 0.90, diversity 1.20; rain 1: affinity 0.70, diversity 1.40" in chart
    assert "flip" not in chart


def test_affinity_chart__of_nothing() -> None:
    assert "No trial yet" in affinity_chart(POINTS[2:])
