"""Normalisation, padding and cropping."""

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.models.pixels import IMAGENET_MEAN, IMAGENET_STD, Normalize, crop, pad_to_multiple


def test_normalize__is_imagenet_for_rgb_and_the_middle_otherwise() -> None:
    assert Normalize(3).mean.flatten().tolist() == pytest.approx(IMAGENET_MEAN)
    assert Normalize(3).std.flatten().tolist() == pytest.approx(IMAGENET_STD)
    assert Normalize(2).mean.flatten().tolist() == [127.5, 127.5]
    assert Normalize(2).std.flatten().tolist() == [64.0, 64.0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.float64])
def test_normalize__takes_raw_pixels_of_any_dtype(dtype: torch.dtype) -> None:
    normalize = Normalize(2, mean=[10.0, 20.0], std=[2.0, 4.0])
    out = normalize(torch.tensor([[[[12]], [[12]]]]).to(dtype))
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == [1.0, -2.0]


def test_normalize__takes_volumes() -> None:
    normalize = Normalize(2, mean=[10.0, 20.0], std=[2.0, 4.0])
    out = normalize(torch.full((1, 2, 2, 3, 4), 12))
    assert out.shape == (1, 2, 2, 3, 4)
    assert (out[:, 0] == 1).all()
    assert (out[:, 1] == -2).all()


def test_normalize__follows_the_dtype_of_the_network_but_computes_wide() -> None:
    normalize = Normalize(1, mean=[60000.0], std=[1000.0]).bfloat16()
    out = normalize(torch.tensor([[[[61000]]]], dtype=torch.uint16))
    assert out.dtype == torch.bfloat16
    assert out.item() == pytest.approx(1.0, abs=0.2)  # the mean itself has three digits in bfloat16
    # 65535 would overflow in float16 before the mean is taken off
    assert torch.isfinite(Normalize(1, [30000.0], [20000.0]).half()(torch.full((1, 1, 1, 1), 65535.0))).all()


def test_normalize__keeps_channels_last() -> None:
    image = torch.zeros(2, 3, 4, 5, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert Normalize(3)(image).is_contiguous(memory_format=torch.channels_last)


def test_normalize__refuses_statistics_that_do_not_fit() -> None:
    with pytest.raises(RequestError, match="mean has 3 values for 4 channels"):
        Normalize(4, mean=[1.0, 2.0, 3.0])
    with pytest.raises(RequestError, match="every value must be above 0"):
        Normalize(1, std=[0.0])


@pytest.mark.parametrize(
    ("size", "expected"), [((33, 64), (64, 64)), ((32, 32), (32, 32)), ((97, 1), (128, 32))]
)
def test_pad_to_multiple__adds_zeros_at_the_bottom_and_right(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    padded = pad_to_multiple(torch.ones(1, 2, *size), 32)
    assert padded.shape[-2:] == expected
    assert padded[..., : size[0], : size[1]].eq(1).all()
    assert padded.sum() == 2 * size[0] * size[1]


def test_crop__keeps_the_top_left() -> None:
    features = torch.arange(12.0).view(1, 1, 3, 4)
    assert crop(features, (2, 3)).tolist() == [[[[0, 1, 2], [4, 5, 6]]]]


def test_normalize__turns_channels_around_after_the_statistics() -> None:
    image = torch.tensor([30.0, 20.0, 10.0]).view(1, 3, 1, 1)
    plain = Normalize(3, [1, 2, 3], [1, 2, 3])(image).flatten().tolist()
    assert Normalize(3, [1, 2, 3], [1, 2, 3], bgr=True)(image).flatten().tolist() == plain[::-1]


def test_pad_and_crop__take_volumes() -> None:
    volume = torch.ones(1, 1, 3, 4, 5)
    padded = pad_to_multiple(volume, 4)
    assert padded.shape == (1, 1, 4, 4, 8)
    assert padded.sum() == volume.sum()
    assert torch.equal(crop(padded, (3, 4, 5)), volume)
