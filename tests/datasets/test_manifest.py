"""Tables of samples: CSV and Parquet, what they may leave out, and everything that is wrong at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import ConfigError, DataError, MissingExtraError, RequestError
from terrazzo.datasets import open_dataset
from terrazzo.datasets.manifest import Manifest
from terrazzo.datasets.table import ids_of, read_table, split_of, weight_of
from tests.datasets.conftest import save_manifest, write_table

STEMS = [f"scene{i // 2}_{i}" for i in range(10)]


def table_of(**columns: list[Any]) -> dict[str, list[Any]]:
    return {
        "image": [f"images/{stem}.png" for stem in STEMS],
        "mask": [f"masks/{stem}.png" for stem in STEMS],
        **columns,
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest__columns_say_it_all(heap: Path, suffix: str) -> None:
    path = save_manifest(heap, suffix)
    train, val = Manifest(path), Manifest(path, "val")
    assert train.ids == tuple(STEMS[:6])
    assert val.ids == tuple(STEMS[6:8])
    assert train.groups == ("scene0", "scene0", "scene1", "scene1", "scene2", "scene2")
    assert train.weights == (1, 2, 3, 4, 5, 6)
    assert Manifest(path, "all").weights == tuple(range(1, 11))
    assert train[0]["mask"].shape == (6, 8)


def test_manifest__a_path_is_enough_on_the_command_line(heap: Path) -> None:
    path = save_manifest(heap)
    assert open_dataset(path, split="train").kind == "manifest"
    assert open_dataset(f"manifest:{path}", split="val").ids == tuple(STEMS[6:8])


def test_manifest__without_a_split_it_is_divided_by_groups(heap: Path) -> None:
    path = write_table(heap / "t.csv", table_of(group=[s.partition("_")[0] for s in STEMS]))
    parts = [Manifest(path, s, fractions=(0.6, 0.2, 0.2), seed=1) for s in ("train", "val", "test")]
    assert sorted(i for part in parts for i in part.ids) == STEMS
    assert all(len(set(part.groups)) * 2 == len(part) for part in parts)
    assert parts[0].notes == ("no split in the table: divided (0.6, 0.2, 0.2) by seed 1",)
    assert parts[0].weights is None
    with pytest.raises(RequestError, match=r"fractions were given, but .* has a column split already"):
        Manifest(save_manifest(heap), fractions=(0.6, 0.2, 0.2))


def test_manifest__groups_by_pattern_and_on_two_sides(heap: Path) -> None:
    path = write_table(heap / "t.csv", table_of(split=["train", "val"] * 5))
    data = Manifest(path, "val", group_pattern=r"^(scene\d)")
    assert data.groups == tuple(f"scene{i}" for i in range(5))
    assert data.notes == ("5 groups are in both train and val, for instance scene0",)


def test_manifest__ids_of_alike_names_are_paths(heap: Path) -> None:
    assert ids_of(["a/x.png", "b/y.jpg"]) == ["x", "y"]
    assert ids_of(["a/x.png", "b/x.jpg", "../c/y.jpg"]) == ["a-x", "b-x", "c-y"]


def test_manifest__semicolons_tabs_and_byte_order_marks(heap: Path) -> None:
    table = table_of(split=["train"] * 10)
    for name, mark in (("t.csv", ";"), ("t.tsv", "\t")):
        lines = [mark.join(table), *(mark.join(row) for row in zip(*table.values(), strict=True))]
        (heap / name).write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
        assert Manifest(heap / name).ids == tuple(STEMS)


def test_manifest__every_wrong_row_is_named_together(heap: Path) -> None:
    table = table_of(
        split=["train"] * 9 + ["trian"], weight=[1] * 8 + ["-1", "much"], id=STEMS[:9] + STEMS[:1]
    )
    table["mask"][3] = ""
    path = write_table(heap / "t.csv", table)
    with pytest.raises(DataError) as error:
        Manifest(path)
    message = str(error.value)
    assert f"{path}: 5 problems in 10 pairs" in message
    assert "no path (1):\n    row 4: mask" in message
    assert "split is none of train, val, test (1):\n    row 10: 'trian'" in message
    assert "weight is no number of 0 or more (2):\n    row 9: '-1'\n    row 10: 'much'" in message
    assert "id is missing, comes twice, or is no file name (1):\n    row 10: 'scene0_0'" in message


def test_manifest__every_wrong_file_is_named_together(heap: Path) -> None:
    path = save_manifest(heap)
    (heap / "images" / f"{STEMS[0]}.png").unlink()
    (heap / "masks" / f"{STEMS[1]}.png").write_bytes(b"nonsense")
    with pytest.raises(
        DataError, match=r"samples\.csv \(paths are relative to its folder\): 2 problems in 6"
    ) as error:
        Manifest(path)
    assert f"no such file (1):\n    {heap / 'images' / STEMS[0]}.png" in str(error.value)
    assert "unreadable (1):" in str(error.value)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(heap / "masks" / f"{STEMS[1]}.png")
    with pytest.raises(DataError, match=f"{STEMS[1]}: image 6 x 8, mask 3 x 4"):
        Manifest(path)
    assert len(Manifest(path, "val")) == 2, "files of other splits are left alone"


def test_manifest__classes_are_asked_for_with_a_template(heap: Path) -> None:
    path = save_manifest(heap)
    (heap / "classes.json").rename(heap.parent / "names.json")
    with pytest.raises(
        ConfigError, match=r"classes\.json is missing: .* 6 masks looked at hold the ids \[0, 1, 9\]"
    ):
        Manifest(path)
    assert Manifest(path, classes=heap.parent / "names.json").labels.names == ("ground", "leaf")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"image": ["a"], "label": ["b"]}, r"no column 'mask'; expected .* The table has: image, label"),
        (
            {"image": ["a"], "mask": ["b"], "splits": ["val"]},
            "a column is called 'splits'; did you mean 'split'",
        ),
        ({"image": [], "mask": []}, "the table has no rows"),
    ],
)
def test_read_table__wrong_tables(tmp_path: Path, table: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_table(write_table(tmp_path / "t.csv", table))


def test_read_table__a_ragged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,mask\na,b\nc,d,e\n")
    with pytest.raises(DataError, match="line 3 has another number of cells than the first line"):
        read_table(tmp_path / "t.csv")


def test_read_table__a_column_called_height_is_no_slip(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", {"image": ["a"], "mask": ["b"], "height": [3], "width": [4]})
    assert read_table(path)[0]["weight"] == ""


def test_read_table__files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.xlsx: not a table that can be read; expected \.csv, \.tsv"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="there is no such file"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(tmp_path / "t.parquet")
    path = write_table(tmp_path / "b.parquet", {"image": [b"png"], "mask": [b"png"]})
    with pytest.raises(DataError, match=r"'image' holds binary; a manifest has paths there\. .*huggingface:"):
        read_table(path)


def test_read_table__parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path / "t.parquet", {"image": ["a"], "mask": ["b"]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"need pyarrow, .*pip install 'terrazzo\[tables\]'"):
        read_table(path)


def test_cells__words_and_numbers() -> None:
    assert [split_of(w) for w in ("train", " Val", "validation", "TEST", "dev", "rest", "")] == [
        "train", "val", "val", "test", "val", None, None,
    ]  # fmt: skip
    assert [weight_of(w) for w in ("", "2", "0", "1e-3", "-1", "nan", "inf", "x")] == [
        1.0, 2.0, 0.0, 0.001, None, None, None, None,
    ]  # fmt: skip
