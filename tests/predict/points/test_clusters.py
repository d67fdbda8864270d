"""Clusters: the scaling, the division, what is seen behind, and the score."""

import sys

import numpy as np
import pytest

from terrazzo.core.errors import DataError, MissingExtraError, RequestError
from terrazzo.predict.points import (
    Prior,
    Projection,
    Recovery,
    Settings,
    assign,
    cluster,
    drop_behind,
    range_scaled,
    recovery,
)


def blob(place: tuple[float, float, float], spread: float, count: int = 40, seed: int = 0) -> np.ndarray:
    return np.array(place) + np.random.default_rng(seed).uniform(-spread, spread, (count, 3))


def test_range_scaled__near_the_scanner_distances_are_metres() -> None:
    near = np.random.default_rng(0).uniform(-5, 5, (50, 3))
    scaled = range_scaled(near)
    metres = np.linalg.norm(near[:, None] - near, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(scaled[:, None] - scaled, axis=-1), metres, atol=1e-12)


@pytest.mark.parametrize("away", [(20.0, 0, 0), (-30.0, 30, 2), (0, 0.1, 60.0), (10.5, 0, 0)])
@pytest.mark.parametrize("step", [(0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3), (0.2, -0.1, 0.2)])
def test_range_scaled__beyond_they_shrink_with_the_range(
    away: tuple[float, float, float], step: tuple[float, float, float]
) -> None:
    pair = np.array([away, np.add(away, step)])
    first, second = np.linalg.norm(pair, axis=1)
    one, other = range_scaled(pair)
    expected = np.linalg.norm(step) * 10 / np.sqrt(first * second)
    np.testing.assert_allclose(np.linalg.norm(one - other), expected, rtol=1e-3)


def test_range_scaled__has_no_jump_at_the_reference() -> None:
    one, other = range_scaled(np.array([[9.9999, 0, 0], [10.0001, 0, 0]]))
    assert np.linalg.norm(one - other) < 3e-4


def test_cluster__one_reach_serves_near_and_far() -> None:
    """Points 0.8 m apart are neighbours at 50 m and none at 5 m."""
    near = np.array([[5, 0.8 * i, 0.0] for i in range(-3, 4)])
    far = np.array([[50, 0.8 * i, 0.0] for i in range(-3, 4)])
    found = cluster(
        np.concatenate([near, far]), np.zeros(14, dtype=np.int32), [0], Settings(reach=0.5, min_points=3)
    )
    assert found.tolist() == [-1] * 7 + [0] * 7


FOUR = np.concatenate(
    [blob((30, 0, 0), 0.4), blob((6, 4, 0), 0.2), blob((12, 0, 0), 0.2), blob((12, 0.3, 0), 0.2)]
)
"""The last two touch and are of two classes."""


def test_cluster__classes_are_divided_one_by_one_and_numbered_from_near_to_far() -> None:
    labels = np.repeat([0, 0, 0, 1], 40)
    found = cluster(FOUR, labels, [0, 1])
    assert [np.unique(found[i : i + 40]).tolist() for i in range(0, 160, 40)] == [[3], [0], [1], [2]]
    assert cluster(FOUR, labels, [1]).tolist() == [-1] * 120 + [0] * 40


def test_cluster__hdbscan_divides_no_further_than_the_reach() -> None:
    labels = np.repeat([0, 0, 0, 1], 40)
    np.testing.assert_array_equal(
        cluster(FOUR, labels, [0, 1], Settings("hdbscan")), cluster(FOUR, labels, [0, 1])
    )


def test_cluster__hdbscan_finds_what_is_sparser_than_the_reach() -> None:
    sparse = np.concatenate([blob((28, 4, 0), 2, seed=1), blob((28, -4, 0), 2, seed=2)])
    labels = np.zeros(80, dtype=np.int32)
    assert cluster(sparse, labels, [0], Settings("dbscan", reach=0.05)).max() == -1
    found = cluster(sparse, labels, [0], Settings("hdbscan", reach=0.05, min_points=20)).reshape(2, 40)
    commonest = [int(np.bincount(part + 1).argmax()) - 1 for part in found]
    assert sorted(commonest) == [0, 1]


def test_cluster__few_points_and_none_are_no_cluster() -> None:
    assert cluster(np.zeros((0, 3)), np.zeros(0, dtype=np.int32), [0, 1]).tolist() == []
    assert cluster(np.zeros((4, 3)), np.zeros(4, dtype=np.int32), [0]).tolist() == [-1] * 4


