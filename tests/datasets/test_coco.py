"""COCO in three forms: pixel maps, panoptic PNGs, and instances as polygons and run lengths."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError, RequestError
from terrazzo.datasets.coco_panoptic import CocoPanoptic
from terrazzo.datasets.coco_polygons import CocoPolygons
from terrazzo.datasets.coco_stuff import LABELS, NAMES, UNUSED, CocoStuff
from tests.datasets import make_coco_panoptic, make_coco_polygons, make_coco_stuff
from tests.datasets.make_coco_polygons import SIZE


def edit(path: Path, change: Any) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_coco_stuff__171_of_182() -> None:
    assert len(NAMES) == 182
    assert LABELS.num_classes == 171
    assert {c.raw_ids[0] for c in LABELS.classes} == set(range(182)) - {n - 1 for n in UNUSED}
    by_name = {c.name: c.raw_ids[0] for c in LABELS.classes}
    assert [by_name[n] for n in ("person", "stop sign", "banner", "wood")] == [0, 12, 91, 181]


def test_coco_stuff__masks_of_another_tool_are_passed_over_and_unused_ids_refused(tmp_path: Path) -> None:
    root = make_coco_stuff.make(tmp_path / "x")
    assert len(CocoStuff(root)) == 3
    path = root / "annotations" / "train2017" / "000000000009.png"
    Image.fromarray(np.full((20, 24), 11, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"000000000009\.png: undeclared id 11 "):
        CocoStuff(root)[0]


def test_coco_stuff__other_places(tmp_path: Path) -> None:
    root = make_coco_stuff.make(tmp_path / "x")
    (root / "annotations").rename(root / "stuffthingmaps")
    (root / "images" / "train2017").rename(root / "train2017")
    assert len(CocoStuff(root)) == 3
    (root / "train2017" / "000000000025.jpg").unlink()
    with pytest.raises(DataError, match=r"no image \(1\):\s+000000000025"):
        CocoStuff(root)
    with pytest.raises(DataError, match=r"no COCO-Stuff here.*10k release with \.mat files is not read"):
        CocoStuff(tmp_path)


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    return make_coco_panoptic.make(tmp_path / "panoptic")


def test_coco_panoptic__segments_become_categories(panoptic: Path) -> None:
    data = CocoPanoptic(panoptic)
    assert data.labels.names == ("person", "car", "tree-merged")
    ids = np.random.default_rng(9).choice([0, *make_coco_panoptic.SEGMENTS], SIZE)
    train = {0: 255, 3226956: 0, 6979964: 1, 200: 2, 65793: 0}
    assert (data[0]["mask"] == np.vectorize(train.get)(ids)).all()
    assert data.labels.void_ids == (0,)
    assert len({c.color for c in data.labels.classes}) == 3


def test_coco_panoptic__a_segment_on_one_side_only(panoptic: Path) -> None:
    path = panoptic / "annotations" / "panoptic_train2017" / "000000000009.png"
    ids = np.full(SIZE, 77)
    make_coco_panoptic.write_segments(path, ids)
    with pytest.raises(DataError, match=r"000000000009\.png: segment 77 \(480 pixels\) is not in the JSON"):
        CocoPanoptic(panoptic)[0]
    make_coco_panoptic.write_segments(path, np.full(SIZE, 200))
    with pytest.raises(DataError, match=r"000000000009\.png: segment 65793 of the JSON has no pixel"):
        CocoPanoptic(panoptic)[0]


def test_coco_panoptic__categories_are_reconciled(panoptic: Path) -> None:
    val = panoptic / "annotations" / "panoptic_val2017.json"
    edit(val, lambda d: d["categories"].append({"id": 9, "name": "boat"}))
    assert CocoPanoptic(panoptic).labels.names == CocoPanoptic(panoptic, "val").labels.names
    assert CocoPanoptic(panoptic).labels.names == ("person", "car", "boat", "tree-merged")
    edit(val, lambda d: d["categories"][0].update(name="pedestrian"))
    with pytest.raises(DataError, match="category 1 is 'pedestrian' there but 'person' in"):
        CocoPanoptic(panoptic)


def test_coco_panoptic__an_unknown_category_and_an_unknown_image(panoptic: Path) -> None:
    train = panoptic / "annotations" / "panoptic_train2017.json"
    edit(train, lambda d: d["annotations"][0]["segments_info"][0].update(category_id=50))
    with pytest.raises(DataError, match=r"000000000009\.png has a segment of category 50, which the file"):
        CocoPanoptic(panoptic)
    edit(train, lambda d: d["annotations"][0].update(image_id=4))
    with pytest.raises(DataError, match="is of image 4, which the file does not list"):
        CocoPanoptic(panoptic)


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    return make_coco_polygons.make(tmp_path / "coco")


def test_coco_polygons__smaller_on_top_and_crowds_below(instances: Path) -> None:
    data = CocoPolygons(instances)
    assert data.labels.names == ("background", "person", "dog")
    mask = data[0]["mask"]
    assert mask[5, 13] == 2, "the dog is listed first but smaller"
    assert mask[3, 11] == mask[16, 3] == 1, "both parts of the person"
    assert mask[:, :5].all(), "the crowd, down the columns"
    assert mask[0, 5] == mask[19, 23] == 0
    assert not data[2]["mask"].any(), "an image without an object is all background"


def test_coco_polygons__crowd_as_void(instances: Path) -> None:
    mask = CocoPolygons(instances, crowd="void")[0]["mask"]
    assert mask[0, 0] == 255
    assert mask[16, 3] == 1


def test_coco_polygons__options_for_what_nobody_drew_on(instances: Path) -> None:
    void = CocoPolygons(instances, background=None)
    assert void.labels.names == ("person", "dog")
    assert void[0]["mask"][19, 23] == 255
    assert "pixels outside every shape are void" in void.notes
    no_dogs = CocoPolygons(instances, void=("dog",))
    assert no_dogs.labels.names == ("background", "person")
    assert no_dogs[0]["mask"][5, 13] == 255
    assert CocoPolygons(instances, order="file")[0]["mask"][5, 13] == 1


def test_coco_polygons__squeezed_run_lengths(instances: Path) -> None:
    path = instances / "annotations" / "instances_train2017.json"
    before = CocoPolygons(instances)[0]["mask"]
    edit(path, lambda d: d["annotations"][2]["segmentation"].update(counts="0T3l;"))
    assert (CocoPolygons(instances)[0]["mask"] == before).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"segmentation": []},
            r"annotation 90: a segmentation of \[\]; expected polygons or run lengths\. A box",
        ),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 90: a polygon of"),
        (
            {"segmentation": {"size": [4, 4], "counts": [16]}},
            r"run lengths for \(4, 4\), but the image is \(20, 24\)",
        ),
        (
            {"segmentation": {"size": [20, 24], "counts": [16]}},
            "run lengths add up to 16 pixels; expected 20 x 24",
        ),
    ],
)
def test_coco_polygons__segmentations_that_are_none(
    instances: Path, change: dict[str, Any], sentence: str
) -> None:
    path = instances / "annotations" / "instances_train2017.json"
    edit(path, lambda d: d["annotations"][0].update(change))
    with pytest.raises(
        DataError,
        match=rf"instances_train2017\.json, image 000000000009\.jpg, {sentence}"
        if sentence.startswith("ann")
        else sentence,
    ):
        CocoPolygons(instances)[0]


def test_coco_polygons__unknown_references(instances: Path) -> None:
    path = instances / "annotations" / "instances_train2017.json"
    edit(path, lambda d: d["annotations"][0].update(category_id=7))
    with pytest.raises(DataError, match="annotation 90 is of category 7, which the file does not list"):
        CocoPolygons(instances)
    edit(path, lambda d: d["annotations"][0].update(image_id=1))
    with pytest.raises(DataError, match="annotation 90 is of image 1, which the file does not list"):
        CocoPolygons(instances)


def test_coco_polygons__missing_and_resized_images_are_all_said(instances: Path) -> None:
    (instances / "train2017" / "000000000009.jpg").unlink()
    Image.fromarray(np.zeros((24, 20, 3), np.uint8)).save(instances / "train2017" / "000000000025.jpg")
    with pytest.raises(DataError) as error:
        CocoPolygons(instances)
    assert "000000000009.jpg: there is no such file" in str(error.value)
    assert "000000000025.jpg: image 24 x 20, annotation 20 x 24" in str(error.value)


def test_coco_polygons__two_years_and_other_tools(instances: Path, tmp_path: Path) -> None:
    folder = instances / "annotations"
    shutil.copy(folder / "instances_train2017.json", folder / "instances_train2014.json")
    with pytest.raises(
        RequestError, match=r"several annotation files for train: .*2014\.json, .*Choose with the option year"
    ):
        CocoPolygons(instances)
    assert len(CocoPolygons(instances, year=2017)) == 3
    roboflow = tmp_path / "roboflow"
    for split, year in (("train", "train2017"), ("valid", "val2017")):
        shutil.copytree(instances / year, roboflow / split)
        shutil.copy(folder / f"instances_{year}.json", roboflow / split / "_annotations.coco.json")
    assert (len(CocoPolygons(roboflow)), len(CocoPolygons(roboflow, "val"))) == (3, 2)
    single = tmp_path / "single"
    shutil.copytree(instances / "train2017", single / "images")
    shutil.copy(folder / "instances_train2017.json", single / "result.json")
    assert len(CocoPolygons(single, fractions=(0.4, 0.3, 0.3))) == 1
    with pytest.raises(DataError, match=r"no annotations\. Expected annotations/instances_train2017\.json"):
        CocoPolygons(tmp_path)
