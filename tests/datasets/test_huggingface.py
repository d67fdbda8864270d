"""Data of the `datasets` library: objects, saved folders and Parquet files."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.core import DataError, MissingExtraError, RequestError
from terrazzo.datasets import build_dataset, open_dataset
from terrazzo.datasets.huggingface import HuggingFace
from tests.datasets.conftest import hub_rows, save_dataset_dict

hub = pytest.importorskip("datasets", reason="the datasets library is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library converts goes into this test's folder."""
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", str(tmp_path / "hub-cache"))


def test_huggingface__a_saved_folder_has_the_pixels_of_the_files(heap: Path) -> None:
    root = save_dataset_dict(heap)
    saved = open_dataset(root, split="train")
    assert saved.kind == "huggingface"
    assert saved.ids[:2] == ("train_000000", "train_000001")
    files = build_dataset("folder", root=heap, split="all")
    for index in range(6):
        original = files[files.ids.index(f"scene{index // 2}_{index}")]
        np.testing.assert_array_equal(saved[index]["image"], original["image"])
        np.testing.assert_array_equal(saved[index]["mask"], original["mask"])


def test_huggingface__groups_and_weights_are_columns(heap: Path) -> None:
    root = save_dataset_dict(heap)
    data = HuggingFace(root, "val", group_column="scene", weight_column="wanted", id_column="wanted")
    assert data.groups == ("scene3", "scene3")
    assert data.weights == (0.0, 1.0)
    assert data.ids == ("0.0", "1.0")
    with pytest.raises(DataError, match="no column 'scenes'; they have: image, annotation, scene, wanted"):
        HuggingFace(root, group_column="scenes")
    with pytest.raises(DataError, match="column 'scene' has an id twice"):
        HuggingFace(root, id_column="scene")
    with pytest.raises(DataError, match="'scene' holds the weight 'scene0'; expected a number of 0 or more"):
        HuggingFace(root, weight_column="scene")


def test_huggingface__an_object_is_divided_whole_groups_together(heap: Path) -> None:
    rows = hub_rows(heap, range(10))
    options: dict[str, Any] = {"classes": heap / "classes.json", "group_column": "scene"}
    parts = [HuggingFace(rows, s, fractions=(0.6, 0.2, 0.2), **options) for s in ("train", "val", "test")]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert len({g for part in parts for g in set(part.groups)}) == 5
    assert parts[0].notes == ("no split in the data: divided (0.6, 0.2, 0.2) by seed 0",)


def test_huggingface__a_column_split_divides_too(heap: Path) -> None:
    rows = hub_rows(heap, range(4)).add_column("split", ["train", "valid", "train", "test"])
    data = HuggingFace(rows, "train", classes=heap / "classes.json")
    assert data.ids == ("train_000000", "train_000002")
    rows = hub_rows(heap, range(2)).add_column("split", ["train", "rest"])
    with pytest.raises(DataError, match="Row 1: split is 'rest'; expected one of train, val, test"):
        HuggingFace(rows, classes=heap / "classes.json")


def test_huggingface__parquet_as_on_the_hub(heap: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parquet" / "data"
    folder.mkdir(parents=True)
    for name, numbers in (
        ("train-00000-of-00002", [0, 1]),
        ("train-00001-of-00002", [2]),
        ("validation-00000-of-00001", [3]),
    ):
        hub_rows(heap, numbers).to_parquet(folder / f"{name}.parquet")
    options: dict[str, Any] = {"classes": heap / "classes.json"}
    train = HuggingFace(folder.parent, **options)
    assert len(train) == 3
    assert len(HuggingFace(folder.parent, "val", **options)) == 1
    expected = build_dataset("folder", root=heap, split="all")
    np.testing.assert_array_equal(train[2]["image"], expected[expected.ids.index("scene1_2")]["image"])
    one = HuggingFace(folder / "train-00000-of-00002.parquet", fractions=(1, 0, 0), **options)
    assert len(one) == 2


def test_huggingface__data_in_memory_have_no_cache_on_disk(heap: Path) -> None:
    rows = hub_rows(heap, range(4))
    with pytest.raises(
        RequestError, match="cache: disk is not there for 'huggingface' data: they do not say"
    ):
        build_dataset(
            "huggingface", root=rows, classes=str(heap / "classes.json"), fractions=(1, 0, 0), cache="disk"
        )


def test_huggingface__parts_that_are_no_split_are_noted(heap: Path) -> None:
    both = hub.DatasetDict({"train": hub_rows(heap, [0, 1]), "unlabelled": hub_rows(heap, [2])})
    data = HuggingFace(both, classes=heap / "classes.json")
    assert data.notes == ("not used: unlabelled, which is none of train, val, test",)
    with pytest.raises(
        RequestError, match="fractions were given, but the data have the parts train, unlabell"
    ):
        HuggingFace(both, classes=heap / "classes.json", fractions=(1, 0, 0))


def test_huggingface__columns_that_hold_no_masks(heap: Path) -> None:
    rows = hub_rows(heap, [0, 1])
    renamed = rows.rename_column("annotation", "truth")
    options: dict[str, Any] = {"classes": heap / "classes.json", "fractions": (1, 0, 0)}
    with pytest.raises(
        DataError, match=r"no column is known to hold masks; .* Name the one in the option mask_c"
    ):
        HuggingFace(renamed, **options)
    assert len(HuggingFace(renamed, mask_column="truth", **options)) == 2
    numbers = rows.remove_columns("annotation").add_column("mask", [1, 2])
    with pytest.raises(
        DataError, match=r"train_000000\.mask: the column holds a int; expected encoded images"
    ):
        HuggingFace(numbers, **options)


def test_huggingface__classes_are_asked_for_with_a_template(heap: Path) -> None:
    root = save_dataset_dict(heap)
    (root / "classes.json").unlink()
    with pytest.raises(
        RequestError, match=r"classes\.json is missing: .* 6 masks looked at hold the ids \[0, 1, 9\]"
    ):
        HuggingFace(root)


def test_huggingface__a_folder_of_something_else(heap: Path) -> None:
    with pytest.raises(
        DataError, match=r"no data of the datasets library\. Expected dataset_dict\.json or stat"
    ):
        HuggingFace(heap)


def test_huggingface__without_the_library(heap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"need the datasets library, .*pip install 'terrazzo\[hub\]'"
    ):
        HuggingFace(heap)