def test_cluster__without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'terrazzo\[points\]'"):
        cluster(blob((5, 0, 0), 0.1), np.zeros(40, dtype=np.int32), [0])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"method": "dbscann"}, "Unknown clustering 'dbscann': did you mean 'dbscan'?"),
        ({"reach": 0.0}, "The reach is 0.0 m; expected more than 0"),
        ({"min_points": 1}, "At least 1 points make a cluster; expected 2 or more"),
    ],
)
def test_settings__refuse_what_cannot_be(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        Settings(**settings)  # type: ignore[arg-type]
    assert sentence in str(caught.value)


def at(row: list[int], column: list[int]) -> Projection:
    return Projection(
        np.ones(len(row), dtype=np.bool_),
        np.array(row),
        np.array(column),
        np.ones(len(row), dtype=np.float64),
    )


def test_assign__void_and_outside_have_no_class_and_no_confidence() -> None:
    ids = np.array([[0, 1], [255, 2]], dtype=np.uint8)
    seen = at([0, 0, 1, 1], [0, 1, 0, 1])
    seen.inside[1] = False
    labels, confidence = assign(Prior(ids, np.array([[0.5, 0.6], [0.7, 0.8]], dtype=np.float32), 255), seen)
    assert labels.tolist() == [0, -1, -1, 2]
    np.testing.assert_allclose(confidence, [0.5, 0, 0, 0.8], rtol=1e-6)


def test_assign__no_point_in_the_frame_is_one_sentence() -> None:
    seen = at([0, 0, 0], [0, 0, 0])
    seen.inside[:] = False
    prior = Prior(np.zeros((4, 6), dtype=np.uint8), np.ones((4, 6), dtype=np.float32), 255)
    with pytest.raises(DataError, match=r"None of the 3 points falls into the image \(6 x 4 pixels\)"):
        assign(prior, seen)


def test_assign__erosion_takes_both_sides_of_a_border() -> None:
    ids = np.repeat(np.array([[0] * 5 + [1] * 5], dtype=np.uint8), 3, axis=0)
    seen = at([1] * 10, list(range(10)))
    labels, _ = assign(Prior(ids, np.ones(ids.shape, dtype=np.float32), 255), seen, erode=2)
    assert labels.tolist() == [0] * 3 + [-1] * 4 + [1] * 3


def test_drop_behind__what_is_seen_through_a_nearer_one_goes_and_the_rest_is_renumbered() -> None:
    row = [0, 100, 50, 60, 50, 60, 50, 60]
    column = [0, 100, 40, 60, 90, 130, 40, 60]
    clusters = np.array([0, 0, 1, 1, 2, 2, 3, 3], dtype=np.int32)
    labels = np.array([5, 5, 5, 5, 5, 5, 6, 6])  # 1 is within 0; 2 sticks out; 3 is of another class
    assert drop_behind(clusters, labels, at(row, column)).tolist() == [0, 0, -1, -1, 1, 1, 2, 2]


def test_drop_behind__what_is_nearer_stays_though_it_is_within() -> None:
    clusters = np.array([0, 0, 1, 1], dtype=np.int32)
    seen = at([50, 60, 0, 100], [40, 60, 0, 100])
    assert drop_behind(clusters, np.zeros(4, dtype=np.int32), seen).tolist() == [0, 0, 1, 1]


def test_recovery__more_than_half_of_the_union_is_needed() -> None:
    clusters = np.array([0, 0, 0, 1, 1, 2, 2, -1], dtype=np.int32)
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=np.bool_)  # 3 of 4 with cluster 0
    second = np.array([0, 0, 0, 0, 1, 0, 0, 1], dtype=np.bool_)  # 1 of 3 with cluster 1
    scored = recovery(clusters, [first, second], [])
    assert scored == Recovery(boxes=2, clusters=3, recovered=1)
    assert (scored.precision, scored.recall) == (1 / 3, 1 / 2)
    half = np.array([1, 1, 1, 1, 1, 1, 0, 0], dtype=np.bool_)
    assert recovery(clusters, [half], []).recovered == 0


def test_recovery__clusters_of_other_objects_count_for_nothing() -> None:
    clusters = np.array([0, 0, 1, 1], dtype=np.int32)
    other = np.array([0, 0, 1, 1], dtype=np.bool_)
    wanted = np.array([1, 1, 0, 0], dtype=np.bool_)
    assert recovery(clusters, [wanted], [other]) == Recovery(1, 1, 1)
    assert recovery(clusters, [], [other]) + Recovery(1, 2, 1) == Recovery(1, 3, 1)
    assert Recovery().to_json() == {
        "boxes": 0,
        "clusters": 0,
        "recovered": 0,
        "precision": None,
        "recall": None,
    }
