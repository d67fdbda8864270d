from typing import Any

import numpy as np
import pytest

from terrazzo.metrics import ConfusionCounts, fine_grained
from terrazzo.metrics.fine_grained import FineGrainedMeter
from tests.metrics.judging import blobs, grid, labels_of, result


def counted(*images: Any, classes: int = 3) -> ConfusionCounts:
    counts = ConfusionCounts(classes)
    for place, (ids, truth) in enumerate(images):
        counts.add(ids, truth, str(place))
    return counts


def test_fine_grained__worked_by_hand() -> None:
    images = (
        (grid("0011"), grid("0001")),  # IoU 2/3 and 1/2
        (grid("0002"), grid("0000")),  # IoU 3/4; class 2 is only predicted and does not count here
        (grid("2111"), grid("2...")),  # IoU 1; what is predicted under void does not count
        (grid("0000"), grid("....")),  # no image
    )
    found = fine_grained(counted(*images), "abc")
    assert found.images == 3
    assert found.miou_i == pytest.approx(((2 / 3 + 1 / 2) / 2 + 3 / 4 + 1) / 3)
    assert found.miou_c == pytest.approx(((2 / 3 + 3 / 4) / 2 + 1 / 2 + 1) / 3)
    assert found.miou_i_worst == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.miou_c_worst == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert [entry.images for entry in found.per_class] == [2, 1, 1]
    assert [entry.worst for entry in found.per_class] == pytest.approx([2 / 3, 1 / 2, 1])


def by_the_paper(matrices: Any, percent: float) -> tuple[float, float]:
    """mIoU^I and mIoU^C over the worst images, loop by loop as the authors' code goes."""
    per_image, per_class = [], [[] for _ in range(matrices.shape[1])]  # type: ignore[var-annotated]
    for matrix in matrices:
        ious = []
        for k, hits in enumerate(np.diag(matrix)):
            if matrix[k].sum():
                ious.append(hits / (matrix[k].sum() + matrix[:, k].sum() - hits))
                per_class[k].append(ious[-1])
        if ious:
            per_image.append(np.mean(ious))

    def lowest(values: list[float]) -> float:
        return float(np.mean(sorted(values)[: max(1, int(percent / 100 * len(values)))]))

    return lowest(per_image), float(np.mean([lowest(values) for values in per_class if values]))


def test_fine_grained__equals_the_authors_loops() -> None:
    counts = counted(*(blobs(seed, 5, (12, 14)) for seed in range(43)), classes=6)
    found = fine_grained(counts, "abcdef")
    assert (found.miou_i, found.miou_c) == pytest.approx(by_the_paper(counts.per_image, 100))
    assert (found.miou_i_worst, found.miou_c_worst) == pytest.approx(by_the_paper(counts.per_image, 5))
    tails = [by_the_paper(counts.per_image, percent) for percent in range(10, 101, 10)]
    assert (found.miou_i_tails, found.miou_c_tails) == pytest.approx(tuple(np.mean(tails, axis=0)))
    assert np.isnan(found.per_class[5].iou)


def test_fine_grained__the_meter_says_what_the_function_says() -> None:
    images = [blobs(seed) for seed in range(5)]
    assert (
        result(FineGrainedMeter(labels_of(3)), *images)
        == fine_grained(counted(*images), labels_of(3).names).to_json()
    )


def test_fine_grained__of_nothing_is_undefined() -> None:
    found = fine_grained(ConfusionCounts(2), "ab").to_json()
    assert (found["images"], found["miou_i"], found["miou_c_worst"], found["miou_i_tails"]) == (
        0,
        *[None] * 3,
    )
