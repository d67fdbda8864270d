"""PASCAL VOC and SBD: years, lists, palette masks, the augmented list, downloads."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat

from terrazzo.core import DataError, RequestError, TerrazzoError
from terrazzo.core.images import read_mask
from terrazzo.datasets import build_dataset, sbd, voc
from terrazzo.datasets.sbd import Sbd, read_mask_or_mat
from terrazzo.datasets.voc import Voc
from terrazzo.datasets.voc_labels import LABELS
from tests.datasets.conftest import genuine, link_genuine_voc
from tests.datasets.make_voc import make_sbd, make_voc, palette


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_voc(tmp_path / "voc")


def test_voc_labels__palette_and_void() -> None:
    assert LABELS.names[:3] == ("background", "aeroplane", "bicycle")
    assert LABELS.names[15] == "person"
    assert np.array_equal(LABELS.palette, palette()[:21])
    assert LABELS.void_colors == ((224, 224, 192),)


def test_voc__roots_and_years(root: Path) -> None:
    devkit = root / "VOCdevkit"
    newer = Voc(root)
    assert newer.ids == Voc(devkit).ids == Voc(devkit / "VOC2012").ids == ("2007_000032", "2008_000043")
    older = Voc(root, year=2007)
    assert older.ids == Voc(devkit / "VOC2007").ids == ("000032", "000063")
    assert older.notes == ("train has 2 images, the published split 209",)
    assert newer.notes == ("train has 2 images, the published split 1464",)
    with pytest.raises(DataError, match=r"VOC2007: no PASCAL VOC 2012 here\. Expected VOCdevkit/VOC2012"):
        Voc(devkit / "VOC2007", year=2012)
    shutil.rmtree(devkit / "VOC2012")
    assert Voc(root).ids == older.ids


def test_voc__trainval_overlaps_and_is_no_part_of_all(root: Path) -> None:
    whole = build_dataset("voc", root=root, split="trainval")
    assert sorted(whole.ids) == ["2007_000032", "2007_000033", "2008_000043"]
    assert len(Voc(root, "all")) == 3
    (root / "VOCdevkit/VOC2012/ImageSets/Segmentation/trainval.txt").unlink()
    assert sorted(Voc(root, "trainval").ids) == sorted(whole.ids)
    with pytest.raises(RequestError, match="'trainvl': did you mean 'trainval'"):
        build_dataset("voc", root=root, split="trainvl")
    with pytest.raises(RequestError, match="Unknown split 'trainval'"):
        build_dataset("scenes", split="trainval")


def test_voc__test_has_masks_in_2007_only(root: Path) -> None:
    assert Voc(root, "test", year=2007).ids == ("000068",)
    with pytest.raises(DataError, match=r"'test' of .*VOC2012 is empty.*test images of 2012 are not public"):
        Voc(root, "test")
    (root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DataError, match=r"'val' of .* is empty.*Expected its list in ImageSets/Segmentation"):
        Voc(root, "val")


def test_voc__palette_masks_are_indices_with_the_border_void(root: Path) -> None:
    dataset = Voc(root)
    path = dataset.pairs[0].mask
    with Image.open(path) as image:
        assert image.mode == "P"
        indices, colors = np.asarray(image), np.asarray(image.convert("RGB"))
    assert np.array_equal(dataset[0]["mask"], indices)
    assert 255 in indices
    Image.fromarray(colors).save(path)
    assert np.array_equal(dataset[0]["mask"], indices), "a copy in colours means the same"


def test_voc__a_missing_mask_is_a_problem(root: Path) -> None:
    (root / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png").unlink()
    with pytest.raises(DataError, match=r"no mask for the image \(1\):\n    2007_000033\.jpg"):
        Voc(root, "val")


def test_voc__undeclared_ids_name_the_file(root: Path) -> None:
    path = root / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png"
    Image.fromarray(np.full((6, 8), 21, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"2007_000033\.png: undeclared id 21"):
        Voc(root, "val")[0]


def test_voc__another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no PASCAL VOC here\. Expected VOCdevkit/VOC2012 or VOC2007"):
        Voc(tmp_path)


@pytest.mark.parametrize("source", ["png", "mat"])
def test_voc__augmented_train_leaves_val_out_and_prefers_its_own_masks(
    root: Path, tmp_path: Path, source: str
) -> None:
    aug = "SegmentationClassAug" if source == "png" else make_sbd(tmp_path / "sbd")
    train, val = Voc(root, aug=aug), Voc(root, "val", aug=aug)
    assert train.ids == ("2007_000032", "2008_000043", "2008_000002", "2008_000003")
    assert val.ids == ("2007_000033",)
    assert train.pairs[0].mask.parent.name == "SegmentationClass"
    assert train.notes == ("train has 4 images, the published split 10582",)
    assert val.notes == ("val has 1 images, the published split 1449",)
    assert len(Voc(root, "trainval", aug=aug)) == len(Voc(root, "all", aug=aug)) == 5
    assert set(np.unique(train[2]["mask"])) == {0, 2, 3}


def test_voc__aug_that_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"aug: .*nowhere is no folder; expected SBD's, which holds cls/"):
        Voc(root, aug=tmp_path / "nowhere")
    (root / "VOCdevkit/VOC2012/JPEGImages/2008_000002.jpg").unlink()
    with pytest.raises(DataError, match=r"no image \(1\):\n    2008_000002"):
        Voc(root, aug=make_sbd(tmp_path / "sbd"))


def test_sbd__its_own_split(tmp_path: Path) -> None:
    root = make_sbd(tmp_path)
    dataset = Sbd(root)
    assert dataset.ids == ("2007_000032", "2008_000002")
    assert dataset.ids == Sbd(root / "benchmark_RELEASE" / "dataset").ids
    assert dataset.notes[0] == "train has 2 images, the published split 8498"
    assert "train holds images of VOC's val" in dataset.notes[1]
    with pytest.raises(DataError, match=r"'test' of .* is empty.*SBD has train and val"):
        Sbd(root, "test")


def test_sbd__what_is_missing_or_damaged(tmp_path: Path) -> None:
    folder = make_sbd(tmp_path) / "benchmark_RELEASE" / "dataset"
    with pytest.raises(DataError, match=r"no SBD here\. Expected img/, cls/"):
        Sbd(folder / "img")
    path = folder / "cls" / "2008_000002.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(DataError, match=r"2008_000002\.mat: not a mask of SBD"):
        Sbd(folder)[1]
    savemat(path, {"GTcls": {"Segmentation": np.zeros((6, 8))}})
    with pytest.raises(DataError, match=r"GTcls\.Segmentation is \(6, 8\) float64; expected ids"):
        Sbd(folder)[1]
    savemat(path, {"GTcls": {"Segmentation": np.full((6, 8), 21, np.uint8)}})
    with pytest.raises(DataError, match=r"2008_000002\.mat: undeclared id 21"):
        Sbd(folder)[1]
    path.unlink()
    with pytest.raises(DataError, match=r"no mask \(1\):\n    2008_000002\.mat"):
        Sbd(folder)
    with pytest.raises(DataError, match=r"2008_000002\.mat: not a mask of SBD"):
        read_mask_or_mat(path)


def test_download__asks_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    for name in ("VOCSegmentation", "SBDataset"):
        monkeypatch.setattr(torchvision.datasets, name, lambda root, **given: asked.append((root, given)))
    voc.download(tmp_path / "voc")
    voc.download(tmp_path / "voc", 2007)
    sbd.download(tmp_path / "sbd")
    assert [(given.get("year"), given["image_set"], given["download"]) for _, given in asked] == [
        ("2012", "train", True),
        ("2007", "train", True),
        ("2007", "test", True),
        (None, "train", True),
    ]
    assert (tmp_path / "voc").is_dir()
    assert (voc.ABOUT.download, sbd.ABOUT.download) == (voc.download, sbd.download)


def test_download__a_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(torchvision.datasets, "VOCSegmentation", fail)
    with pytest.raises(
        TerrazzoError, match=r"could not be downloaded into .*corrupted.*get it by hand: http"
    ):
        voc.download(tmp_path)


def test_voc__the_genuine_masks(tmp_path: Path) -> None:
    root = link_genuine_voc(tmp_path / "VOC2012")
    dataset = Voc(root, "all")
    for sample, pair in zip(dataset, dataset.pairs, strict=True):
        with Image.open(pair.mask) as image:
            assert image.mode == "P"
            assert np.array_equal(sample["mask"], np.asarray(image))
    names = {dataset.labels.names[i] for s in dataset for i in np.unique(s["mask"]) if i != 255}
    assert names == {"background", "dog", "bicycle", "sheep", "bottle", "person"}
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("2007_000129\n")
    raw = Voc(root, masks="SegmentationClassRaw")
    assert np.array_equal(raw[0]["mask"], read_mask(raw.pairs[0].mask))
    with pytest.raises(DataError, match="no PASCAL VOC 2012 here"):
        Voc(genuine("voc2012") / "nowhere", year=2012)
