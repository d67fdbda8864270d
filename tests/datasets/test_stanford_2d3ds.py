"""Stanford 2D-3D-S: base 256, missing pixels, areas and rooms."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError, RequestError
from terrazzo.datasets.stanford_2d3ds import LABELS, Stanford2D3DS, room_of
from tests.datasets.make_stanford_2d3ds import NAMES, make

SHARED = Path(__file__).parents[3] / "shared" / "data" / "samples" / "stanford_2d3ds"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "2d3ds")


def first_semantic(root: Path) -> Path:
    return sorted((root / "area_1" / "data" / "semantic").iterdir())[0]


def paint(path: Path, colors: list[tuple[int, int, int]]) -> None:
    """Write colours, the first ones of row 0; 10 x 10."""
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[0, : len(colors)] = colors
    Image.fromarray(pixels).save(path)


def test_stanford__instances_in_base_256(root: Path) -> None:
    chair, window = NAMES.index("chair_0_office_1_1"), NAMES.index("window_39_office_1_1")
    assert window > 255
    paint(first_semantic(root), [(0, 0, chair), (0, window >> 8, window & 255), (13, 13, 13), (0, 0, 0)])
    row = Stanford2D3DS(root)[0]["mask"][0]
    assert row[:4].tolist() == [LABELS.names.index("chair"), LABELS.names.index("window"), 255, 255]


def test_stanford__an_instance_beyond_the_list_is_named(root: Path) -> None:
    path = first_semantic(root)
    paint(path, [(0, 0, 1), (0, 0, 1), (200, 0, 0)])
    with pytest.raises(
        DataError, match=rf"{path.name}: instance 13107200 at row 0, column 2 \(1 such pixels\)"
    ):
        Stanford2D3DS(root)[0]
    paint(path, [(0, len(NAMES) >> 8, len(NAMES) & 255)])
    with pytest.raises(DataError, match=f"instance {len(NAMES)} .*expected 0..{len(NAMES) - 1} or 855309"):
        Stanford2D3DS(root)[0]


def test_stanford__areas_and_rooms(root: Path) -> None:
    assert set(Stanford2D3DS(root).groups) == {
        "area_1/conferenceRoom_1",
        "area_1/office_12",
        "area_2/conferenceRoom_1",
        "area_2/office_12",
    }
    val = Stanford2D3DS(root, "val")
    assert val.notes == ("areas 5a, 5b",)
    other = Stanford2D3DS(root, "test", areas={"train": ["5a", "5b"], "test": [1, 2]})
    assert other.notes == ("areas 1, 2",)
    assert room_of("area_5a_camera_0d6_office_3_frame_10") == "area_5a/office_3"


@pytest.mark.parametrize(
    ("areas", "sentence"),
    [
        ({"train": ["5"]}, "'5' is none; expected areas of 1, 2, 3, 4, 5a, 5b, 6"),
        ({"train": [1], "val": [1]}, "one area is in two splits"),
        ({"trian": [1]}, "'trian' is none"),
    ],
)
def test_stanford__impossible_areas(root: Path, areas: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        Stanford2D3DS(root, areas=areas)


def test_stanford__an_empty_split_says_which_areas_it_asked_for(root: Path) -> None:
    with pytest.raises(DataError, match=r"Found: train 4, val 4\. As asked, .*test has areas none"):
        Stanford2D3DS(root, "test")


def test_stanford__missing_mask_and_missing_list(root: Path, tmp_path: Path) -> None:
    first_semantic(root).unlink()
    with pytest.raises(DataError, match=r"semantic\.png: there is no such file"):
        Stanford2D3DS(root)
    (root / "assets" / "semantic_labels.json").unlink()
    with pytest.raises(DataError, match=r"semantic_labels\.json: cannot be read .*list of instance names"):
        Stanford2D3DS(root)
    with pytest.raises(DataError, match="no Stanford 2D-3D-S here"):
        Stanford2D3DS(tmp_path)


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared sample of Stanford 2D-3D-S is not beside this checkout"
)
def test_stanford__the_real_list_of_instances(root: Path) -> None:
    real = SHARED / "assets" / "semantic_labels.json"
    names = json.loads(real.read_text())
    assert len(names) == 9816
    (root / "assets" / "semantic_labels.json").write_bytes(real.read_bytes())
    places = [names.index(f) for f in ("<UNK>_0_<UNK>_0_0", "beam_10_hallway_6_1", names[9815])]
    paint(first_semantic(root), [(0, place >> 8, place & 255) for place in places])
    row = Stanford2D3DS(root)[0]["mask"][0]
    assert row[:3].tolist() == [255, 0, LABELS.names.index(names[9815].split("_")[0])]
    assert {name.split("_")[0] for name in names} == {*LABELS.names, "<UNK>"}
