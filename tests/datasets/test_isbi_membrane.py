"""ISBI membrane: two codings, the order of slices, and copies that are turned around."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError, RequestError
from terrazzo.datasets.isbi_membrane import IsbiMembrane
from tests.datasets.make_isbi_membrane import make, make_pairs, slices

SHARED = Path(__file__).parents[3] / "shared" / "data" / "isbi_membrane"


@pytest.mark.parametrize("layout", ["stack", "ids", "dark"])
def test_isbi__every_layout_and_coding_is_the_same_data(tmp_path: Path, layout: str) -> None:
    if layout == "stack":
        root = make(tmp_path / "x")
    else:
        folders = ("images", "masks") if layout == "ids" else ("image", "label")
        root = make_pairs(tmp_path / "x", folders=folders, membrane_is=layout == "ids")
    train, val = IsbiMembrane(root), IsbiMembrane(root, "val")
    assert (len(train), len(val)) == (7, 5)
    images, membrane = slices()
    for number, sample in enumerate([*train, *val]):
        assert (sample["image"][..., 0] == images[number]).all(), "slices in their order, 2 before 10"
        assert (sample["mask"] == membrane[number]).all()
    assert set(train.groups) == set(val.groups) == {"train-volume"}


def test_isbi__another_validation(tmp_path: Path) -> None:
    root = make(tmp_path / "x")
    assert len(IsbiMembrane(root, "val", validation=2)) == 2
    with pytest.raises(RequestError, match="validation is 12; expected 0 to 11 of 12 slices"):
        IsbiMembrane(root, validation=12)
    with pytest.raises(DataError, match=r"'test' .* is empty.*The test labels are not public"):
        IsbiMembrane(root, "test")


def test_isbi__a_copy_that_is_turned_around_is_refused_until_somebody_says_so(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "x", membrane_is=0)
    for path in (root / "train" / "masks").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    with pytest.raises(DataError, match=r"8\d % of the pixels would be membrane.*Say which.*membrane=255"):
        IsbiMembrane(root)
    _, membrane = slices()
    assert (IsbiMembrane(root, membrane=255)[0]["mask"] == membrane[0]).all()
    with pytest.raises(RequestError, match=r"membrane is 1, but the labels hold \[0, 255\]"):
        IsbiMembrane(root, membrane=1)


def test_isbi__values_of_no_coding(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "x")
    Image.fromarray(np.full((10, 11), 7, np.uint8)).save(root / "train" / "masks" / "3.png")
    with pytest.raises(
        DataError, match=r"labels hold the values \[0, 1, 7\]; expected 0 and 1, or 0 and 255"
    ):
        IsbiMembrane(root)


def test_isbi__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no ISBI membrane data here\. Expected train-volume\.tif"):
        IsbiMembrane(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared ISBI copy is not beside this checkout")
def test_isbi__the_real_copy() -> None:
    train, val = IsbiMembrane(SHARED), IsbiMembrane(SHARED, "val")
    assert (len(train), len(val)) == (25, 5)
    assert train.ids[0] == "00"
    assert val.ids == ("25", "26", "27", "28", "29")
    share = np.mean([sample["mask"].mean() for data in (train, val) for sample in data])
    assert share == pytest.approx(0.2196, abs=0.0001)
    dark = np.mean(
        [s["image"][..., 0][s["mask"] == 1].mean() < s["image"][..., 0][s["mask"] == 0].mean() for s in train]
    )
    assert dark == 1, "membrane is darker than the cell in every slice"
