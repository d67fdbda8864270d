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
