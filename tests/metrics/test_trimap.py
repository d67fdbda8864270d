import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from terrazzo.core import RequestError
from terrazzo.metrics import ConfusionCounts
from terrazzo.metrics.outlines import outline
from terrazzo.metrics.scores import Margins, mean_iou
from terrazzo.metrics.trimap import Trimap, boundary_distance
from tests.metrics.judging import blobs, grid, labels_of, result


def test_trimap__worked_by_hand() -> None:
    found = result(Trimap(labels_of(2), widths=(2, 1)), (grid("001110"), grid("000111")))["widths"]
    one, two = found
    assert (one["width"], two["width"]) == (1, 2)
    assert [row["iou"] for row in one["per_class"]] == [0, 1 / 2]
    assert [row["iou"] for row in two["per_class"]] == [1 / 2, 2 / 3]
    assert (one["share_of_pixels"], one["share_of_errors"]) == (2 / 6, 1 / 2)
    assert (one["error_rate_within"], one["error_rate_beyond"]) == (1 / 2, 1 / 4)


def test_trimap__void_makes_boundaries_and_is_not_counted() -> None:
    found = result(Trimap(labels_of(2), widths=(1,)), (grid("111111"), grid("000.00")))["widths"][0]
    assert found["share_of_pixels"] == 2 / 5


def test_trimap__the_frame_is_no_boundary() -> None:
    found = result(Trimap(labels_of(2)), (grid("00", "00"), grid("00", "00")))["widths"][-1]
    assert (found["share_of_pixels"], found["miou"], found["error_rate_beyond"]) == (0, None, 0)


@pytest.mark.parametrize("seed", range(3))
def test_boundary_distance__is_exact(seed: int) -> None:
    _, truth = blobs(seed, 3, (60, 90))
    exact = distance_transform_edt(~outline(truth, frame=False))
    np.testing.assert_allclose(boundary_distance(truth), exact, rtol=1e-6)


def test_trimap__wide_enough_it_is_the_whole_image() -> None:
    images = [blobs(seed, 3) for seed in range(2)]
    counts = ConfusionCounts(3)
    for place, (ids, truth) in enumerate(images):
        counts.add(ids, truth, str(place))
    found = result(Trimap(labels_of(3), widths=(1000,)), *images)["widths"][0]
    assert found["miou"] == float(mean_iou(Margins.of(counts.pooled)))
    assert (found["share_of_pixels"], found["share_of_errors"], found["error_rate_beyond"]) == (1, 1, None)


def test_trimap__refuses_widths_below_a_pixel() -> None:
    for wrong in ((), (0, 4)):
        with pytest.raises(RequestError, match=r"A trimap's width is 1 pixel or more; \["):
            Trimap(labels_of(2), widths=wrong)
