"""Transforms of volumes: boxes, flips of both together, padding, and the cap on one class."""

from typing import Any

import numpy as np
import pytest

from terrazzo.core import RequestError
from terrazzo.transforms import build_transform
from terrazzo.transforms.volumes import cut_box


def build(crop: tuple[int, int, int] = (4, 5, 6), preset: str = "light", **options: Any) -> Any:
    return build_transform(preset, crop=crop, ignore_index=255, num_classes=3, **options)


def volume(size: tuple[int, int, int] = (9, 10, 11)) -> tuple[np.ndarray, np.ndarray]:
    """Return an image whose voxels all differ, and a mask that says which is which (modulo 250)."""
    numbers = np.arange(np.prod(size)).reshape(size)
    return numbers[..., None].astype(np.float32), (numbers % 250).astype(np.uint8)


def test_volume_transform__image_and_mask_move_together() -> None:
    image, mask = volume()
    seen = set()
    for seed in range(40):
        pixels, labels = build()(image, mask, np.random.default_rng(seed))
        assert pixels.shape == (4, 5, 6, 1)
        assert labels.shape == (4, 5, 6)
        assert (pixels[..., 0].astype(int) % 250 == labels).all()
        assert pixels.flags.c_contiguous
        steps = [np.sign(np.diff(pixels[..., 0], axis=side)).ravel()[0] for side in range(3)]
        seen.add(tuple(steps))
    assert len(seen) == 8, "each side is mirrored by itself"


def test_volume_transform__equal_generators_give_equal_bits() -> None:
    image, mask = volume()
    for preset in ("light", "standard", "strong"):
        one, other = (build(preset=preset)(image, mask, np.random.default_rng(7)) for _ in range(2))
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    plain = build()(image, mask, np.random.default_rng(7))
    assert (build(preset="standard")(image, mask, np.random.default_rng(7))[1] == plain[1]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_volume_transform__keeps_the_type(dtype: type) -> None:
    image: np.ndarray = np.random.default_rng(0).integers(0, 200, (9, 10, 11, 2)).astype(dtype)
    pixels, _ = build(preset="strong")(image, np.zeros((9, 10, 11), np.uint8), np.random.default_rng(3))
    assert pixels.dtype == dtype
    assert pixels.shape == (4, 5, 6, 2)


def test_volume_transform__around_a_small_volume_is_its_darkest_value_and_void() -> None:
    image: np.ndarray = np.full((2, 20, 20, 1), -7, dtype=np.float32)
    mask = np.ones((2, 20, 20), dtype=np.uint8)
    image[0, 0, 0] = -1000
    pixels, labels = build((5, 8, 8))(image, mask, np.random.default_rng(0))
    inside = labels == 1
    assert inside.sum() == 2 * 8 * 8
    assert set(np.unique(labels)) == {1, 255}
    assert (pixels[~inside] == -1000).all()


def test_volume_transform__of_boxes_with_too_much_of_one_class_the_best_is_taken() -> None:
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[18:22, 18:22, 18:22] = 1
    image = np.zeros((40, 40, 40, 1), np.float32)

    def share(max_share: float) -> float:
        made = [
            build((10, 10, 10), max_share=max_share)(image, mask, np.random.default_rng(s))[1]
            for s in range(60)
        ]
        return float(np.mean([labels.any() for labels in made]))

    assert share(0.75) > 2.5 * share(1.0)


def test_cut_box__reaches_over_every_side() -> None:
    array = np.arange(8).reshape(2, 2, 2)
    box = cut_box(array, (-1, 0, 1), (4, 2, 2), -9)
    assert box[1].tolist() == [[1, -9], [3, -9]]
    assert box[2].tolist() == [[5, -9], [7, -9]]
    assert (box[[0, 3]] == -9).all()


def test_build_volume_transform__impossible_requests() -> None:
    with pytest.raises(RequestError, match="have no option 'scale': Known"):
        build(scale=(1, 2))
    with pytest.raises(RequestError, match=r"flip is 1\.5; expected"):
        build(flip=1.5)
    with pytest.raises(RequestError, match="Unknown transform preset 'lihgt': did you mean 'light'"):
        build(preset="lihgt")
    with pytest.raises(RequestError, match="expected voxels"):
        build((0, 4, 4))


def test_build_volume_transform__operations_are_for_images() -> None:
    with pytest.raises(RequestError, match=r"operations lists fog, but operations are for images and these"):
        build(operations=[{"kind": "fog"}])
