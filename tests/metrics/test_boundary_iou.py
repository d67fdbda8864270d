from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from terrazzo.core import RequestError
from terrazzo.metrics.boundary_iou import BoundaryIou
from tests.metrics.judging import blobs, grid, labels_of, result


def test_boundary_iou__worked_by_hand() -> None:
    # 5 x 5, width 1 (2 % of the diagonal is less): the band of class 0 is the frame and around the 1.
    truth = grid("00000", "00000", "00100", "00000", "00000")
    ids = grid("00000", "00000", "00110", "00000", "00000")
    found = result(BoundaryIou(labels_of(2)), (ids, truth))
    # All 24 zeros of the truth and 23 of the prediction lie in their bands; of the ones 1 and 2.
    assert [row["iou"] for row in found["per_class"]] == [23 / 24, 1 / 2]
    assert found["miou"] == pytest.approx((23 / 24 + 1 / 2) / 2)


def test_boundary_iou__the_inside_does_not_count() -> None:
    truth = np.zeros((40, 40), dtype=np.uint8)
    truth[5:35, 5:35] = 1
    ids = truth.copy()
    ids[15:25, 15:25] = 0  # a hole: the hole's rim is a band of the prediction
    found = result(BoundaryIou(labels_of(2)), (ids, truth))
    rim, inner = 30**2 - 28**2, 12**2 - 10**2
    assert found["per_class"][1]["iou"] == pytest.approx(rim / (rim + inner))


def official_band(mask: Any, ratio: float) -> Any:
    """The authors' definition with another library: as many erosions as the width, outside all around."""
    width = max(1, round(ratio * np.hypot(*mask.shape)))
    return mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=width)


@pytest.mark.parametrize("ratio", [0.02, 0.06, 0.3])
def test_boundary_iou__equals_the_definition_class_by_class(ratio: float) -> None:
    images = [blobs(seed, 4, (33, 50)) for seed in range(3)]
    found = result(BoundaryIou(labels_of(4), ratio=ratio), *images)
    for k in range(4):
        bands = [
            (official_band((ids == k) & (truth != 255), ratio), official_band(truth == k, ratio))
            for ids, truth in images
        ]
        both, either = (sum(int(op(a, b).sum()) for a, b in bands) for op in (np.logical_and, np.logical_or))
        assert found["per_class"][k]["iou"] == both / either


def test_boundary_iou__absent_classes_are_left_out_of_the_mean() -> None:
    found = result(BoundaryIou(labels_of(3)), (grid("0011"), grid("0011")))
    assert [row["iou"] for row in found["per_class"]] == [1, 1, None]
    assert found["miou"] == 1


def test_boundary_iou__refuses_an_impossible_ratio() -> None:
    with pytest.raises(RequestError, match=r"share of the image's diagonal.*; 2 was given\. The paper takes"):
        BoundaryIou(labels_of(2), ratio=2)
