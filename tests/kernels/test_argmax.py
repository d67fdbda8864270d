"""upsample_argmax equals interpolate-then-argmax."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from terrazzo.core.prediction import logits_size, upsample
from terrazzo.kernels import upsample_argmax


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    size=st.one_of(
        st.tuples(st.integers(1, 17), st.integers(1, 17)),
        st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8)),  # volumes
    ),
    stride=st.sampled_from([1, 2, 4, 8]),
    align_corners=st.booleans(),
)
def test_upsample_argmax__equals_interpolate_then_argmax(
    seed: int, size: tuple[int, ...], stride: int, align_corners: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, *logits_size(size, stride), generator=generator)
    labels = upsample_argmax(logits, size, stride=stride, align_corners=align_corners)
    full = upsample(logits, size, stride=stride, align_corners=align_corners)
    # Where two classes are equal to the last bits either may win: the winner must reach the maximum.
    reached = full.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(reached, full.amax(dim=1), atol=1e-5, rtol=1e-5)
    assert labels.dtype == torch.uint8


def test_upsample_argmax__of_a_volume_is_that_of_its_voxels() -> None:
    logits = torch.randn(2, 7, 3, 4, 5)
    assert torch.equal(upsample_argmax(logits, (3, 4, 5), stride=1), logits.argmax(dim=1).to(torch.uint8))


def test_upsample_argmax__does_not_depend_on_the_batch() -> None:
    logits = torch.randn(3, 7, 6, 5)
    together = upsample_argmax(logits, (23, 19), stride=4)
    alone = torch.cat([upsample_argmax(one, (23, 19), stride=4) for one in torch.split(logits, 1)])
    assert torch.equal(together, alone)


def test_upsample_argmax__is_int16_beyond_255_classes() -> None:
    logits = torch.zeros(1, 300, 2, 2)
    logits[:, 299] = 1
    labels = upsample_argmax(logits, (2, 2), stride=1)
    assert labels.dtype == torch.int16
    assert (labels == 299).all()


def test_upsample_argmax__takes_bfloat16_under_autocast() -> None:
    logits = torch.randn(1, 4, 5, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        labels = upsample_argmax(logits, (20, 20), stride=4)
    assert torch.equal(labels, upsample_argmax(logits.float(), (20, 20), stride=4))


def test_upsample_argmax__refuses_logits_of_another_image() -> None:
    with pytest.raises(ValueError, match="do not belong to an image of 9 x 8"):
        upsample_argmax(torch.zeros(1, 2, 2, 2), (9, 8), stride=4)


@pytest.mark.parametrize("classes", [1, 2, 19, 255, 300])
@pytest.mark.parametrize(("stride", "size"), [(1, (37, 41)), (4, (130, 75)), (12, (50, 130)), (32, (70, 90))])
@pytest.mark.parametrize("align_corners", [False, True])
def test_upsample_argmax__of_large_and_odd_images(
    classes: int, stride: int, size: tuple[int, int], align_corners: bool
) -> None:
    logits = torch.randn(2, classes, *logits_size(size, stride), generator=torch.Generator().manual_seed(0))
    labels, chance = upsample_argmax(
        logits, size, stride=stride, align_corners=align_corners, probability="float16"
    )
    full = upsample(logits.double(), size, stride=stride, align_corners=align_corners)
    reached = full.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(reached, full.amax(dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(chance.double(), full.softmax(dim=1).amax(dim=1), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_argmax__gives_the_lowest_of_equal_classes(stride: int) -> None:
    logits = torch.randn(1, 1, 5, 6).expand(1, 4, 5, 6).clone()
    logits[:, 0] -= 1
    assert set(upsample_argmax(logits, (5 * stride, 6 * stride), stride=stride).flatten().tolist()) == {1}


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_argmax__gives_the_probability_of_the_winner(stride: int) -> None:
    logits = torch.tensor([1.0, 3.0, 2.0]).log().reshape(1, 3, 1, 1).expand(1, 3, 3, 3)
    options = {"size": (3 * stride, 3 * stride), "stride": stride}
    _, chance = upsample_argmax(logits, **options, probability="float16")  # type: ignore[call-overload]
    assert chance.dtype == torch.float16
    torch.testing.assert_close(chance.float(), torch.full(chance.shape, 0.5), atol=1e-3, rtol=0)
    _, steps = upsample_argmax(logits, **options, probability="uint8")  # type: ignore[call-overload]
    assert set(steps.flatten().tolist()) == {128}  # 127.5, rounded to even


def test_upsample_argmax__refuses_another_kind_of_probability() -> None:
    with pytest.raises(ValueError, match="probability is 'int4'; expected None, 'uint8' or 'float16'"):
        upsample_argmax(torch.zeros(1, 2, 1, 1), (1, 1), stride=1, probability="int4")  # type: ignore[call-overload]


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_upsample_argmax__widens_half_floats_in_float32(stride: int, dtype: torch.dtype) -> None:
    logits = torch.randn(3, 9, 8, 8).to(dtype)
    size = (8 * stride, 8 * stride)
    labels = upsample_argmax(logits, size, stride=stride)
    assert torch.equal(labels, upsample_argmax(logits.float(), size, stride=stride))


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_argmax__takes_any_memory_layout(stride: int) -> None:
    logits = torch.randn(2, 9, 8, 8)
    size = (8 * stride, 8 * stride)
    labels = upsample_argmax(logits.to(memory_format=torch.channels_last), size, stride=stride)
    assert torch.equal(labels, upsample_argmax(logits, size, stride=stride))


@pytest.mark.parametrize("num_classes", [1, 2, 11, 300])
def test_upsample_argmax__of_full_size_logits_side_by_side(num_classes: int) -> None:
    """Networks leave a pixel's logits side by side, cut out of a padded image; small integers have ties."""
    padded = torch.randint(-3, 3, (2, num_classes, 70, 96)).float().to(memory_format=torch.channels_last)
    logits = padded[:, :, :61, :83]
    assert torch.equal(
        upsample_argmax(logits, (61, 83), stride=1), upsample_argmax(logits.contiguous(), (61, 83), stride=1)
    )
    assert torch.equal(upsample_argmax(logits, (61, 83), stride=1).long(), logits.contiguous().argmax(dim=1))


@pytest.mark.parametrize("stride", [1, 8])
def test_upsample_argmax__does_not_depend_on_the_number_of_threads(stride: int) -> None:
    logits = torch.randn(3, 7, 9, 11)
    size = (9 * stride, 11 * stride)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(upsample_argmax(logits, size, stride=stride))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("stride", [1, 4])
def test_upsample_argmax__without_numba_is_the_same(monkeypatch: pytest.MonkeyPatch, stride: int) -> None:
    logits = torch.randn(2, 7, 6, 5)
    size = (6 * stride - stride // 2, 5 * stride)
    labels, chance = upsample_argmax(logits, size, stride=stride, probability="float16")
    monkeypatch.setattr("terrazzo.kernels.dispatch.compiled_room", lambda name: None)
    plain_labels, plain_chance = upsample_argmax(logits, size, stride=stride, probability="float16")
    assert torch.equal(labels, plain_labels)
    torch.testing.assert_close(chance, plain_chance)
