"""The built-in scenes: exact labels, variety, a long tail, and no short cut by colour."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.core import RequestError
from terrazzo.datasets.scenery.canvas import Label
from terrazzo.datasets.scenery.lens import with_void
from terrazzo.datasets.scenes import LABELS, Scenes


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Forty scenes, kept in memory."""
    return Scenes("train", count=40, size=(120, 160), cache=True)


def test_scenes__default_counts_and_sizes() -> None:
    assert [len(Scenes(split)) for split in ("train", "val", "test", "all")] == [256, 64, 64, 384]
    assert Scenes()[0]["image"].shape == (160, 224, 3)


@pytest.mark.parametrize("size", [(32, 32), (33, 97), (97, 33), (240, 120)])
def test_scenes__any_size(size: tuple[int, int]) -> None:
    for sample in Scenes(size=size, count=3):
        assert sample["image"].shape == (*size, 3)
        assert sample["mask"].shape == size


def test_scenes__labels_are_those_of_the_canvas() -> None:
    assert LABELS.names == tuple(label.name.lower() for label in Label)


def test_scenes__long_tail(scenes: Scenes) -> None:
    counts = np.zeros(256, dtype=np.int64)
    for sample in scenes:
        counts += np.bincount(sample["mask"].ravel(), minlength=256)
    share = counts[:9] / counts[:9].sum()
    assert (share > 0.002).all(), dict(zip(LABELS.names, share.round(4), strict=True))
    assert share.max() / share.min() > 20
    assert counts[9:255].sum() == 0


def test_scenes__void_is_at_borders_and_along_the_frame(scenes: Scenes) -> None:
    for sample in [scenes[i] for i in range(5)]:
        mask = sample["mask"]
        frame = np.ones(mask.shape, dtype=bool)
        frame[2:-2, 2:-2] = False
        assert (mask[frame] == 255).all()
        right, down = mask[:, :-1] != mask[:, 1:], mask[:-1] != mask[1:]
        assert ((mask[:, :-1] == 255) | (mask[:, 1:] == 255))[right].all()
        assert ((mask[:-1] == 255) | (mask[1:] == 255))[down].all()


def test_scenes__image_changes_where_the_labels_do(scenes: Scenes) -> None:
    """Shifted or mirrored, the borders between labels lie on quieter places of the image."""

    def steps_at_borders(change: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
        steps = []
        for sample in [scenes[i] for i in range(20)]:
            grey = sample["image"].mean(axis=2)[4:-4, 4:-4]
            border = change(sample["mask"][4:-4, 4:-4]) == 255
            steps.append(np.hypot(*np.gradient(grey))[border].mean())
        return float(np.mean(steps))

    fits = steps_at_borders(lambda mask: mask)
    assert fits > 1.5 * steps_at_borders(lambda mask: mask[::-1])
    assert fits > 1.5 * steps_at_borders(lambda mask: mask[:, ::-1])
    for shift in (-2, 2):
        for axis in (0, 1):
            assert fits > 1.1 * steps_at_borders(partial(np.roll, shift=shift, axis=axis))


def test_with_void__two_pixels_at_a_border() -> None:
    label = np.zeros((9, 12), dtype=np.uint8)
    label[:, 6:] = 1
    assert with_void(label)[4].tolist() == [255, 255, 0, 0, 0, 255, 255, 1, 1, 1, 255, 255]


def test_scenes__no_two_are_alike(scenes: Scenes) -> None:
    assert len({sample["image"].tobytes() for sample in scenes}) == len(scenes)
    others = [Scenes("val", count=1, size=(120, 160)), Scenes("train", count=1, size=(120, 160), seed=1)]
    assert all(other[0]["image"].tobytes() != scenes[0]["image"].tobytes() for other in others)


def test_scenes__count_does_not_change_a_scene() -> None:
    few, many = Scenes(count=2, size=(40, 48)), Scenes(count=9, size=(40, 48))
    np.testing.assert_array_equal(few[1]["image"], many[1]["image"])


def test_scenes__colour_alone_does_not_tell_the_class(scenes: Scenes) -> None:
    """The best look-up table from colour (12 bits) to class, fitted on 30 scenes, fails on the next ten."""
    bins = np.zeros((4096, 9), dtype=np.int64)

    def keys(image: np.ndarray) -> np.ndarray:
        coarse = image.astype(np.int64) >> 4
        return np.asarray(coarse[..., 0] * 256 + coarse[..., 1] * 16 + coarse[..., 2])

    for sample in [scenes[i] for i in range(30)]:
        known = sample["mask"] != 255
        np.add.at(bins, (keys(sample["image"])[known], sample["mask"][known]), 1)
    table = bins.argmax(axis=1)
    confusion = np.zeros((9, 9), dtype=np.int64)
    for sample in [scenes[i] for i in range(30, 40)]:
        known = sample["mask"] != 255
        np.add.at(confusion, (sample["mask"][known], table[keys(sample["image"])[known]]), 1)
    union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
    assert (confusion.diagonal() / union).mean() < 0.35


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": (31, 64)}, r"size \(31, 64\); expected height and width, 32 at least"),
        ({"size": "160x224"}, "size 160x224; expected height and width"),
        ({"count": 0}, "count 0; expected 0 or more, and 1 or more"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_scenes__impossible_requests(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        Scenes(**options)
