"""The `folder` dataset: layouts, splits, classes, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import ConfigError, DataError, LabelMap, RequestError
from terrazzo.core.label_files import label_map_from
from terrazzo.datasets.folder import Folder
from tests.datasets.conftest import CLASSES, save_pairs

STEMS = {"train": ["a", "b", "c"], "val": ["d", "e"], "test": ["f"]}


def lay_out(root: Path, how: str) -> Path:
    for split, stems in STEMS.items():
        if how == "split first":
            save_pairs(root / split / "images", root / split / "masks", stems)
        elif how == "images first":
            save_pairs(root / "images" / split, root / "masks" / split, stems)
        else:
            save_pairs(root / "images", root / "masks", stems)
            place = root / "splits" if how == "splits folder" else root
            place.mkdir(exist_ok=True)
            (place / f"{split}.txt").write_text("\n".join(stems) + "\n\n")
    (root / "classes.json").write_text(json.dumps(CLASSES))
    return root


@pytest.mark.parametrize("how", ["split first", "images first", "split files", "splits folder"])
def test_folder__layouts(tmp_path: Path, how: str) -> None:
    root = lay_out(tmp_path, how)
    for split, stems in STEMS.items():
        assert list(Folder(root, split).ids) == stems
    assert list(Folder(root, "all").ids) == ["a", "b", "c", "d", "e", "f"]
    sample = Folder(root, "val")[0]
    assert sample["image"].shape == (6, 8, 3)
    assert set(np.unique(sample["mask"])) <= {0, 1, 255}


def test_folder__split_files_may_list_file_names_and_paths(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "split files")
    (root / "train.txt").write_text("a.png\nimages/b.png masks/b.png\n  c  \n")
    assert list(Folder(root, "train").ids) == ["a", "b", "c"]


def test_folder__split_files_that_overlap_are_refused(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "split files")
    (root / "val.txt").write_text("d\na\n")
    with pytest.raises(DataError, match=r"val\.txt: 'a' is listed in train and again in val"):
        Folder(root, "train")


def test_folder__split_files_that_list_what_is_not_there(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "split files")
    (root / "val.txt").write_text("d\nghost\n")
    with pytest.raises(DataError, match=r"no image \(1\):\s+ghost"):
        Folder(root, "val")


def test_folder__one_heap_is_divided_by_default_and_says_so(heap: Path) -> None:
    splits = {name: Folder(heap, name) for name in ("train", "val", "test")}
    assert [len(splits[name]) for name in ("train", "val", "test")] == [8, 1, 1]
    assert splits["train"].notes == ("no split in the folder: divided (0.8, 0.1, 0.1) by seed 0",)


def test_folder__another_seed_is_another_division(heap: Path) -> None:
    divisions = {Folder(heap, "train", seed=seed, fractions=(0.5, 0.5, 0)).ids for seed in range(6)}
    assert len(divisions) > 1


def test_folder__no_group_is_on_two_sides(heap: Path) -> None:
    for seed in range(5):
        options: dict[str, Any] = {
            "fractions": (0.4, 0.4, 0.2),
            "seed": seed,
            "group_pattern": r"^(scene\d+)_",
        }
        groups = [set(Folder(heap, split, **options).groups) for split in ("train", "val", "test")]
        assert [len(g) for g in groups] == [2, 2, 1]
        assert len(set.union(*groups)) == 5


def test_folder__groups_on_two_sides_of_a_given_division_are_noted(tmp_path: Path) -> None:
    for split, stems in {"train": ["x_1", "y_1"], "val": ["x_2"]}.items():
        save_pairs(tmp_path / split / "images", tmp_path / split / "masks", stems)
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    noted = Folder(tmp_path, "val", group_pattern="^(.)_").notes
    assert noted == ("1 groups are in both train and val, for instance x",)
    assert Folder(tmp_path, "val").notes == ()


def test_folder__wrong_group_patterns(heap: Path) -> None:
    for pattern, sentence in (
        ("(", "is no regular expression"),
        ("scene", "has no group; put the scene's part in parentheses"),
        (r"^(scene[0-3])_", "does not fit the name 'scene4_8'"),
    ):
        with pytest.raises(RequestError, match=sentence):
            Folder(heap, group_pattern=pattern)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.9, 0.2, 0.1), (1.2, -0.2, 0.0)])
def test_folder__wrong_fractions(heap: Path, fractions: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="expected three shares for train, val and test that sum to 1"):
        Folder(heap, fractions=fractions)


def test_folder__fractions_for_a_divided_folder_are_refused(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "split first")
    with pytest.raises(RequestError, match="is divided by its sub-folders already"):
        Folder(root, fractions=(0.5, 0.3, 0.2))


def test_folder__empty_split_says_which_have_how_many(heap: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        Folder(heap, "test", fractions=(0.7, 0.3, 0.0))
    assert str(error.value) == (
        f"The split 'test' of {heap} is empty: no pair of image and mask. Found: train 7, val 3. "
        "Choose another split or another folder."
    )
    root = tmp_path / "none"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    with pytest.raises(DataError, match="Found: no pair in any split"):
        Folder(root, "train")


def test_folder__not_there_or_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no such folder\. Give the folder that holds"):
        Folder(tmp_path / "no")
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"Expected images/ and masks/ in it.*found photos/"):
        Folder(tmp_path)


def test_folder__missing_classes_ends_in_a_file_to_paste(heap: Path) -> None:
    (heap / "classes.json").unlink()
    with pytest.raises(ConfigError) as error:
        Folder(heap)
    message = str(error.value)
    assert "10 masks looked at hold the ids [0, 1, 9]" in message
    template = label_map_from(json.loads(message[message.index("{") :]))
    assert [c.raw_ids for c in template.classes] == [(0,), (1,), (9,)]
    assert template.void_ids == (255,)


def test_folder__missing_classes_of_colour_masks(heap: Path) -> None:
    (heap / "classes.json").unlink()
    for path in (heap / "masks").iterdir():
        Image.fromarray(np.full((6, 8, 3), (10, 20, 30), np.uint8)).save(path)
    with pytest.raises(ConfigError, match=r"hold 1 colours: \[\(10, 20, 30\)\]") as error:
        Folder(heap)
    message = str(error.value)
    (heap / "classes.json").write_text(message[message.index("{") :])
    assert Folder(heap)[0]["mask"].max() == 0


def test_folder__photos_as_masks_are_recognised(heap: Path) -> None:
    (heap / "classes.json").unlink()
    rng = np.random.default_rng(0)
    for path in (heap / "masks").iterdir():
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(path)
    with pytest.raises(ConfigError, match="too many for labels: are they photos"):
        Folder(heap)


def test_folder__classes_from_elsewhere(heap: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"classes": ["x", "y"], "ignore_index": 9}))
    (heap / "classes.json").unlink()
    assert Folder(heap, classes=other).labels.names == ("x", "y")
    labels = LabelMap.of({"p": (1, 1, 1), "q": (2, 2, 2)}, void_ids=(9,))
    assert Folder(heap, classes=labels).labels is labels


def binary(heap: Path, values: list[int], void_ids: list[int]) -> Path:
    rng = np.random.default_rng(3)
    for path in (heap / "masks").iterdir():
        Image.fromarray(rng.choice(np.array(values, np.uint8), (6, 8))).save(path)
    classes = [{"name": "no"}, {"name": "crack"}]
    (heap / "classes.json").write_text(json.dumps({"classes": classes, "void_ids": void_ids}))
    return heap


def test_folder__0_255_masks_of_two_classes_are_refused(heap: Path) -> None:
    with pytest.raises(DataError) as error:
        Folder(binary(heap, [0, 255], [255]))
    message = str(error.value)
    assert "only 0 and 255, but 255 is declared as void and the class 'crack' (id 1) never occurs" in message
    assert '"raw_ids": [255] for \'crack\' and "void_ids": []' in message


def test_folder__the_remedy_for_0_255_masks_works(heap: Path) -> None:
    binary(heap, [0, 255], [])
    classes = [{"name": "no", "id": 0}, {"name": "crack", "raw_ids": [255]}]
    (heap / "classes.json").write_text(json.dumps({"classes": classes, "void_ids": []}))
    assert set(np.unique(Folder(heap)[0]["mask"])) == {0, 1}


@pytest.mark.parametrize("values", [[0, 1, 255], [0], [0, 1]])
def test_folder__other_masks_of_two_classes_are_fine(heap: Path, values: list[int]) -> None:
    assert len(Folder(binary(heap, values, [255]))) == 8


def test_folder__a_rare_second_class_is_found_beyond_the_first_look(tmp_path: Path) -> None:
    save_pairs(tmp_path / "images", tmp_path / "masks", [f"{i:03d}" for i in range(40)])
    binary(tmp_path, [0, 255], [255])
    Image.fromarray(np.ones((6, 8), np.uint8)).save(tmp_path / "masks" / "031.png")
    assert len(Folder(tmp_path, "all")) == 40


def test_folder__undeclared_id_names_the_file(heap: Path) -> None:
    path = sorted((heap / "masks").iterdir())[0]
    Image.fromarray(np.full((6, 8), 77, np.uint8)).save(path)
    with pytest.raises(DataError, match=rf"{path.name}: undeclared id 77 at row 0, column 0 \(48 pixels"):
        list(Folder(heap, "all"))


def test_folder__truncated_image_names_the_file(heap: Path) -> None:
    path = heap / "images" / "scene0_0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=rf"{path.name}: the image is truncated or damaged"):
        list(Folder(heap, "all"))


def test_folder__an_image_of_other_channels_is_refused(heap: Path) -> None:
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(heap / "images" / "scene4_9.png")
    with pytest.raises(DataError, match="scene4_9: the image has 1 channels but this dataset 3"):
        list(Folder(heap, "all"))


def test_folder__one_id_in_two_splits_is_refused_for_all(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "split first")
    save_pairs(root / "val" / "images", root / "val" / "masks", ["a"])
    assert len(Folder(root, "val")) == 3
    with pytest.raises(RequestError, match="'a' is in two splits"):
        Folder(root, "all")
