"""Focal loss, hard example mining, steep logits, threads and the path without numba."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.prediction import logits_size, upsample
from terrazzo.kernels import upsample_cross_entropy


def example(
    seed: int, size: tuple[int, int], stride: int, *, classes: int = 4, void: float = 0.3, scale: float = 3.0
) -> tuple[Tensor, Tensor]:
    """Return random logits that want a gradient, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *logits_size(size, stride), generator=generator) * scale
    target = torch.randint(classes, (2, *size), generator=generator)
    target[torch.rand(target.shape, generator=generator) < void] = -1
    return logits.requires_grad_(), target


def written_out(
    logits: Tensor,
    target: Tensor,
    *,
    stride: int,
    align_corners: bool = False,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
    keep_hardest: float | tuple[float, int] | None = None,
) -> Tensor:
    """The loss from full-size logits, in float64, as the definitions say."""
    full = upsample(logits.double(), target.shape[1:], stride=stride, align_corners=align_corners)
    weight = torch.ones(full.shape[1]).double() if weight is None else weight.double()
    valid = target != -1
    factor = weight[target.clamp(min=0)] * valid
    n = F.cross_entropy(full, target, ignore_index=-1, reduction="none")
    if focal_gamma:
        far = (-torch.expm1(-n)).clamp(min=1e-30)  # where p is 1 a root has no derivative
        loss = factor * far**focal_gamma * n
    else:
        loss = F.cross_entropy(
            full, target, weight, ignore_index=-1, reduction="none", label_smoothing=label_smoothing
        )
    kept = valid
    if isinstance(keep_hardest, float):
        hardest = n[valid].sort(descending=True).values
        kept = valid & (n >= hardest[max(int(keep_hardest * len(hardest)), 1) - 1])
    elif keep_hardest is not None:
        hardest = n[valid].sort(descending=True).values
        kept = valid & ((n >= -math.log(keep_hardest[0])) | (n >= hardest[: keep_hardest[1]].min()))
    return (loss * kept).sum() / (factor * kept).sum()


def agree(logits: Tensor, target: Tensor, **options: Any) -> None:
    loss = upsample_cross_entropy(logits, target, ignore_index=-1, **options)
    expected = written_out(logits, target, **options)
    torch.testing.assert_close(loss.double(), expected, atol=1e-6, rtol=1e-5)
    gradient, wanted = (torch.autograd.grad(value, logits)[0] for value in (loss, expected))
    torch.testing.assert_close(gradient, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-4)


OPTIONS: st.SearchStrategy[dict[str, float]] = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries({"label_smoothing": st.sampled_from([0.1, 1.0])}),
    st.fixed_dictionaries({"focal_gamma": st.sampled_from([0.5, 2.0, 5.0])}),
)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 1000),
    size=st.tuples(st.integers(3, 30), st.integers(3, 90)),
    stride=st.sampled_from([1, 2, 3, 4, 8, 12, 16, 32]),
    align_corners=st.booleans(),
    weighted=st.booleans(),
    options=OPTIONS,
    keep=st.sampled_from([None, 0.25, 0.01, (0.1, 5), (0.9, 1)]),
    scale=st.sampled_from([0.1, 3.0, 60.0]),
)
def test_upsample_cross_entropy__is_what_the_definitions_say(
    seed: int,
    size: tuple[int, int],
    stride: int,
    align_corners: bool,
    weighted: bool,
    options: dict[str, float],
    keep: float | tuple[float, int] | None,
    scale: float,
) -> None:
    logits, target = example(seed, size, stride, scale=scale)
    weight = torch.tensor([0.5, 2.0, 1.0, 3.0]) if weighted else None
    if keep is not None and scale > 3:
        return  # many losses are 0 to the last bit: which of them are hardest is chance
    agree(
        logits,
        target,
        stride=stride,
        align_corners=align_corners,
        weight=weight,
        keep_hardest=keep,
        **options,
    )


@pytest.mark.parametrize("classes", [1, 2, 19, 150, 255, 1000])
@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_cross_entropy__of_any_number_of_classes(classes: int, stride: int) -> None:
    logits, target = example(0, (9, 70), stride, classes=classes)
    if classes > 1:
        agree(logits, target, stride=stride)
    else:
        assert upsample_cross_entropy(logits, target, stride=stride, ignore_index=-1).item() == 0


@pytest.mark.parametrize("stride", [4, 8])
def test_upsample_cross_entropy__of_logits_too_steep_for_a_sequence(stride: int) -> None:
    logits, target = example(1, (40, 130), stride, scale=200.0)
    agree(logits, target, stride=stride)


def test_upsample_cross_entropy__focal_worked_by_hand() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)]], [[0.0, 0.0]]]])  # p(class 0) = 1/2 and 3/4
    target = torch.tensor([[[0, 1]]])
    loss = upsample_cross_entropy(logits, target, stride=1, focal_gamma=2.0, weight=[1.0, 3.0])
    assert loss.item() == pytest.approx((0.25 * math.log(2) + 3 * 0.5625 * math.log(4)) / 4)


