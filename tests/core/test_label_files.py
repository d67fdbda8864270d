"""Reading classes.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from terrazzo.core import ConfigError, LabelClass
from terrazzo.core.label_files import label_map_from, read_label_map, spread_color

REAL = Path(__file__).parents[3] / "shared" / "data" / "camvid" / "classes.json"


def write(folder: Path, data: Any) -> Path:
    path = folder / "classes.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_read_label_map__all_keys(tmp_path: Path) -> None:
    labels = read_label_map(
        write(
            tmp_path,
            {
                "dataset": "mine",
                "classes": [
                    {"name": "road", "color": [1, 2, 3], "id": 5},
                    {"name": "car", "colour": [4, 5, 6], "raw_ids": [1, 2], "raw_colors": [[7, 8, 9]]},
                ],
                "void_ids": [255, 0],
                "void_colors": [[0, 0, 0]],
            },
        )
    )
    assert labels.classes == (
        LabelClass("road", (1, 2, 3), (5,)),
        LabelClass("car", (4, 5, 6), (1, 2), ((7, 8, 9),)),
    )
    assert labels.void_ids == (255, 0)
    assert labels.void_colors == ((0, 0, 0),)


def test_read_label_map__short_form_and_utf8_with_mark(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"classes": ["Stra\u00dfe", "rest"]}).encode())
    labels = read_label_map(path)
    assert labels.names == ("Stra\u00dfe", "rest")
    assert [c.raw_ids for c in labels.classes] == [(0,), (1,)]
    assert labels.void_ids == (255,)
    assert labels.classes[0].color != labels.classes[1].color


def test_read_label_map__ignore_index_is_a_raw_id_that_is_void() -> None:
    classes = [{"name": "a", "id": 0}, {"name": "rest", "id": 11, "color": [0, 0, 0]}]
    labels = label_map_from({"classes": classes, "ignore_index": 11})
    assert labels.names == ("a",)
    assert labels.void_ids == (11,)
    assert labels.void_colors == ((0, 0, 0),)


def test_read_label_map__a_class_flagged_void_is_void() -> None:
    labels = label_map_from({"classes": ["a", {"name": "rest", "void": True, "color": [9, 9, 9]}]})
    assert (labels.names, labels.void_ids, labels.void_colors) == (("a",), (1,), ((9, 9, 9),))


def test_read_label_map__no_void_at_all() -> None:
    labels = label_map_from(
        {"classes": [{"name": "no", "id": 0}, {"name": "yes", "id": 255}], "void_ids": []}
    )
    assert labels.void_ids == ()


@pytest.mark.skipif(not REAL.is_file(), reason="the shared CamVid copy is not beside this checkout")
def test_read_label_map__a_genuine_file() -> None:
    labels = read_label_map(REAL)
    assert labels.num_classes == 11
    assert labels.void_ids == (11,)
    assert labels.names[:3] == ("Sky", "Building", "Pole")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ([1], 'expected an object with a list "classes"'),
        ({"classes": [{"colour": [1, 2, 3]}]}, r'classes\[0\] is .* expected an object with a "name"'),
        ({"classes": [{"name": "a", "color": [1, 2]}]}, r"class 'a': \[1, 2\] is no colour; expected \[red"),
        ({"classes": [{"name": "a", "color": [1, 2, 300]}]}, "each 0..255"),
        ({"classes": [{"name": "a", "id": "x"}]}, "class 'a': 'x' are no ids; expected a whole number"),
        ({"classes": [{"name": "a", "raw_id": 3}]}, "unknown key 'raw_id'; did you mean 'raw_ids'"),
        (
            {"classes": ["a"], "void_id": [3]},
            "unknown key 'void_id'; did you mean 'void_ids'",
        ),
        ({"classes": ["a"], "void_ids": [3], "ignore_index": 3}, "both void_ids and ignore_index"),
        ({"classes": ["a", "a"]}, "The name 'a' stands for both"),
    ],
)
def test_read_label_map__mistakes_name_file_and_entry(tmp_path: Path, data: Any, sentence: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ConfigError, match=sentence) as error:
        read_label_map(path)
    assert str(path) in str(error.value)


def test_read_label_map__missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; expected a classes\.json"):
        read_label_map(tmp_path / "classes.json")


def test_spread_color__all_different() -> None:
    assert len({spread_color(i) for i in range(64)}) == 64
