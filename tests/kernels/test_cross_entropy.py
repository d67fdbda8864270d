"""upsample_cross_entropy equals interpolate-then-loss in value and gradient, and void is void."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import logits_size, upsample
from terrazzo.kernels import upsample_cross_entropy

SIZES = st.one_of(
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7)),  # volumes
)
VOIDS = st.sampled_from(["none", "some", "most", "one image"])


def example(
    seed: int, size: tuple[int, ...], stride: int, *, void: str = "none", batch: int = 2, classes: int = 4
) -> tuple[Tensor, Tensor]:
    """Return random logits that want a gradient, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, *logits_size(size, stride), generator=generator) * 3
    target = torch.randint(classes, (batch, *size), generator=generator)
    share = {"none": 0.0, "some": 0.3, "most": 0.95, "one image": 0.0}[void]
    target[torch.rand(target.shape, generator=generator) < share] = 255
    if void == "one image":
        target[0] = 255
    return logits.requires_grad_(), target


def gradient_of(loss: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(loss, logits)[0]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    size=SIZES,
    stride=st.sampled_from([1, 2, 3, 4, 8]),
    void=VOIDS,
    align_corners=st.booleans(),
    weighted=st.booleans(),
    label_smoothing=st.sampled_from([0.0, 0.1]),
)
def test_upsample_cross_entropy__equals_interpolate_then_loss(
    seed: int,
    size: tuple[int, ...],
    stride: int,
    void: str,
    align_corners: bool,
    weighted: bool,
    label_smoothing: float,
) -> None:
    logits, target = example(seed, size, stride, void=void)
    if (target == 255).all():
        return  # torch's mean over nothing is nan; ours has its own test
    weight = torch.tensor([0.5, 2.0, 1.0, 3.0]) if weighted else None
    options: dict[str, Any] = {"weight": weight, "label_smoothing": label_smoothing}
    full = upsample(logits, size, stride=stride, align_corners=align_corners)
    expected = F.cross_entropy(full, target, ignore_index=255, **options)
    loss = upsample_cross_entropy(logits, target, stride=stride, align_corners=align_corners, **options)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient_of(loss, logits), gradient_of(expected, logits), atol=1e-5, rtol=1e-5)


def test_upsample_cross_entropy__worked_by_hand() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)]], [[0.0, 0.0]]]])  # p(class 0) = 1/2 and 3/4
    target = torch.tensor([[[0, 1]]])
    loss = upsample_cross_entropy(logits, target, stride=1)
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    weighted = upsample_cross_entropy(logits, target, stride=1, weight=[1.0, 3.0])
    assert weighted.item() == pytest.approx((math.log(2) + 3 * math.log(4)) / 4)


def test_upsample_cross_entropy__of_a_volume_is_that_of_its_voxels() -> None:
    logits = torch.randn(2, 3, 4, 5, 6, requires_grad=True)
    target = torch.randint(3, (2, 4, 5, 6))
    target[:, 1] = 255
    loss = upsample_cross_entropy(logits, target, stride=1)
    expected = F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient_of(loss, logits), gradient_of(expected, logits))


@pytest.mark.parametrize("target", [(2, 4, 5), (2, 4, 5, 6, 1), (1, 4, 5, 6)])
def test_upsample_cross_entropy__refuses_the_target_of_other_dimensions(target: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"or \(B, D, H, W\) for \(B, K, d, h, w\)"):
        upsample_cross_entropy(torch.zeros(2, 3, 4, 5, 6), torch.zeros(target).long(), stride=1)


