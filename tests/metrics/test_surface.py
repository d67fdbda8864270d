from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import directed_hausdorff

from terrazzo.core import RequestError
from terrazzo.metrics.outlines import blanked, outline
from terrazzo.metrics.surface import SurfaceDistances, average_distance, hausdorff95, outline_distances
from tests.metrics.judging import blobs, grid, judge, labels_of, result


def distances(ids: Any, truth: Any, classes: int) -> dict[int, Any]:
    labels = labels_of(classes)
    there, found = blanked(judge(ids, truth), labels)
    return {k: (a, b) for k, a, b in outline_distances(found, there, labels)}


def test_surface__worked_by_hand() -> None:
    truth = grid("000000", "000000", "010000", "000000", "000000")
    ids = grid("000000", "000000", "000010", "000000", "000000")
    found = result(SurfaceDistances(labels_of(2), tolerance=2), (ids, truth))["per_class"][1]
    assert (found["hausdorff95"], found["average_distance"], found["boundary_f1"]) == (3, 3, 0)
    found = result(SurfaceDistances(labels_of(2), tolerance=3), (ids, truth))["per_class"][1]
    assert found["boundary_f1"] == 1
    # Two predicted pixels 0 and 2 from the only true one; it is 0 from the nearest.
    ids = grid("000000", "000000", "010100", "000000", "000000")
    found = result(SurfaceDistances(labels_of(2), tolerance=1), (ids, truth))["per_class"][1]
    assert found["hausdorff95"] == pytest.approx(1.9)  # the 95th percentile of (0, 2)
    assert found["average_distance"] == pytest.approx(2 / 3)
    assert found["boundary_f1"] == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_surface__the_outline_has_frame_and_void_in_it() -> None:
    assert outline(grid("0000", "0000", "0000")).astype(int).tolist() == [[1] * 4, [1, 0, 0, 1], [1] * 4]
    assert outline(grid("000", "000", "00."), frame=False).astype(int).tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 1],
    ]


def test_surface__one_sided_classes_are_a_diagonal_off_and_absent_ones_not_counted() -> None:
    empty, both = grid("0000", "0000", "0000"), grid("0000", "0110", "0000")
    found = result(SurfaceDistances(labels_of(3)), (empty, both), (both, empty), (both, both), (empty, empty))
    one = found["per_class"][1]
    assert [one[f"images_{kind}"] for kind in ("both", "missed", "invented", "absent")] == [1, 1, 1, 1]
    assert one["hausdorff95"] == one["average_distance"] == pytest.approx(2 * 5 / 3)
    assert one["boundary_f1"] == pytest.approx(1 / 3)
    assert (one["hausdorff95_where_both"], one["boundary_f1_where_both"]) == (0, 1)
    never = found["per_class"][2]
    assert (never["hausdorff95"], never["boundary_f1"], never["images_absent"]) == (None, None, 4)
    zero = found["per_class"][0]["hausdorff95"]
    assert found["hausdorff95"] == pytest.approx((zero + 10 / 3) / 2)


def test_surface__boundary_f1_per_image_averages_classes_first() -> None:
    two, one = grid("0011", "0011"), grid("0000", "0000")
    found = result(SurfaceDistances(labels_of(2)), (two, two), (one, one))
    assert found["boundary_f1_per_image"] == 1
    found = result(SurfaceDistances(labels_of(2), tolerance=9), (one, two), (one, one))
    assert found["boundary_f1_per_image"] == pytest.approx((0.5 + 1) / 2)


@pytest.mark.filterwarnings("ignore")  # MONAI's own
@pytest.mark.parametrize("seed", range(6))
def test_surface__equals_monai_where_both_have_the_class(seed: int) -> None:
    monai: Any = import_module("monai.metrics")

    ids, truth = blobs(seed, 4, (41, 37))
    valid = truth != 255
    one_hot = [
        torch.from_numpy(np.stack([(part == k) & valid for k in range(4)])[None].astype(np.float32))
        for part in (ids, truth)
    ]
    hd95 = monai.compute_hausdorff_distance(*one_hot, include_background=True, percentile=95)[0]
    average = monai.compute_average_surface_distance(*one_hot, include_background=True, symmetric=True)[0]
    found = distances(ids, truth, 4)
    assert len(found) >= 3
    for k, sides in found.items():
        assert hausdorff95(*sides) == pytest.approx(float(hd95[k]), rel=1e-6)
        assert average_distance(*sides) == pytest.approx(float(average[k]), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_surface__the_largest_distance_is_scipys_directed_hausdorff(seed: int) -> None:
    ids, truth = blobs(seed, 3, void=False)
    edges = [outline(part) for part in (ids, truth)]
    for k, (found, there) in distances(ids, truth, 3).items():
        points = [np.argwhere(edge & (part == k)) for edge, part in zip(edges, (ids, truth), strict=True)]
        assert found.max() == directed_hausdorff(points[0], points[1])[0]
        assert there.max() == directed_hausdorff(points[1], points[0])[0]
        assert (found.size, there.size) == (len(points[0]), len(points[1]))


def test_surface__a_model_that_finds_less_is_not_rewarded() -> None:
    truth = grid("00000000", "01100000", "01100000", "00000000")
    close, nothing = grid("00000000", "00110000", "00110000", "00000000"), np.zeros_like(truth)
    better, worse = (result(SurfaceDistances(labels_of(2)), (ids, truth)) for ids in (close, nothing))
    assert better["per_class"][1]["hausdorff95"] == 1
    assert worse["per_class"][1]["hausdorff95"] == pytest.approx(np.hypot(4, 8))
    assert worse["per_class"][1]["hausdorff95_where_both"] is None


def test_surface__refuses_a_negative_tolerance() -> None:
    with pytest.raises(RequestError, match="tolerance of the boundary F1 is 0 pixels or more; -1 was given"):
        SurfaceDistances(labels_of(2), tolerance=-1)
