"""ADE20K: 150 classes, 0 is other, both layouts, and the full release refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.core.images import read_mask
from terrazzo.datasets.ade20k import Ade20k
from terrazzo.datasets.ade20k_labels import LABELS
from tests.datasets.conftest import genuine
from tests.datasets.make_ade20k import make_ade20k


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ade20k(tmp_path)


def test_ade20k_labels() -> None:
    assert LABELS.num_classes == 150
    assert (LABELS.names[0], LABELS.names[149]) == ("wall", "flag")
    raw = np.arange(151, dtype=np.uint8)[None]
    assert LABELS.encode(raw)[0].tolist() == [255, *range(150)]
    assert np.array_equal(LABELS.decode(LABELS.encode(raw)), raw)


def test_ade20k__splits_and_notes(root: Path) -> None:
    train, val = Ade20k(root), Ade20k(root / "ADEChallengeData2016", "val")
    assert train.ids == ("ADE_train_00000001", "ADE_train_00000002", "ADE_train_00000003")
    assert val.notes == ("val has 2 images, the published split 2000",)
    with pytest.raises(DataError, match=r"'test' of .* is empty.*test images were published without masks"):
        Ade20k(root, "test")


def test_ade20k__one_heap(root: Path, tmp_path: Path) -> None:
    heap = tmp_path / "heap"
    for kind in ("images", "annotations"):
        (heap / kind).mkdir(parents=True)
        for path in (root / "ADEChallengeData2016" / kind).rglob("*.*"):
            path.rename(heap / kind / path.name)
    assert (len(Ade20k(heap, "train")), len(Ade20k(heap, "val")), len(Ade20k(heap, "all"))) == (3, 2, 5)
    Image.new("RGB", (8, 6)).save(heap / "images" / "street.jpg")
    with pytest.raises(DataError, match=r"names other than ADE_\{train,val\}_<number> \(1\):\n    street"):
        Ade20k(heap, "train")


def test_ade20k__another_folder(root: Path) -> None:
    with pytest.raises(DataError, match=r"no ADE20K here\. Expected images/ and annotations/"):
        Ade20k(root / "ADEChallengeData2016" / "images")


def test_ade20k__masks_that_were_shifted_already_are_refused(root: Path) -> None:
    """Some copies hold 0..149 and 255: read as raw ids, every class would be another one."""
    path = root / "ADEChallengeData2016" / "annotations" / "validation" / "ADE_val_00000001.png"
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"ADE_val_00000001\.png: undeclared id 255.*1\.\.150; void: 0"):
        Ade20k(root, "val")[0]


def test_ade20k__undeclared_ids_and_colour_masks_name_the_file(root: Path) -> None:
    folder = root / "ADEChallengeData2016" / "annotations" / "validation"
    Image.fromarray(np.full((6, 8), 151, np.uint8)).save(folder / "ADE_val_00000001.png")
    Image.new("RGB", (8, 6), (10, 56, 45)).save(folder / "ADE_val_00000002.png")
    dataset = Ade20k(root, "val")
    with pytest.raises(DataError, match=r"ADE_val_00000001\.png: undeclared id 151"):
        dataset[0]
    with pytest.raises(DataError, match=r"ADE_val_00000002\.png: a colour mask.*full ADE20K release"):
        dataset[1]


def test_ade20k_labels__the_genuine_table_and_palette() -> None:
    from scipy.io import loadmat

    root = genuine("ade20k")
    lines = (root / "objectInfo150.txt").read_text().splitlines()[1:]
    synonyms = [[name.strip() for name in line.split("\t")[4].split(",")] for line in lines]
    assert list(LABELS.names) == [names[0] for names in synonyms]
    colors = loadmat(root / "visualizationCode" / "color150.mat")["colors"]
    differ = (LABELS.palette != colors).any(axis=1)
    assert [LABELS.names[i] for i in np.flatnonzero(differ)] == ["skyscraper"]


def test_ade20k__the_genuine_sample() -> None:
    root = genuine("ade20k")
    dataset = Ade20k(root / "sampleData", "val")
    assert len(dataset) == 3
    raw = read_mask(dataset.pairs[2].mask).astype(int)
    assert np.array_equal(dataset[2]["mask"], np.where(raw == 0, 255, raw - 1))
    assert {dataset.labels.names[i] for i in np.unique(dataset[0]["mask"]) if i != 255} >= {"wall", "sky"}
