"""CamVid: both layouts, groups, and counts that differ from the published ones."""

import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.core.images import read_mask
from terrazzo.core.label_files import read_label_map
from terrazzo.datasets.camvid import LABELS, CamVid, published_split, sequence_of
from terrazzo.datasets.camvid_labels import COLOURS, Classes
from tests.datasets.conftest import save_pairs
from tests.datasets.make_camvid import FRAMES, TEST, VAL, make_camvid

SHARED = Path(__file__).parents[3] / "shared" / "data" / "camvid"
needs_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared CamVid copy is not beside this checkout"
)


def test_camvid__tutorial_layout_and_its_parent(tutorial_camvid: Path) -> None:
    for root in (tutorial_camvid, tutorial_camvid.parent):
        dataset = CamVid(root, "val")
        assert dataset.ids == ("0016E5_000000", "0016E5_000001", "0016E5_000002")
        assert dataset.groups == ("0016E5",) * 3


def test_camvid__split_files_choose(tutorial_camvid: Path) -> None:
    (tutorial_camvid / "train.txt").write_text(
        "CamVid/train/0001TP_000001.png CamVid/trainannot/0001TP_000001.png"
    )
    assert CamVid(tutorial_camvid, "train").ids == ("0001TP_000001",)
    (tutorial_camvid / "train.txt").unlink()
    assert len(CamVid(tutorial_camvid, "train")) == 3


def test_camvid__images_and_masks_layout(tmp_path: Path) -> None:
    save_pairs(tmp_path / "train" / "images", tmp_path / "train" / "masks", ["Seq05VD_f00000"])
    assert CamVid(tmp_path).groups == ("Seq05VD",)


def test_camvid__other_counts_are_a_note(tutorial_camvid: Path) -> None:
    assert CamVid(tutorial_camvid, "test").notes == ("test has 3 images, the published split 233",)


def test_camvid__a_missing_split_says_which_there_are(tutorial_camvid: Path) -> None:
    shutil.rmtree(tutorial_camvid / "test")
    with pytest.raises(DataError, match=r"'test' of .* is empty.* Found: train 3, val 3\. Some copies"):
        CamVid(tutorial_camvid, "test")
    whole = CamVid(tutorial_camvid, "all")
    assert len(whole) == 6
    assert "test has 0 images, the published split 233" in whole.notes


def test_camvid__another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no CamVid here\. Expected train/images and train/masks"):
        CamVid(tmp_path)


def test_camvid__undeclared_ids_are_refused(tutorial_camvid: Path) -> None:
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(tutorial_camvid / "valannot" / "0016E5_000000.png")
    with pytest.raises(DataError, match=r"0016E5_000000\.png: undeclared id 255 .* void: 11"):
        CamVid(tutorial_camvid, "val")[0]


def test_camvid__twelve_classes_of_the_tutorial(tutorial_camvid: Path) -> None:
    eleven, twelve = CamVid(tutorial_camvid), CamVid(tutorial_camvid, classes=12)
    assert twelve.labels.names == (*LABELS.names, "Unlabelled")
    path = twelve.pairs[0].mask
    Image.fromarray(np.array([[0, 10, 11, 11]] * 6, np.uint8).repeat(2, axis=1)).save(path)
    assert set(np.unique(twelve[0]["mask"])) == {0, 10, 11}
    assert set(np.unique(eleven[0]["mask"])) == {0, 10, 255}


def test_camvid__32_classes_of_the_tutorial_are_refused(tutorial_camvid: Path) -> None:
    with pytest.raises(
        DataError, match=r"32 classes were asked for.*11 classes.*expected the original release"
    ):
        CamVid(tutorial_camvid, classes=32)


