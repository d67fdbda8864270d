"""The sanity check finds geometry that is broken on purpose, and lets sound geometry pass."""

from collections.abc import Callable

import numpy as np
import pytest

from terrazzo.datasets import build_dataset
from terrazzo.transforms import OPERATIONS
from terrazzo.transforms.agreement import edge_agreement, invented_labels
from terrazzo.transforms.apply import apply_alone
from terrazzo.transforms.moves import Rotate
from terrazzo.transforms.operation import Pixels

Pair = tuple[Pixels, Pixels]
MOVING = sorted(kind for kind, entry in OPERATIONS.items() if entry.family == "geometry")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [(sample["image"], sample["mask"]) for sample in build_dataset("scenes", split="train", count=4)]


def flip_image_alone(image: Pixels, mask: Pixels) -> Pair:
    return image[:, ::-1], mask


def shift_mask(image: Pixels, mask: Pixels) -> Pair:
    return image, np.roll(mask, 4, axis=1)


def turn_mask_the_other_way(image: Pixels, mask: Pixels) -> Pair:
    return (
        apply_alone(Rotate(7.0), image, mask, [], 255)[0],
        apply_alone(Rotate(-7.0), image, mask, [], 255)[1],
    )


def turn_image_alone(image: Pixels, mask: Pixels) -> Pair:
    return apply_alone(Rotate(7.0), image, mask, [], 255)[0], mask


@pytest.mark.parametrize("broken", [flip_image_alone, shift_mask, turn_mask_the_other_way, turn_image_alone])
def test_agreement__finds_a_broken_operation(broken: Callable[..., Pair], pairs: list[Pair]) -> None:
    for image, mask in pairs:
        before = edge_agreement(image, mask, 255)
        problem = edge_agreement(*broken(image, mask), 255).worse_than(before)
        assert problem is not None


@pytest.mark.parametrize("kind", MOVING)
def test_agreement__sound_operations_pass(kind: str, pairs: list[Pair]) -> None:
    for number, (image, mask) in enumerate(pairs):
        drawn = OPERATIONS[kind].draw(0.5, np.random.default_rng(number))
        if drawn is None:
            continue
        after = apply_alone(drawn, image, mask, [], 255)
        assert edge_agreement(*after, 255).worse_than(edge_agreement(image, mask, 255)) is None
        assert invented_labels(mask, after[1], 255) == []


def test_agreement__says_how_far_apart_they_are(pairs: list[Pair]) -> None:
    image, mask = pairs[0]
    moved = edge_agreement(image, np.roll(mask, (3, -2), axis=(0, 1)), 255)
    assert np.hypot(moved.offset[0] + 3, moved.offset[1] - 2) <= 1.5


def test_agreement__says_nothing_where_labels_follow_no_edges() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (80, 80, 3)).astype(np.uint8)
    mask = np.kron(rng.integers(0, 3, (8, 8)), np.ones((10, 10), np.int64)).astype(np.uint8)
    before = edge_agreement(image, mask, 255)
    assert abs(before.contrast) < 0.15
    assert edge_agreement(image[::-1], mask, 255).worse_than(before) is None


def test_invented_labels__averages_of_ids_are_found() -> None:
    before = np.array([[0, 4], [4, 0]], np.uint8)
    assert invented_labels(before, np.array([[0, 2], [4, 255]], np.uint8), 255) == [2]
