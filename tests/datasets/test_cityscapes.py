"""Cityscapes: three kinds of masks with one meaning, coarse data, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError, RequestError
from terrazzo.core.images import read_mask
from terrazzo.datasets.cityscapes import Cityscapes
from terrazzo.datasets.cityscapes_labels import RAW, MaskKind, Task, cityscapes_labels
from tests.datasets.conftest import genuine
from tests.datasets.make_cityscapes import make_cityscapes

CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
    *(
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
)
CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_cityscapes(tmp_path / "cityscapes")


def test_cityscapes_labels__names() -> None:
    assert cityscapes_labels().names == CLASSES
    assert cityscapes_labels("categories").names == CATEGORIES
    assert cityscapes_labels("road").names == ("other", "road")
    assert cityscapes_labels("road").classes[0].color == (70, 70, 70)


def test_cityscapes_labels__what_each_raw_id_becomes() -> None:
    raw = np.arange(34, dtype=np.uint8)[None]
    void, classes = 255, cityscapes_labels().encode(raw)[0]
    assert classes.tolist() == [
        *([void] * 7 + [0, 1, void, void, 2, 3, 4, void, void, void, 5, void, 6, 7, 8, 9, 10, 11, 12]),
        *(13, 14, 15, void, void, 16, 17, 18),
    ]
    for task, name in (("categories", "category"), ("road", "road")):
        labels = cityscapes_labels(task)
        for label, train_id in zip(RAW, labels.encode(raw)[0].tolist(), strict=True):
            group = label.category if task == "categories" else "road" if label.name == name else "other"
            assert train_id == (labels.names.index(group) if label.scored else void), label.name


@pytest.mark.parametrize("task", ["classes", "categories", "road"])
def test_cityscapes__the_same_from_ids_train_ids_and_colours(root: Path, task: Task) -> None:
    by_id, by_train_id, by_color = (
        Cityscapes(root, "train", task=task, masks=masks) for masks in ("labelIds", "labelTrainIds", "color")
    )
    for index, sample in enumerate(by_id):
        raw = read_mask(by_id.pairs[index].mask)
        assert np.array_equal(sample["mask"], by_train_id[index]["mask"])
        told = raw != 18  # polegroup has the colour of pole
        assert np.array_equal(sample["mask"][told], by_color[index]["mask"][told])
        pole = by_color.labels.encode(np.full((1, 1), 17, np.uint8)).item()
        assert set(by_color[index]["mask"][~told]) == {pole}


def test_cityscapes__groups(root: Path) -> None:
    assert Cityscapes(root, "val").groups == ("frankfurt_000000", "frankfurt_000001", "frankfurt_000001")
    assert set(Cityscapes(root, "val", group_by="city").groups) == {"frankfurt"}


def test_cityscapes__coarse_and_extra(root: Path) -> None:
    coarse = Cityscapes(root, "train", quality="coarse")
    assert all("gtCoarse" in str(pair.mask) for pair in coarse.pairs)
    assert coarse.notes == ("train has 3 images, the published split 2975",)
    more = Cityscapes(root, "train", quality="coarse", extra=True)
    assert more.ids == (*coarse.ids, "augsburg_000000_000000")
    assert more.notes[1] == "train_extra has 1 images, the published split 19998"
    val = Cityscapes(root, "val", quality="coarse", extra=True)
    assert val.ids == Cityscapes(root, "val").ids
    with pytest.raises(RequestError, match="extra = True adds train_extra, which has coarse masks only"):
        Cityscapes(root, "train", extra=True)


def test_cityscapes__test_masks_are_placeholders(root: Path) -> None:
    dataset = Cityscapes(root, "test")
    assert set(np.unique(dataset[0]["mask"])) == {255}
    assert "masks of test are placeholders" in dataset.notes[-1]
    assert "placeholders" not in " ".join(Cityscapes(root, "val").notes)


def test_cityscapes__masks_of_another_kind_are_named(root: Path) -> None:
    for path in root.rglob("*_labelIds.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"as \*_gtFine_labelTrainIds: give the option masks='labelTrainIds'"):
        Cityscapes(root, "val")


def test_cityscapes__a_missing_mask_and_a_mask_without_image(root: Path) -> None:
    (root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png").unlink()
    (root / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png").unlink()
    with pytest.raises(DataError) as error:
        Cityscapes(root, "train")
    assert "2 problems in 2 pairs" in str(error.value)
    assert "no mask for the image (1):\n    aachen_000000_000019_leftImg8bit.png" in str(error.value)
    assert "no image for the mask (1):\n    aachen_000001_000019_gtFine_labelIds.png" in str(error.value)


def test_cityscapes__one_frame_in_two_cities(root: Path) -> None:
    other = root / "leftImg8bit" / "train" / "bonn"
    other.mkdir()
    shutil.copy(root / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png", other)
    with pytest.raises(DataError, match="several images of one name"):
        Cityscapes(root, "train")


def test_cityscapes__a_foreign_name(root: Path) -> None:
    place = root / "leftImg8bit" / "val" / "frankfurt"
    (place / "frankfurt_000000_000294_leftImg8bit.png").rename(place / "frankfurt_294.png")
    with pytest.raises(DataError, match=r"names other than <city>_<recording>_<frame>_leftImg8bit \(1\)"):
        Cityscapes(root, "val")


def test_cityscapes__another_folder(root: Path) -> None:
    with pytest.raises(DataError, match=r"no Cityscapes here.*gtFine/ side by side.*found aachen/, bochum/"):
        Cityscapes(root / "leftImg8bit" / "train")
    shutil.rmtree(root / "gtCoarse")
    with pytest.raises(DataError, match="Expected leftImg8bit/ and gtCoarse/"):
        Cityscapes(root, quality="coarse")


@pytest.mark.parametrize(("kind", "value"), [("labelIds", 34), ("labelIds", 255), ("labelTrainIds", 19)])
def test_cityscapes__undeclared_ids_name_the_file(root: Path, kind: MaskKind, value: int) -> None:
    path = root / f"gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_{kind}.png"
    Image.fromarray(np.full((6, 8), value, np.uint8)).save(path)
    with pytest.raises(
        DataError, match=rf"frankfurt_000000_000294_gtFine_{kind}\.png: undeclared id {value}"
    ):
        Cityscapes(root, "val", masks=kind)[0]


def test_cityscapes__an_undeclared_colour_names_the_file(root: Path) -> None:
    path = root / "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_color.png"
    Image.fromarray(np.full((6, 8, 3), (0, 130, 180), np.uint8)).save(path)
    with pytest.raises(
        DataError, match=r"_color\.png: undeclared colour \(0, 130, 180\).*\(70, 130, 180\) \(sky"
    ):
        Cityscapes(root, "val", masks="color")[0]


def test_cityscapes_labels__the_genuine_table() -> None:
    table = json.loads((genuine("cityscapes") / "labels.json").read_text())["labels"]
    for raw_id, label in enumerate(RAW):
        entry = next(entry for entry in table if entry["id"] == raw_id)
        assert (label.name, list(label.color), label.category) == (
            entry["name"], entry["color"], entry["category"]
        )  # fmt: skip
        assert label.scored is (not entry["ignoreInEval"])
        if label.scored:
            assert CLASSES.index(label.name) == entry["trainId"]


def test_cityscapes__genuine_masks_of_all_kinds_agree() -> None:
    root = genuine("cityscapes")
    ids, train_ids = (Cityscapes(root, "train", masks=m)[0] for m in ("labelIds", "labelTrainIds"))
    assert ids["image"].shape == (1024, 2048, 3)
    assert np.array_equal(ids["mask"], train_ids["mask"])
    place = root / "gtFine" / "val" / "frankfurt"
    color = read_mask(place / "frankfurt_000001_058914_gtFine_color.png")
    by_train_id = read_mask(place / "frankfurt_000001_058914_gtFine_labelTrainIds.png")
    encoded = cityscapes_labels().encode(color)
    assert np.array_equal(encoded, by_train_id)
    assert (encoded == 255).sum() == 829 + 239996  # ground, and black
    with pytest.raises(
        DataError, match=r"no mask for the image \(1\):\n    frankfurt_000001_058914_leftImg8bit"
    ):
        Cityscapes(root, "val")
