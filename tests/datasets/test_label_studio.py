"""Label Studio: per cents, brushes in JSON and PNG, and tasks with none or two annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.datasets.label_studio import LabelStudio
from tests.datasets.make_label_studio import RESULTS, brush, make, result, task, write_brush_png


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "export")


def with_tasks(root: Path, tasks: list[dict[str, Any]], **options: Any) -> LabelStudio:
    next(root.glob("*.json")).write_text(json.dumps(tasks))
    return LabelStudio(root, fractions=(1, 0, 0), **options)


def test_label_studio__every_shape(root: Path) -> None:
    data = with_tasks(root, [task(0, RESULTS)])
    assert data.ids == ("street_0",), "the upload's prefix is no part of the name"
    assert data.labels.names == ("background", "Car", "Road", "Sign")
    mask = data[0]["mask"]
    assert (mask[2:6, 16:20] == 1).all(), "turned around its upper left corner"
    assert (mask[brush()] == 1).all()
    assert mask[5, 29] == mask[3, 30] == 3
    assert (mask[10:14] == 2).all()
    assert mask[0, 0] == 0


def test_label_studio__brushes_from_png(root: Path) -> None:
    tasks = [task(0, RESULTS), task(1, RESULTS[:1])]
    plain = with_tasks(root, tasks)
    with_json = [sample["mask"] for sample in plain]
    write_brush_png(root, 0)
    data = with_tasks(root, tasks, brushes="png")
    assert all((sample["mask"] == mask).all() for sample, mask in zip(data, with_json, strict=True))
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(next(root.glob("task-0-*.png")))
    assert not (data[0]["mask"][brush()] == 1).all()


def test_label_studio__none_and_two_annotations(root: Path) -> None:
    assert "1 tasks have no annotation and are left out" in LabelStudio(root).notes
    two = task(0, RESULTS[:1])
    second = {"id": 7, "result": [result("rectanglelabels", "Car", x=0, y=0, width=100, height=100)]}
    two["annotations"].append(second)
    with pytest.raises(DataError, match=r"task 0: 2 annotations; expected one\..*annotation=first"):
        with_tasks(root, [two])
    assert with_tasks(root, [two], annotation="first").labels.names == ("background", "Road")
    assert with_tasks(root, [two], annotation="last").labels.names == ("background", "Car")
    second["was_cancelled"] = True
    assert with_tasks(root, [two]).labels.names == ("background", "Road")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            result("keypointlabels", "Car", x=1, y=1),
            "a shape of type 'keypointlabels'; expected one with an area",
        ),
        (result("polygonlabels", "Car", points=[[1, 1]]), "a polygon of"),
        (result("rectanglelabels", "Car", x=1), "rectanglelabels that cannot be read"),
        (result("brushlabels", "Car", rle=[0, 0, 0, 9]), "the brush is cut short"),
    ],
)
def test_label_studio__damaged_results(root: Path, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=rf"\.json, task 0: {sentence}"):
        with_tasks(root, [task(0, [change])])[0]


def test_label_studio__key_points_left_out_on_purpose(root: Path) -> None:
    results = [RESULTS[0], result("keypointlabels", "Nose", x=1, y=1)]
    assert with_tasks(root, [task(0, results)], skip=("keypointlabels",))[0]["mask"].any()


def test_label_studio__another_size_and_a_turned_image(root: Path) -> None:
    small = {**RESULTS[0], "original_width": 20}
    with pytest.raises(DataError, match=r"street_0\.png: image 20 x 40, annotation 20 x 20"):
        with_tasks(root, [task(0, [small])])
    turned = {**RESULTS[0], "image_rotation": 90}
    with pytest.raises(DataError, match="or a turned image; expected one, upright"):
        with_tasks(root, [task(0, [turned])])


def test_label_studio__addresses_of_images(root: Path) -> None:
    for address in (
        "/data/local-files/?d=set/street_0.png",
        "s3://bucket/street_0.png",
        "https://x.org/street%5F0.png?a=1",
    ):
        data = with_tasks(root, [{**task(0, RESULTS), "data": {"image": address}}])
        assert data.ids == ("street_0",)
    with pytest.raises(DataError, match=r"nowhere\.png: there is no such file"):
        with_tasks(root, [{**task(0, RESULTS), "data": {"image": "/data/nowhere.png"}}])


def test_label_studio__other_exports(root: Path, tmp_path: Path) -> None:
    next(root.glob("*.json")).write_text(json.dumps([{"id": 1, "image": "a.png", "tag": []}]))
    with pytest.raises(DataError, match=r"no list of tasks with data and annotations. Export as 'JSON'"):
        LabelStudio(root)
    with pytest.raises(DataError, match=r"0 JSON files; expected one, the export 'JSON'"):
        LabelStudio(root / "images")
