"""Logits at output stride and how they are read at full size."""

import pytest
import torch
from torch.nn import functional as F

from terrazzo.core.prediction import Prediction, logits_size, upsample


@pytest.mark.parametrize(("size", "stride", "expected"), [((97, 131), 4, (25, 33)), ((96, 128), 4, (24, 32))])
def test_logits_size__rounds_up(size: tuple[int, int], stride: int, expected: tuple[int, int]) -> None:
    assert logits_size(size, stride) == expected


def test_upsample__is_interpolation_where_nothing_is_cropped() -> None:
    logits = torch.randn(2, 3, 4, 5)
    expected = F.interpolate(logits, size=(16, 20), mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample(logits, (16, 20), stride=4), expected)


def test_upsample__of_a_smaller_image_is_the_same_inside() -> None:
    logits = torch.randn(1, 3, 4, 5)
    torch.testing.assert_close(
        upsample(logits, (13, 18), stride=4), upsample(logits, (16, 20), stride=4)[..., :13, :18]
    )


def test_upsample__at_stride_one_is_the_logits() -> None:
    logits = torch.randn(1, 3, 7, 5)
    assert upsample(logits, (7, 5), stride=1) is logits


def test_upsample__refuses_logits_of_another_size() -> None:
    with pytest.raises(
        ValueError, match="4 x 5 do not belong to an image of 20 x 20 at stride 4: expected 5 x 5"
    ):
        upsample(torch.zeros(1, 2, 4, 5), (20, 20), stride=4)


def test_prediction__full_size_is_float32_and_follows_align_corners() -> None:
    logits = torch.randn(1, 2, 3, 3).bfloat16()
    prediction = Prediction(logits, stride=2, size=(5, 6), align_corners=True)
    expected = F.interpolate(logits.float(), size=(6, 6), mode="bilinear", align_corners=True)[..., :5, :]
    assert prediction.full_size().dtype == torch.float32
    torch.testing.assert_close(prediction.full_size(), expected)
