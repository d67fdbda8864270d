"""Names of annotation tools: classes that are found or given, void, background, and colours."""

import json
from pathlib import Path

import pytest

from terrazzo.core import ConfigError, DataError, LabelMap
from terrazzo.datasets.names import choose_names, unlike_colors


def test_choose_names__found_ones_after_the_background(tmp_path: Path) -> None:
    names = choose_names(["b", "a", "__ignore__"], classes=None, background="background", root=tmp_path)
    assert names.labels.names == ("background", "b", "a")
    assert (names.background_id, names.void_id) == (0, 255)
    assert names.raw_id("a", "x") == 2
    assert names.raw_id("__ignore__", "x") == 255
    with pytest.raises(DataError, match="x: undeclared label 'c'"):
        names.raw_id("c", "x")
    drawn = choose_names(["b", "_background_"], classes=None, background="background", root=tmp_path)
    assert drawn.labels.names == ("_background_", "b")


def test_choose_names__more_than_255_leave_room_for_void(tmp_path: Path) -> None:
    names = choose_names([f"n{i}" for i in range(300)], classes=None, background=None, root=tmp_path)
    assert names.void_id == names.background_id == 65535
    assert names.labels.ignore_index == -1
    assert len({c.color for c in names.labels.classes}) == 300


def test_choose_names__classes_beside_the_data_or_given(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ["background", "b"]}))
    assert choose_names(["x"], classes=None, background="background", root=tmp_path).labels.num_classes == 2
    labels = LabelMap.of({"p": (1, 1, 1), "q": (2, 2, 2)}, void_ids=())
    names = choose_names(["x"], classes=labels, background=None, root=tmp_path)
    assert names.labels.classes == labels.classes
    assert names.void_id == 255
    assert names.note == "pixels outside every shape are void"
    with pytest.raises(ConfigError, match="no class is named 'street'"):
        choose_names(["x"], classes=labels, background="street", root=tmp_path)
    with pytest.raises(ConfigError, match=r"no\.txt: cannot be read"):
        choose_names(["x"], classes=tmp_path / "no.txt", background=None, root=tmp_path)


def test_choose_names__nothing_drawn_and_no_background(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no label occurs in any annotation"):
        choose_names(["__ignore__"], classes=None, background=None, root=tmp_path)


def test_unlike_colors__keeps_the_first_of_two_alike() -> None:
    colors = unlike_colors(["a", "b", "c"], {"a": (1, 2, 3), "b": (1, 2, 3)})
    assert colors[0] == (1, 2, 3)
    assert len(set(colors)) == 3
