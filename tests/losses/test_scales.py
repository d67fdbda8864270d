"""Labels brought to the scale of the logits."""

from typing import Any

import pytest
import torch

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import Auxiliary, Prediction
from terrazzo.losses.config import LossPart, build_loss
from terrazzo.losses.pixel import cross_entropy
from terrazzo.losses.scales import multi_scale, nearest_labels


def columns(width: int) -> torch.Tensor:
    return torch.arange(width).expand(1, 2, width)


@pytest.mark.parametrize(
    ("width", "stride", "expected"),
    [
        (8, 4, [2, 6]),
        (7, 4, [2, 6]),
        (6, 4, [2, 5]),  # the second point lies in the padding
        (9, 3, [1, 4, 7]),
        (5, 1, [0, 1, 2, 3, 4]),
        (5, 2, [1, 3, 4]),
    ],
)
def test_nearest_labels__are_at_the_centre_of_each_cell(width: int, stride: int, expected: list[int]) -> None:
    assert nearest_labels(columns(width), stride=stride)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("width", "stride", "expected"), [(8, 4, [0, 7]), (7, 4, [0, 6]), (12, 4, [0, 6, 11]), (3, 4, [0])]
)
def test_nearest_labels__with_aligned_corners_reach_the_ends(
    width: int, stride: int, expected: list[int]
) -> None:
    assert nearest_labels(columns(width), stride=stride, align_corners=True)[0, 0].tolist() == expected


def test_nearest_labels__shrink_every_side() -> None:
    target = torch.arange(5 * 6 * 7).view(1, 5, 6, 7)
    assert torch.equal(
        nearest_labels(target, stride=2), target[:, [1, 3, 4]][:, :, [1, 3, 5]][..., [1, 3, 5, 6]]
    )


def test_multi_scale__is_cross_entropy_with_labels_at_the_scale_of_the_logits() -> None:
    logits, target = torch.randn(2, 3, 2, 2), torch.randint(3, (2, 8, 7))
    target[0, :4] = 255
    options: dict[str, Any] = {"weight": [1.0, 2.0, 3.0], "label_smoothing": 0.1}
    expected = cross_entropy(logits, target[:, 2::4, 2::4], stride=1, **options)
    torch.testing.assert_close(multi_scale(logits, target, stride=4, **options), expected)


def test_multi_scale__the_other_way_is_cross_entropy() -> None:
    logits, target = torch.randn(2, 3, 2, 2), torch.randint(3, (2, 8, 7))
    options: dict[str, Any] = {"weight": [1.0, 2.0, 3.0], "label_smoothing": 0.1, "align_corners": True}
    expected = cross_entropy(logits, target, stride=4, **options)
    assert torch.equal(multi_scale(logits, target, stride=4, resize="logits", **options), expected)


def test_multi_scale__looks_at_all_labels() -> None:
    target = torch.zeros(1, 8, 8, dtype=torch.uint8)
    target[0, 0, 0] = 9  # between the points
    with pytest.raises(DataError, match="Target holds id 9 on 1 pixels"):
        multi_scale(torch.zeros(1, 2, 2, 2), target, stride=4)


def test_multi_scale__brings_labels_to_every_output() -> None:
    target = torch.randint(3, (2, 16, 16))
    main, coarse = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 4, 4)
    prediction = Prediction(main, 2, (16, 16), auxiliary=(Auxiliary(coarse, 4, 0.4),))
    total, _ = build_loss([LossPart(kind="multi_scale")])(prediction, target)
    expected = cross_entropy(main, target[:, 1::2, 1::2], stride=1)
    expected = expected + 0.4 * cross_entropy(coarse, target[:, 2::4, 2::4], stride=1)
    torch.testing.assert_close(total, expected)
