"""Volumes: orientation, places in space, channels, label files, and everything that must be refused."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.core import ConfigError, DataError, MissingExtraError
from terrazzo.core.volume_files import (
    is_volume,
    read_label_volume,
    read_space,
    read_volume,
    volume_stem,
    write_label_volume,
)
from terrazzo.datasets import build_dataset
from terrazzo.datasets.volumes import Volumes, read_dataset_json
from tests.datasets.make_volumes import AFFINE, SIZE, make, nibabel, save, scan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "balls")


def first_label(root: Path) -> Path:
    return root / "labelsTr" / "ball_000.nii.gz"


def test_volumes__one_orientation_whatever_the_files_have(root: Path) -> None:
    data = Volumes(root, "all")
    assert data.labels.names == ("background", "shell", "core")
    assert len(data) == 10
    for sample in data:
        values, labels = scan(int(sample["id"][-3:]))
        assert sample["image"].shape == (*SIZE, 1)
        assert (sample["image"][..., 0] == values).all()
        assert (sample["mask"] == labels).all()
        assert sample["image"].dtype == np.float32


def test_volumes__files_of_one_channel_each_and_a_fourth_side(root: Path) -> None:
    images = root / "imagesTr"
    for number in range(10):
        (images / f"ball_{number:03d}.nii.gz").rename(images / f"ball_{number:03d}_0000.nii.gz")
        save(images / f"ball_{number:03d}_0001.nii.gz", np.full(SIZE, number, np.uint8))
    data = Volumes(root, "all")
    assert data.in_channels == 2
    assert (data[0]["image"][..., 1] == int(data.ids[0][-3:])).all()
    for path in images.iterdir():
        path.unlink()
    for number in range(10):
        save(images / f"ball_{number:03d}.nii.gz", np.ones((*SIZE, 3), np.uint8))
    data = Volumes(root)
    assert data.in_channels == 3
    assert data[0]["image"].dtype == np.uint8


def test_volumes__masks_elsewhere_in_space_are_refused(root: Path) -> None:
    image = nibabel.load(first_label(root))
    moved = AFFINE.copy()
    moved[0, 3] = 5
    nibabel.Nifti1Image(np.asanyarray(image.dataobj), moved).to_filename(first_label(root))
    save(root / "labelsTr" / "ball_001.nii.gz", np.zeros((7, 8, 4), np.uint8))
    with pytest.raises(DataError) as error:
        Volumes(root, "all")
    assert "ball_000.nii.gz: the same size, but 5 mm apart" in str(error.value)
    assert "ball_001.nii.gz: 7 x 8 x 9 and 7 x 8 x 4 (depth x height x width)" in str(error.value)


def test_volumes__missing_partners_are_all_said(root: Path) -> None:
    first_label(root).unlink()
    (root / "imagesTr" / "ball_001.nii.gz").unlink()
    with pytest.raises(
        DataError, match=r"(?s)no image for the mask.*ball_001.*no mask for the image.*ball_000"
    ):
        Volumes(root)
    with pytest.raises(DataError, match=r"no volumes with masks\. Expected \.nii or \.nii\.gz"):
        Volumes(root / "imagesTr")


def test_volumes__undeclared_ids_name_file_and_voxel(root: Path) -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[3, 2, 1] = 9
    save(first_label(root), labels)
    data = Volumes(root, "all")
    with pytest.raises(
        DataError, match=r"ball_000\.nii\.gz: undeclared id 9 at slice 3, row 2, column 1 \(1 pixel"
    ):
        data[data.ids.index("ball_000")]


def test_volumes__masks_of_three_columns_are_no_colours(tmp_path: Path) -> None:
    root = make(tmp_path / "thin", size=(7, 8, 3))
    assert Volumes(root)[0]["mask"].shape == (7, 8, 3)


def test_read_label_volume__whole_numbers_in_any_type(tmp_path: Path) -> None:
    labels = scan(0)[1]
    for dtype in (np.float32, np.int16, np.float64):
        save(tmp_path / "a.nii", labels.astype(dtype))
        assert (read_label_volume(tmp_path / "a.nii") == labels).all()
    save(tmp_path / "a.nii", labels + np.float32(0.5))
    with pytest.raises(
        DataError, match=r"a\.nii: 504 voxels hold fractions or NaN.*Resample it with nearest"
    ):
        read_label_volume(tmp_path / "a.nii")
    save(tmp_path / "a.nii", np.zeros((*SIZE, 2), np.uint8))
    with pytest.raises(DataError, match="2 channels of labels"):
        read_label_volume(tmp_path / "a.nii")


def test_read_volume__scaling_types_and_numbers_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    save(path, np.full(SIZE, 40000, np.uint16))
    assert read_volume(path).dtype == np.uint16
    image = nibabel.Nifti1Image(np.full(SIZE, 100, np.int16), AFFINE)
    image.header.set_slope_inter(2, -5)
    image.to_filename(path)
    assert read_volume(path).dtype == np.float32
    save(path, np.full(SIZE, np.nan, np.float32))
    with pytest.raises(DataError, match=r"a\.nii\.gz: 504 voxels are not finite"):
        read_volume(path)


def test_read_volume__damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    save(path, np.random.default_rng(0).integers(0, 255, (20, 20, 20), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"a\.nii\.gz: not a complete NIfTI volume"):
        read_volume(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a complete NIfTI volume"):
        read_space(path)
    with pytest.raises(DataError, match=r"no\.nii: there is no such file"):
        read_space(tmp_path / "no.nii")
    nibabel.Nifti1Image(np.zeros((4, 5), np.uint8), AFFINE).to_filename(tmp_path / "flat.nii")
    with pytest.raises(DataError, match=r"its shape is \(4, 5\); expected three sides"):
        read_space(tmp_path / "flat.nii")


def test_write_label_volume__returns_at_the_same_place(tmp_path: Path) -> None:
    labels = scan(0)[1]
    save(tmp_path / "image.nii.gz", labels, orientation="PIR")
    space = read_space(tmp_path / "image.nii.gz")
    write_label_volume(tmp_path / "ids.nii.gz", labels, space)
    assert (read_label_volume(tmp_path / "ids.nii.gz") == labels).all()
    assert not read_space(tmp_path / "ids.nii.gz").differs_from(space)


def test_volume_stem__both_endings() -> None:
    assert volume_stem(Path("x/a.b.nii.gz")) == volume_stem(Path("a.b.nii")) == "a.b"
    assert is_volume("A.NII.GZ")
    assert not is_volume("a.gz")


@pytest.mark.parametrize(
    ("labels", "names", "void"),
    [
        ({"background": 0, "liver": 1, "ignore": 2}, ("background", "liver"), (2,)),
        ({"0": "background", "10": "b", "2": "a"}, ("background", "a", "b"), (255,)),
    ],
)
def test_read_dataset_json__both_forms(
    tmp_path: Path, labels: dict[str, Any], names: tuple[str, ...], void: tuple[int, ...]
) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    found = read_dataset_json(tmp_path / "dataset.json")
    assert found.names == names
    assert found.void_ids == void


def test_read_dataset_json__regions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "whole": [1, 2]}}))
    with pytest.raises(
        ConfigError, match=r"dataset\.json: no labels as names and ids .*regions of several ids"
    ):
        read_dataset_json(tmp_path / "dataset.json")


def test_volumes__without_nibabel_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtraError, match=r'Volumes need nibabel.*: pip install "terrazzo\[volumes\]"'):
        Volumes(root)


def test_volumes__a_cache_on_disk_watches_every_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAZZO_CACHE", str(root.parent / "cache"))
    data = Volumes(root)
    data.prepare(cache="disk")
    before = data[0]["mask"]
    assert data._disk is not None
    data._disk.flush()
    save(data.files(0)[-1], np.zeros(SIZE, np.uint8))
    again = build_dataset("volumes", root=root, cache="disk")[0]["mask"]
    assert before.any()
    assert not again.any()