@given(seed=st.integers(0, 1000), stride=st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=20)
def test_upsample_cross_entropy__void_pixels_count_for_nothing(seed: int, stride: int) -> None:
    logits, target = example(seed, (12, 8), stride)
    void = target.clone()
    void[:, :, 4:] = 255
    other_logits = logits.detach().clone()
    other_logits[..., 4 // stride + 1 :] += 100.0  # reaches no valid pixel, one logit beyond the border
    other_logits.requires_grad_()
    loss = upsample_cross_entropy(logits, void, stride=stride)
    other = upsample_cross_entropy(other_logits, void, stride=stride)
    assert torch.equal(loss, other)
    assert torch.equal(gradient_of(loss, logits), gradient_of(other, other_logits))


def test_upsample_cross_entropy__all_void_is_zero_with_zero_gradient() -> None:
    logits, target = example(0, (8, 8), 4)
    loss = upsample_cross_entropy(logits, torch.full_like(target, 255), stride=4, weight=[1.0, 1.0, 1.0, 1.0])
    assert loss.item() == 0
    assert gradient_of(loss, logits).count_nonzero() == 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_upsample_cross_entropy__takes_every_label_dtype(dtype: torch.dtype) -> None:
    logits, target = example(1, (9, 7), 2, void="some")
    expected = upsample_cross_entropy(logits, target, stride=2)
    assert torch.equal(upsample_cross_entropy(logits, target.to(dtype), stride=2), expected)


def test_upsample_cross_entropy__takes_minus_one_as_void() -> None:
    logits, target = example(1, (9, 7), 2, void="some")
    expected = upsample_cross_entropy(logits, target, stride=2)
    minus_one = torch.where(target == 255, -1, target).to(torch.int16)
    assert torch.equal(upsample_cross_entropy(logits, minus_one, stride=2, ignore_index=-1), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_upsample_cross_entropy__computes_in_float32_whatever_comes_in(dtype: torch.dtype) -> None:
    logits, target = example(2, (9, 7), 2)
    narrow = logits.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = upsample_cross_entropy(narrow, target, stride=2)
    expected = upsample_cross_entropy(narrow.float(), target, stride=2)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    assert gradient_of(loss, narrow).dtype == dtype


def test_upsample_cross_entropy__scales_its_gradient_with_what_comes_back() -> None:
    logits, target = example(3, (8, 8), 4)
    once = gradient_of(upsample_cross_entropy(logits, target, stride=4), logits)
    thrice = gradient_of(3 * upsample_cross_entropy(logits, target, stride=4), logits)
    torch.testing.assert_close(thrice, 3 * once)


def test_upsample_cross_entropy__keeps_nothing_of_full_size_for_backward() -> None:
    logits, target = example(4, (64, 64), 8)
    node: Any = upsample_cross_entropy(logits, target, stride=8).grad_fn
    assert [tensor.shape for tensor in node.saved_tensors] == [logits.shape, ()]  # gradient, its scale
    assert [following for following, _ in node.next_functions if following].pop().variable is logits


def test_upsample_cross_entropy__needs_no_gradient() -> None:
    logits, target = example(5, (8, 8), 4)
    with torch.no_grad():
        loss = upsample_cross_entropy(logits, target, stride=4)
    assert not loss.requires_grad
    assert torch.equal(loss, upsample_cross_entropy(logits, target, stride=4))


def test_upsample_cross_entropy__names_a_label_that_is_no_class() -> None:
    logits, target = example(6, (8, 8), 4)
    target[0, 0, :3] = 9
    with pytest.raises(DataError, match=r"Target holds id 9 on 3 pixels; expected 0..3 or 255 \(void\)"):
        upsample_cross_entropy(logits, target, stride=4)


def test_upsample_cross_entropy__refuses_the_wrong_number_of_weights_and_sizes() -> None:
    logits, target = example(7, (8, 8), 4)
    with pytest.raises(ValueError, match="3 class weights were given for 4 classes"):
        upsample_cross_entropy(logits, target, stride=4, weight=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="do not belong to an image of 8 x 8 at stride 2"):
        upsample_cross_entropy(logits, target, stride=2)
    with pytest.raises(ValueError, match=r"Target \(1, 8, 8\) does not belong to logits \(2, 4, 2, 2\)"):
        upsample_cross_entropy(logits, target[:1], stride=4)