def test_upsample_cross_entropy__keeps_the_hardest_worked_by_hand() -> None:
    odds = torch.tensor([1.0, 3.0, 7.0, 9.0]).log().reshape(1, 1, 1, 4)  # p = 1/2, 3/4, 7/8, 9/10
    logits = torch.cat([odds, torch.zeros_like(odds)], dim=1)
    target = torch.zeros(1, 1, 4, dtype=torch.uint8)

    def loss(keep: float | tuple[float, int]) -> float:
        return upsample_cross_entropy(logits, target, stride=1, keep_hardest=keep).item()

    hardness = [-math.log(p) for p in (1 / 2, 3 / 4, 7 / 8, 9 / 10)]
    assert loss(0.5) == pytest.approx(sum(hardness[:2]) / 2)
    assert loss(0.01) == pytest.approx(hardness[0])
    assert loss((0.8, 1)) == pytest.approx(sum(hardness[:2]) / 2)
    assert loss((0.1, 3)) == pytest.approx(sum(hardness[:3]) / 3)
    assert loss((0.1, 0)) == 0
    assert loss(1.0) == pytest.approx(sum(hardness) / 4)


@pytest.mark.parametrize("keep", [0.5, (0.7, 3)])
def test_upsample_cross_entropy__mines_nothing_from_all_void(keep: float | tuple[float, int]) -> None:
    logits, target = example(2, (8, 8), 4, void=1.0)
    loss = upsample_cross_entropy(logits, target, stride=4, ignore_index=-1, keep_hardest=keep)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, logits)[0].count_nonzero() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_hardest": 0.0}, "keep_hardest is 0.0; expected a share of the pixels, above 0 up to 1"),
        ({"keep_hardest": 1.5}, "keep_hardest is 1.5"),
        ({"keep_hardest": (0.7, -1)}, r"keep_hardest is \(0.7, -1\)"),
        ({"focal_gamma": -1.0}, "focal_gamma is -1.0 and label_smoothing 0.0; expected a gamma of 0 or more"),
        ({"focal_gamma": 2.0, "label_smoothing": 0.1}, "and not both"),
    ],
)
def test_upsample_cross_entropy__refuses_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        upsample_cross_entropy(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1).long(), stride=1, **options)


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_cross_entropy__does_not_depend_on_the_number_of_threads(stride: int) -> None:
    logits, target = example(3, (70, 90), stride)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            loss = upsample_cross_entropy(logits, target, stride=stride, ignore_index=-1)
            results.append((loss, torch.autograd.grad(loss, logits)[0]))
    finally:
        torch.set_num_threads(before)
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}, {"keep_hardest": 0.3}], ids=str
)
def test_upsample_cross_entropy__without_numba_is_the_same(
    monkeypatch: pytest.MonkeyPatch, stride: int, options: dict[str, Any]
) -> None:
    monkeypatch.setattr("terrazzo.kernels.dispatch.compiled_room", lambda name: None)
    logits, target = example(4, (17, 30), stride)
    agree(logits, target, stride=stride, weight=torch.tensor([0.5, 2.0, 1.0, 3.0]), **options)


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_upsample_cross_entropy__of_half_floats_is_that_of_their_values(
    stride: int, dtype: torch.dtype
) -> None:
    logits, target = example(5, (20, 24), stride)
    narrow = logits.detach().to(dtype).requires_grad_()
    loss = upsample_cross_entropy(narrow, target, stride=stride, ignore_index=-1)
    wide = narrow.detach().float().requires_grad_()
    expected = upsample_cross_entropy(wide, target, stride=stride, ignore_index=-1)
    assert torch.equal(loss, expected)
    gradient, wanted = torch.autograd.grad(loss, narrow)[0], torch.autograd.grad(expected, wide)[0]
    assert torch.equal(gradient, wanted.to(dtype))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}], ids=str)
def test_upsample_cross_entropy__passes_gradcheck_in_float64(stride: int, options: dict[str, Any]) -> None:
    logits, target = example(6, (4, 6), stride)
    wide = logits.detach().double().requires_grad_()

    def loss(values: Tensor) -> Tensor:
        return upsample_cross_entropy(values, target, stride=stride, ignore_index=-1, **options)

    assert loss(wide).dtype == torch.float64
    assert torch.autograd.gradcheck(loss, wide)


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_upsample_cross_entropy__of_a_diverged_network_is_not_finite(stride: int, value: float) -> None:
    logits, target = example(7, (16, 16), stride)
    with torch.no_grad():
        logits[0, 0] = value
    assert not upsample_cross_entropy(logits, target, stride=stride, ignore_index=-1).isfinite()


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_cross_entropy__takes_any_memory_layout(stride: int) -> None:
    logits, target = example(8, (16, 20), stride)
    other = logits.detach().to(memory_format=torch.channels_last).requires_grad_()
    turned = target.transpose(1, 2).contiguous().transpose(1, 2)
    losses = [
        upsample_cross_entropy(a, b, stride=stride, ignore_index=-1)
        for a, b in ((logits, target), (other, turned))
    ]
    assert torch.equal(*losses)
    assert torch.equal(torch.autograd.grad(losses[0], logits)[0], torch.autograd.grad(losses[1], other)[0])
