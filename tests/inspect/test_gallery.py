import base64
import io

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import LabelMap
from terrazzo.figures import page_labels
from terrazzo.inspect.gallery import augmented_shots, location_picture, sample_shots
from tests.inspect.world import World, scene


def opened(uri: str) -> "np.typing.NDArray[np.uint8]":
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_sample_shots__void_is_clear_and_labels_are_not() -> None:
    world = World(1)
    (shot,) = sample_shots(world, page_labels(world.labels))
    layer, photo = opened(shot.layer), opened(shot.photo)
    assert layer.shape == (*photo.shape[:2], 4)
    factor = len(layer) // len(scene(0))
    assert np.array_equal(layer[::factor, ::factor, 3] == 0, scene(0) == 255)


def test_sample_shots__are_spread_evenly() -> None:
    shots = sample_shots(World(30), World(30).labels, count=3)
    assert [shot.id for shot in shots] == ["scene_05", "scene_15", "scene_25"]
    assert len(sample_shots(World(2), World(2).labels, count=3)) == 2


def test_augmented_shots__are_the_same_every_time_and_differ_from_the_original() -> None:
    world = World(4)
    first, second = (augmented_shots(world, world.labels, (48, 64), count=2) for _ in range(2))
    assert first == second
    assert first[0][0].caption == "original"
    assert len({shot.photo for shot in first[0]}) == len(first[0])
    assert opened(first[0][1].photo).shape[:2] == (336, 448)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_shots__work_for_any_number_of_channels(channels: int) -> None:
    world = World(1, channels=channels)
    assert opened(sample_shots(world, world.labels)[0].photo).shape[2] == 3
    assert len(augmented_shots(world, world.labels, None)[0]) > 1


def test_page_labels__keep_names_and_void_and_part_colours() -> None:
    near = LabelMap.of({"a": (10, 10, 10), "b": (12, 10, 10)})
    labels = page_labels(near)
    assert (labels.names, labels.ignore_index) == (near.names, near.ignore_index)
    assert labels.classes[0].color == (10, 10, 10)
    assert labels.classes[1].color != (12, 10, 10)


def test_location_picture__nothing_without_pixels() -> None:
    assert location_picture([[0.0, 0.0]]) == ("", "")
    uri, words = location_picture([[0.0, 0.0], [0.0, 1.0]])
    assert opened(uri)[..., 3].tolist() == [[0, 0], [0, 255]]
    assert words == "centred 75 % down, 75 % from the left"
