"""upsample_region_sums equals the sums over interpolated probabilities, with its gradient."""

from math import log
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import logits_size, upsample
from terrazzo.kernels import upsample_region_sums


def example(
    seed: int, size: tuple[int, ...], stride: int, *, classes: int = 4, void: float = 0.3, scale: float = 3.0
) -> tuple[Tensor, Tensor]:
    """Return random logits that want a gradient, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *logits_size(size, stride), generator=generator) * scale
    target = torch.randint(classes, (2, *size), generator=generator)
    target[torch.rand(target.shape, generator=generator) < void] = 255
    return logits.requires_grad_(), target


def agree(
    logits: Tensor, target: Tensor, *, power: int = 1, activation: Any = "softmax", **options: Any
) -> None:
    """Compare sums and gradient with what the definition says in float64."""
    sums = upsample_region_sums(logits, target, power=power, activation=activation, per_image=True, **options)
    full = upsample(logits.double(), target.shape[1:], **options)
    valid = (target != 255).unsqueeze(1)
    probs = (full.softmax(dim=1) if activation == "softmax" else full.sigmoid()) * valid
    truth = F.one_hot(target.where(target != 255, 0), full.shape[1]).movedim(-1, 1) * valid
    parts = (probs * truth, probs**power, truth.double())
    expected = torch.stack([part.flatten(2).sum(dim=2) for part in parts], dim=1)
    torch.testing.assert_close(sums.double(), expected, atol=1e-4, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0)).double()
    gradient = torch.autograd.grad((sums * weights.float()).sum(), logits)[0]
    wanted = torch.autograd.grad((expected * weights).sum(), logits)[0]
    # A logit's gradient is a sum over the pixels around it that nearly cancel out, each good to 1e-6 or so
    # where logits are near 100.
    around = min((2 * options["stride"]) ** (logits.ndim - 2), target[0].numel())
    atol = 2e-5 * float(wanted.abs().max()) + 1e-6 * around
    torch.testing.assert_close(gradient, wanted, atol=atol, rtol=1e-4)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    size=st.one_of(
        st.tuples(st.integers(3, 30), st.integers(3, 90)),
        st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7)),  # volumes
    ),
    stride=st.sampled_from([1, 2, 3, 4, 8, 16, 32]),
    align_corners=st.booleans(),
    power=st.sampled_from([1, 2]),
    activation=st.sampled_from(["softmax", "softmax", "sigmoid"]),
    void=st.sampled_from([0.0, 0.3, 1.0]),
    scale=st.sampled_from([0.1, 3.0, 20.0]),
)
def test_upsample_region_sums__is_what_the_definition_says(
    seed: int,
    size: tuple[int, ...],
    stride: int,
    align_corners: bool,
    power: int,
    activation: str,
    void: float,
    scale: float,
) -> None:
    logits, target = example(seed, size, stride, void=void, scale=scale)
    agree(logits, target, stride=stride, align_corners=align_corners, power=power, activation=activation)


@pytest.mark.parametrize("classes", [1, 2, 150, 1000])
@pytest.mark.parametrize("power", [1, 2])
def test_upsample_region_sums__of_any_number_of_classes(classes: int, power: int) -> None:
    logits, target = example(0, (9, 70), 4, classes=classes)
    agree(logits, target, stride=4, power=power)


def test_upsample_region_sums__worked_by_hand() -> None:
    logits = torch.tensor([[[[log(1.0), log(6.0)]], [[log(3.0), log(2.0)]]]])  # (1/4, 3/4) and (3/4, 1/4)
    sums = upsample_region_sums(logits, torch.tensor([[[0, 1]]]), stride=1)
    torch.testing.assert_close(sums, torch.tensor([[0.25, 0.25], [1.0, 1.0], [1.0, 1.0]]))
    squares = upsample_region_sums(logits, torch.tensor([[[0, 255]]]), stride=1, power=2)
    torch.testing.assert_close(squares, torch.tensor([[0.25, 0.0], [1 / 16, 9 / 16], [1.0, 0.0]]))


def test_upsample_region_sums__of_the_batch_are_those_of_its_images() -> None:
    logits, target = example(1, (20, 30), 4)
    pooled = upsample_region_sums(logits, target, stride=4)
    torch.testing.assert_close(
        pooled, upsample_region_sums(logits, target, stride=4, per_image=True).sum(dim=0)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_upsample_region_sums__of_half_floats_is_that_of_their_values(dtype: torch.dtype) -> None:
    logits, target = example(2, (20, 30), 4)
    narrow = logits.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        sums = upsample_region_sums(narrow, target, stride=4)
    assert torch.equal(sums, upsample_region_sums(narrow.float(), target, stride=4))
    assert torch.autograd.grad(sums.sum(), narrow)[0].dtype == dtype


def test_upsample_region_sums__does_not_depend_on_the_number_of_threads() -> None:
    logits, target = example(3, (70, 90), 4)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            sums = upsample_region_sums(logits, target, stride=4)
            results.append((sums, torch.autograd.grad(sums.square().sum(), logits)[0]))
    finally:
        torch.set_num_threads(before)
    for sums, gradient in results[1:]:
        assert torch.equal(sums, results[0][0])
        assert torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("power", [1, 2])
def test_upsample_region_sums__without_numba_is_the_same(monkeypatch: pytest.MonkeyPatch, power: int) -> None:
    monkeypatch.setattr("terrazzo.kernels.dispatch.compiled_room", lambda name: None)
    logits, target = example(4, (17, 30), 4)
    agree(logits, target, stride=4, power=power)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_upsample_region_sums__passes_gradcheck_in_float64(activation: Any) -> None:
    logits, target = example(5, (4, 6), 2)

    def sums(values: Tensor) -> Tensor:
        return upsample_region_sums(values, target, stride=2, activation=activation, power=2)

    assert torch.autograd.gradcheck(sums, logits.detach().double().requires_grad_())


def test_upsample_region_sums__refuses_what_it_does_not_know() -> None:
    logits, target = example(6, (8, 8), 4)
    with pytest.raises(ValueError, match="activation is 'tanh' and power 1; expected 'softmax' or 'sigmoid'"):
        upsample_region_sums(logits, target, stride=4, activation="tanh")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="and power 3"):
        upsample_region_sums(logits, target, stride=4, power=3)
    with pytest.raises(ValueError, match="do not belong to an image of 8 x 8 at stride 2"):
        upsample_region_sums(logits, target, stride=2)
    target[0, 0, 0] = 9
    with pytest.raises(DataError, match="Target holds id 9 on 1 pixels"):
        upsample_region_sums(logits, target, stride=4)
