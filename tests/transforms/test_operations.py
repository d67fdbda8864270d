"""Every operation: any image that it makes sense for, no label invented, the drawn object says all."""

import pickle
from typing import Any

import cv2
import numpy as np
import pytest

from terrazzo.core import RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.transforms import OPERATIONS, build_transform
from terrazzo.transforms.apply import apply_alone
from terrazzo.transforms.operation import Mix, Pixels

KINDS = sorted(OPERATIONS)
VOID = 255


def scene(seed: int = 0, channels: int = 3, dtype: Any = np.uint8) -> tuple[Pixels, Pixels]:
    """Soft noise over patches of four labels, with a void frame."""
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.integers(0, 4, (6, 8)), np.ones((8, 8), np.int64)).astype(np.uint8)
    image = 50 * mask[..., None] + rng.integers(10, 60, (48, 64, channels))
    mask[:2] = VOID
    if dtype == np.float32:
        return (image / 255).astype(np.float32), mask
    return (image * (13 if dtype == np.uint16 else 1)).astype(dtype), mask


def apply(kind: str, seed: int, amount: float, pair: tuple[Pixels, Pixels]) -> tuple[Pixels, Pixels]:
    drawn = OPERATIONS[kind].draw(amount, generator(seed, Stream.TRANSFORM))
    if drawn is None:
        return pair
    others = [
        scene(s + 7, pair[0].shape[2], pair[0].dtype.type)
        for s in range(drawn.partners if isinstance(drawn, Mix) else 0)
    ]
    return apply_alone(drawn, *pair, others, VOID)


@pytest.mark.parametrize("kind", KINDS)
def test_operation__same_numbers_same_bits_and_the_input_stays(kind: str) -> None:
    image, mask = scene()
    before = image.copy(), mask.copy()
    for seed in range(3):
        one, two = (apply(kind, seed, 0.7, (image, mask)) for _ in range(2))
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
        assert one[0].shape == image.shape
        assert one[0].dtype == np.uint8
        assert one[1].dtype == np.uint8
        assert set(np.unique(one[1]).tolist()) <= {0, 1, 2, 3, VOID}
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("kind", KINDS)
def test_operation__does_something_at_one_and_next_to_nothing_at_zero(kind: str) -> None:
    image, mask = scene()
    changes = {}
    for amount in (0.0, 1.0):
        made = [apply(kind, seed, amount, (image, mask))[0] for seed in range(4)]
        changes[amount] = max(float(np.abs(m.astype(float) - image).mean()) for m in made)
    assert changes[0.0] <= 1.0
    assert changes[1.0] > 2.0


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "jpeg"])
def test_operation__wider_types_keep_their_range_and_change_alike(kind: str, dtype: Any) -> None:
    """The same scene in another unit must look the same afterwards, up to its rounding."""
    narrow, wide = scene(), scene(dtype=dtype)
    out8, out = apply(kind, 3, 0.6, narrow)[0], apply(kind, 3, 0.6, wide)[0]
    assert out.dtype == dtype
    unit = 1 / 255 if dtype == np.float32 else 13
    # Padding has a unit of its own, and is mixed into its neighbours.
    inside = cv2.erode((out8 != 115).all(axis=2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert np.isfinite(out.astype(float)).all()
    if OPERATIONS[kind].family in ("geometry", "erasing", "mixing"):
        apart = np.abs(out.astype(float) / unit - out8)[inside]
        assert float(np.percentile(apart, 90)) <= 1.5
    else:
        assert wide[0].min() <= out.min()
        assert out.max() <= wide[0].max()


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_operation__any_channels_or_a_clear_sentence(kind: str, channels: int) -> None:
    image, mask = scene(channels=channels)
    transform = build_transform(
        "plain",
        crop=(40, 40),
        ignore_index=VOID,
        num_classes=4,
        operations=[{"kind": kind, "strength": 0.6, "probability": 1}],
    )
    wanted = OPERATIONS[kind].channels
    if wanted is not None and channels not in wanted:
        with pytest.raises(RequestError, match=rf"'{kind}' is for images of 1 or 3 channels; these have"):
            transform(image, mask, generator(0, Stream.TRANSFORM))
        return
    out, _ = transform(image, mask, generator(0, Stream.TRANSFORM))
    assert out.shape == (40, 40, channels)


def test_jpeg__sixteen_bits_are_refused() -> None:
    with pytest.raises(RequestError, match="'jpeg' is for uint8 images; these are uint16"):
        apply("jpeg", 0, 0.5, scene(dtype=np.uint16))


@pytest.mark.parametrize("kind", KINDS)
def test_operation__drawn_objects_pickle_and_are_equal(kind: str) -> None:
    one, two = (OPERATIONS[kind].draw(1.0, generator(5, Stream.TRANSFORM)) for _ in range(2))
    assert one == two
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if OPERATIONS[k].family in ("colour", "camera", "weather")]
)
def test_paint__labels_stay(kind: str) -> None:
    image, mask = scene()
    np.testing.assert_array_equal(apply(kind, 1, 1.0, (image, mask))[1], mask)
