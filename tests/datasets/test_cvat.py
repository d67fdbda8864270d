"""CVAT: the XML of images, and the export of painted masks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.datasets.cvat import Cvat
from terrazzo.datasets.cvat_masks import CvatMasks
from tests.datasets import make_cvat, make_cvat_masks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_cvat.make(tmp_path / "cvat")


def with_shapes(root: Path, shapes: str) -> Path:
    """Give every image other shapes."""
    subsets = ["Train"] * 3 + ["Validation"] * 2 + ["Test"]
    images = "".join(make_cvat.image(n, s, shapes) for n, s in enumerate(subsets))
    (root / "annotations.xml").write_text(make_cvat.xml(images))
    return root


def test_cvat__shapes_by_z_order(root: Path) -> None:
    data = Cvat(root)
    assert data.labels.names == ("background", "road", "car", "sign", "night")
    assert data.labels.classes[1].color == (128, 64, 128)
    mask = data[0]["mask"]
    assert mask[8, 4:8].tolist() == [1, 2, 2, 1], "the mask is on top though the polygon comes later"
    assert mask[9, 4:8].tolist() == [1, 2, 2, 1]
    assert (mask[0:6, 20:22] == 3).all(), "the box is turned by 90 degrees"
    assert mask[4, 7:13].tolist() == [3] * 6
    assert (mask[10:, :] == 1).all()
    assert mask[0, 0] == 0


def test_cvat__subsets_are_splits(root: Path) -> None:
    assert [len(Cvat(root, split)) for split in ("train", "val", "test")] == [3, 2, 1]
    text = (root / "annotations.xml").read_text()
    (root / "annotations.xml").write_text(text.replace('subset="Test"', 'subset="later"'))
    with pytest.raises(
        DataError, match="street_5 is in the split 'later', others in 'train'; expected train, val"
    ):
        Cvat(root)


@pytest.mark.parametrize("kind", ["polyline", "points", "cuboid", "skeleton"])
def test_cvat__shapes_without_area_are_refused_or_left_out_on_purpose(root: Path, kind: str) -> None:
    with_shapes(root, f'<{kind} label="road" points="1,1;2,2" z_order="0"></{kind}>')
    with pytest.raises(
        DataError, match=rf"image street_0\.png: a shape of type '{kind}'; expected one with an area"
    ):
        Cvat(root)[0]
    assert not Cvat(root, skip=(kind,))[0]["mask"].any()


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            '<mask label="car" rle="1, 2" left="1" top="1" width="3" height="3"/>',
            "run lengths add up to 3 pixels",
        ),
        (
            '<mask label="car" rle="0, 9" left="28" top="1" width="3" height="3"/>',
            "a mask of 3 x 3 at row 1, column 28",
        ),
        ('<mask label="car" left="1" top="1" width="3" height="3"/>', "a mask that cannot be read"),
        ('<polygon label="car" points="1,1;2,2"/>', "a polygon of"),
        ('<box label="car" xtl="1"/>', "a box that cannot be read"),
    ],
)
def test_cvat__damaged_shapes(root: Path, shape: str, sentence: str) -> None:
    with pytest.raises(DataError, match=rf"annotations\.xml, image street_0\.png: {sentence}"):
        Cvat(with_shapes(root, shape))[0]


def test_cvat__not_this_export(root: Path, tmp_path: Path) -> None:
    path = root / "annotations.xml"
    path.write_text("<annotations><track id='0'/></annotations>")
    with pytest.raises(DataError, match=r"holds tracks of a video; expected images"):
        Cvat(root)
    path.write_text("<annotations><ima")
    with pytest.raises(DataError, match="cannot be read as XML"):
        Cvat(root)
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    with pytest.raises(DataError, match="declares a document type, which CVAT never writes"):
        Cvat(root)
    masks = make_cvat_masks.make(tmp_path / "masks")
    with pytest.raises(DataError, match=r"no annotations\.xml.*export of masks: use cvat-masks"):
        Cvat(masks)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return make_cvat_masks.make(tmp_path / "masks")


def test_cvat_masks__the_palettes_colours_count(masks: Path) -> None:
    data = CvatMasks(masks, "all")
    assert data.labels.names == tuple(make_cvat_masks.COLORS)
    for sample in data:
        number = int(sample["id"].split("_")[1])
        rng = np.random.default_rng(number)
        rng.integers(0, 256, (*make_cvat_masks.SIZE, 3), dtype=np.uint8)
        assert (sample["mask"] == rng.integers(0, 4, make_cvat_masks.SIZE)).all()


def test_cvat_masks__undeclared_colours_name_the_file(masks: Path) -> None:
    (masks / "labelmap.txt").write_text((masks / "labelmap.txt").read_text().replace("road:128", "road:129"))
    for palette in (True, False):
        path = masks / "SegmentationClass" / "street0_0.png"
        make_cvat_masks.write_mask(path, np.ones(make_cvat_masks.SIZE, int), palette=palette)
        with pytest.raises(DataError, match=r"street0_0\.png: undeclared colour \(128, 64, 128\)"):
            list(CvatMasks(masks, "all", fractions=(0, 0, 1)))


def test_cvat_masks__void_labels(masks: Path) -> None:
    data = CvatMasks(masks, "all", void=("dirt",))
    assert data.labels.names == ("background", "road", "car")
    assert 255 in data[0]["mask"]
    with pytest.raises(DataError, match=r"labelmap\.txt: no label 'drit', which the option void names"):
        CvatMasks(masks, void=("drit",))


def test_cvat_masks__lists_of_splits(masks: Path) -> None:
    lists = masks / "ImageSets" / "Segmentation"
    names = (lists / "default.txt").read_text().split()
    (lists / "train.txt").write_text("\n".join(names[:7]))
    (lists / "val.txt").write_text("\n".join(names[7:]))
    assert (len(CvatMasks(masks)), len(CvatMasks(masks, "val"))) == (7, 3)
    (lists / "val.txt").write_text("\n".join(names[6:]))
    with pytest.raises(DataError, match=r"val\.txt: 'street3_6' is in train as well"):
        CvatMasks(masks)


def test_cvat_masks__grey_masks_broken_lines_and_missing_images(masks: Path) -> None:
    Image.fromarray(np.zeros(make_cvat_masks.SIZE, np.uint8)).save(
        masks / "SegmentationClass" / "street0_0.png"
    )
    with pytest.raises(DataError, match=r"street0_0\.png: grey values; expected RGB or a palette"):
        list(CvatMasks(masks, "all"))
    (masks / "labelmap.txt").write_text("road:128,64:parts:\n")
    with pytest.raises(DataError, match=r"labelmap\.txt, line 1: 'road:128,64:parts:'; expected label:red"):
        CvatMasks(masks)
    (masks / "labelmap.txt").unlink()
    with pytest.raises(DataError, match=r"labelmap\.txt: there is no such file; expected a line"):
        CvatMasks(masks)
    (masks / "JPEGImages").rename(masks / "other")
    with pytest.raises(DataError, match=r"Export with 'save images', or put the images into JPEGImages"):
        CvatMasks(masks)
