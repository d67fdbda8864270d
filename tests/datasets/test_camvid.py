"""CamVid: both layouts, groups, and counts that differ from the published ones."""

import shutil
from pathlib import Path

import pytest

from terrazzo.core import DataError
from terrazzo.core.label_files import read_label_map
from terrazzo.datasets.camvid import LABELS, CamVid, sequence_of
from tests.datasets.conftest import save_pairs

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
    import numpy as np
    from PIL import Image

    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(tutorial_camvid / "valannot" / "0016E5_000000.png")
    with pytest.raises(DataError, match=r"0016E5_000000\.png: undeclared id 255 .* void: 11"):
        CamVid(tutorial_camvid, "val")[0]


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
    with pytest.raises(DataError, match="Found: train 367, val 101"):
        CamVid(SHARED, "test")
