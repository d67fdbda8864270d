"""LabelMe: shapes, order, ignored regions, moved images, and its own export to compare with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.core import ConfigError, DataError
from terrazzo.core.images import read_mask
from terrazzo.datasets.labelme import LabelMe
from tests.datasets.make_labelme import SHAPES, make, shape, write

SHARED = Path(__file__).parents[3] / "shared" / "data" / "samples" / "labelme_voc" / "semantic_segmentation"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "labelme")


def only(root: Path, shapes: list[dict[str, Any]], **options: Any) -> LabelMe:
    """Return the dataset with one annotation alone."""
    for path in sorted(root.iterdir()):
        if not path.name.startswith("scene0_0"):
            path.unlink()
    write(root / "scene0_0.json", shapes)
    return LabelMe(root, fractions=(1, 0, 0), **options)


def test_labelme__every_shape_that_has_an_area(root: Path) -> None:
    data = only(root, SHAPES)
    assert data.labels.names == ("background", "car", "road", "sign")
    mask = data[0]["mask"]
    assert mask[10:, 0].tolist() == [2] * 10
    assert (mask[8:12, 4:8] == 1).all(), "a rectangle, corners in any order"
    assert (mask == 3).sum() == pytest.approx(np.pi * 9, abs=4)
    assert mask[12, 24:28].tolist() == [2, 1, 1, 2], "a mask with its corner at (24, 12)"
    assert (mask[14:18, 12:16] == 255).all()
    assert mask[0, 0] == 0


def test_labelme__an_image_nobody_annotated_is_a_note(root: Path) -> None:
    assert "1 images have no annotation and are left out, the first is scene5_10" in LabelMe(root).notes
    assert len(LabelMe(root, "all")) == 10


def test_labelme__later_shapes_on_top_or_smaller_ones(root: Path) -> None:
    small = shape("car", "rectangle", [[4, 4], [8, 8]])
    large = shape("road", "rectangle", [[0, 0], [20, 20]])
    assert only(root, [small, large])[0]["mask"][5, 5] == 2
    assert only(root, [small, large], order="area")[0]["mask"][5, 5] == 1


def test_labelme__shapes_without_area_are_refused_or_left_out_on_purpose(root: Path) -> None:
    shapes = [SHAPES[0], shape("car", "linestrip", [[1, 1], [5, 5]])]
    data = only(root, shapes)
    with pytest.raises(
        DataError, match=r"scene0_0\.json: a shape of type 'linestrip'; expected one with an area: polygon"
    ):
        data[0]
    assert set(np.unique(only(root, shapes, skip=("linestrip",))[0]["mask"])) == {0, 2}
    with pytest.raises(DataError, match=r"a circle of points .*expected two"):
        only(root, [shape("car", "circle", [[1, 1]])])[0]


def test_labelme__a_slip_in_a_label_is_no_new_class(root: Path, tmp_path: Path) -> None:
    names = tmp_path / "labels.txt"
    names.write_text("__ignore__\n_background_\nroad\ncar\nsign\n")
    data = only(root, SHAPES, classes=names)
    assert data.labels.names == ("_background_", "road", "car", "sign")
    data = only(root, [shape("raod", "rectangle", [[0, 0], [5, 5]])], classes=names)
    with pytest.raises(DataError, match=r"scene0_0\.json: undeclared label 'raod'; did you mean 'road'\?"):
        data[0]
    names.write_text("road\ncar\nsign\n")
    with pytest.raises(ConfigError, match="no class is named 'background', which pixels that nobody drew on"):
        only(root, SHAPES, classes=names)
    assert only(root, SHAPES, classes=names, background=None)[0]["mask"][0, 0] == 255


def test_labelme__moved_images_and_wrong_sizes(root: Path) -> None:
    write(root / "scene0_0.json", SHAPES, imagePath="..\\elsewhere\\scene0_0.png")
    assert len(LabelMe(root, "all")) == 10
    write(root / "scene0_0.json", SHAPES, imageHeight=30, imageWidth=20)
    with pytest.raises(DataError, match=r"scene0_0\.png: image 20 x 30, annotation 30 x 20"):
        LabelMe(root, "all")


def test_labelme__sub_folders_are_splits(root: Path, tmp_path: Path) -> None:
    for name, numbers in (("train", (0, 1)), ("val", (2,))):
        (tmp_path / "split" / name).mkdir(parents=True)
        for number in numbers:
            for path in root.glob(f"*_{number}.*"):
                path.rename(tmp_path / "split" / name / path.name)
    assert len(LabelMe(tmp_path / "split")) == 2
    assert LabelMe(tmp_path / "split", "val").ids == ("scene1_2",)


def test_labelme__no_annotation_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DataError, match=r"a\.json: no LabelMe annotation; expected a list of shapes"):
        LabelMe(tmp_path)
    (tmp_path / "a.json").unlink()
    with pytest.raises(DataError, match=r"no LabelMe annotation\. Expected JSON files beside the images"):
        LabelMe(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared LabelMe sample is not beside this checkout")
def test_labelme__agrees_with_its_own_export() -> None:
    data = LabelMe(SHARED / "data_annotated", "all", classes=SHARED / "labels.txt")
    assert data.labels.num_classes == 21
    for sample in data:
        own = read_mask(SHARED / "data_dataset_voc" / "SegmentationClass" / f"{sample['id']}.png")
        differ = sample["mask"] != own
        assert differ.mean() < 0.006
        inner = uniform(own) & uniform(sample["mask"])
        assert not (differ[1:-1, 1:-1] & inner).any(), "only within a pixel of an outline"


def uniform(mask: np.ndarray) -> np.ndarray:
    """Say of each inner pixel whether all around it are alike."""
    shifts = [(i, j) for i in range(3) for j in range(3)]
    height, width = mask.shape[0] - 2, mask.shape[1] - 2
    found: np.ndarray = np.logical_and.reduce(
        [mask[i : i + height, j : j + width] == mask[1:-1, 1:-1] for i, j in shifts], axis=0
    )
    return found