@pytest.mark.parametrize("classes", [11, 12, 32])
def test_camvid__the_original_release(tmp_path: Path, classes: Classes) -> None:
    root = make_camvid(tmp_path)
    dataset = CamVid(root, "all", classes=classes)
    assert set(CamVid(root, "val", classes=classes).ids) == VAL
    assert set(CamVid(root, "test", classes=classes).ids) == TEST
    assert len(dataset) == len(FRAMES)
    for sample, pair in zip(dataset, dataset.pairs, strict=True):
        assert pair.mask.name == f"{pair.id}_L.png"
        for name, (rgb, group) in COLOURS.items():
            (train_id,) = np.unique(sample["mask"][(read_mask(pair.mask) == rgb).all(axis=2)])
            if classes == 32:
                assert dataset.labels.names[train_id] == name
            elif (classes, name) == (11, "Void"):
                assert train_id == 255
            else:
                assert dataset.labels.names[train_id] == group


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("Sky", "Sky"),
        ("Building", "Archway Bridge Building Tunnel Wall"),
        ("Pole", "Column_Pole TrafficCone"),
        ("Road", "LaneMkgsDriv LaneMkgsNonDriv Road"),
        ("Pavement", "ParkingBlock RoadShoulder Sidewalk"),
        ("Tree", "Tree VegetationMisc"),
        ("SignSymbol", "Misc_Text SignSymbol TrafficLight"),
        ("Fence", "Fence"),
        ("Car", "Car OtherMoving SUVPickupTruck Train Truck_Bus"),
        ("Pedestrian", "Animal CartLuggagePram Child Pedestrian"),
        ("Bicyclist", "Bicyclist MotorcycleScooter"),
        ("Unlabelled", "Void"),
    ],
)
def test_camvid_labels__which_of_the_32_are_which_of_the_11(group: str, members: str) -> None:
    assert sorted(name for name, (_, other) in COLOURS.items() if other == group) == members.split()


def test_camvid__lists_decide_in_the_original_release(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    (root / "train.txt").write_text("Seq05VD_f00000.png\n")
    assert CamVid(root, classes=32).ids == ("Seq05VD_f00000",)
    with pytest.raises(DataError, match=r"'val' of .* is empty.*Found: train 1"):
        CamVid(root, "val")


def test_camvid__a_foreign_name_in_the_original_release(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    Image.new("RGB", (8, 6)).save(root / "701_StillsRaw_full" / "holiday.png")
    with pytest.raises(DataError, match=r"names other than <video>_<number>.*\n    holiday"):
        CamVid(root)


def test_camvid__split_folders_with_colour_masks(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    (root / "701_StillsRaw_full").rename(root / "train")
    (root / "LabeledApproved_full").rename(root / "train_labels")
    assert len(CamVid(root, classes=32)) == len(FRAMES)


def test_camvid__an_undeclared_colour_names_the_file(tmp_path: Path) -> None:
    root = make_camvid(tmp_path)
    path = root / "LabeledApproved_full" / "0016E5_07959_L.png"
    Image.new("RGB", (8, 6), (1, 2, 3)).save(path)
    for classes in get_args(Classes):
        with pytest.raises(DataError, match=r"0016E5_07959_L\.png: undeclared colour \(1, 2, 3\)"):
            CamVid(root, "val", classes=classes)[0]


@pytest.mark.parametrize(
    ("name", "group"),
    [("0001TP_006690", "0001TP"), ("Seq05VD_f05100", "Seq05VD"), ("nothing", None)],
)
def test_sequence_of__prefix(name: str, group: str | None) -> None:
    assert sequence_of(name) == group


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared CamVid copy is not beside this checkout")
def test_camvid__the_real_copy() -> None:
    assert read_label_map(SHARED / "classes.json").classes == LABELS.classes
    train, val = CamVid(SHARED, "train"), CamVid(SHARED, "val")
    assert (len(train), len(val)) == (367, 101)
    assert (train.notes, val.notes) == ((), ())
    assert set(train.groups) == {"0001TP", "0006R0", "0016E5"}
    assert set(val.groups) == {"0016E5"}
    assert train[0]["image"].shape == (360, 480, 3)
    for dataset in (train, val):
        assert {published_split(name) for name in dataset.ids} == {dataset.split}
    with pytest.raises(DataError, match="Found: train 367, val 101"):
        CamVid(SHARED, "test")
