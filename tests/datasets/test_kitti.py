"""KITTI road and semantic: names, tasks, the drawn split, and images of the wrong size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError, RequestError
from terrazzo.core.images import read_mask
from terrazzo.datasets.cityscapes_labels import cityscapes_labels
from terrazzo.datasets.kitti_road import KittiRoad
from terrazzo.datasets.kitti_semantic import KittiSemantic
from tests.datasets.conftest import genuine
from tests.datasets.make_kitti import COUNTS, make_kitti_road, make_kitti_semantic


@pytest.fixture
def road(tmp_path: Path) -> Path:
    return make_kitti_road(tmp_path)


@pytest.fixture
def semantic(tmp_path: Path) -> Path:
    return make_kitti_semantic(tmp_path)


def test_kitti_road__both_roots_and_both_tasks(road: Path) -> None:
    whole = KittiRoad(road, "all")
    assert whole.ids == KittiRoad(road / "data_road", "all").ids
    assert sorted(whole.ids) == sorted(f"{s}_{i:06d}" for s, n in COUNTS.items() for i in range(n))
    assert whole.labels.names == ("other", "road")
    lane = KittiRoad(road, "all", task="lane")
    assert all(name.startswith("um_") for name in lane.ids)
    assert len(lane) == COUNTS["um"]
    assert all("_lane_" in pair.mask.name for pair in lane.pairs)
    assert lane.labels.names == ("other", "lane")


def test_kitti_road__colours(road: Path) -> None:
    dataset = KittiRoad(road, "all")
    raw = read_mask(dataset.pairs[0].mask)
    expected = np.where(raw[..., 2] == 255, 1, np.where(raw[..., 0] == 255, 0, 255))
    assert np.array_equal(dataset[0]["mask"], expected)


def test_kitti_road__blocks_stay_together_and_the_seed_draws(road: Path) -> None:
    train, val = KittiRoad(road, "train"), KittiRoad(road, "val")
    assert set(train.groups).isdisjoint(val.groups)
    assert dict(zip(train.ids, train.groups, strict=True)).get("um_000013", "um_01") == "um_01"
    assert {*train.groups, *val.groups} == {"um_00", "um_01", "um_02", "umm_00", "umm_01", "uu_00", "uu_01"}
    assert any(KittiRoad(road, "val", seed=seed).ids != val.ids for seed in range(1, 4))
    assert len(KittiRoad(road, "test", fractions=(0.5, 0.25, 0.25))) > 0
    with pytest.raises(RequestError, match="expected three shares"):
        KittiRoad(road, "train", fractions=(0.8, 0.2))


def test_kitti_road__notes(road: Path) -> None:
    assert KittiRoad(road, "train").notes == (
        "all has 48 images, the published split 289",
        "no published split: blocks of 10 frames divided (0.8, 0.2, 0.0) by seed 0",
    )
    assert KittiRoad(road, "train", task="lane").notes[0] == "all has 25 images, the published split 95"


def test_kitti_road__test_is_empty_unless_drawn(road: Path) -> None:
    with pytest.raises(DataError, match=r"'test' of .* is empty.*No split is published.*option fractions"):
        KittiRoad(road, "test")


def test_kitti_road__a_missing_mask(road: Path) -> None:
    (road / "data_road/training/gt_image_2/uu_road_000003.png").unlink()
    with pytest.raises(
        DataError, match=r"gt_image_2 \(road\): 1 problem.*\n.*no mask for the image.*\n.*uu_000003"
    ):
        KittiRoad(road, "train")


@pytest.mark.parametrize(
    "name", ["image_2/um_street.png", "gt_image_2/um_000001.png", "gt_image_2/um_path_1.png"]
)
def test_kitti_road__a_foreign_name(road: Path, name: str) -> None:
    path = road / "data_road" / "training" / name
    Image.new("RGB", (8, 6)).save(path)
    with pytest.raises(DataError, match=rf"names other than \{{um,umm,uu\}}_.*\n    {path.stem}"):
        KittiRoad(road, "train")


def test_kitti_road__an_undeclared_colour_names_the_file(road: Path) -> None:
    path = road / "data_road/training/gt_image_2/um_road_000000.png"
    Image.fromarray(np.full((6, 8, 3), (250, 0, 250), np.uint8)).save(path)
    dataset = KittiRoad(road, "all")
    with pytest.raises(DataError, match=r"um_road_000000\.png: undeclared colour \(250, 0, 250\).*\(road\)"):
        dataset[dataset.ids.index("um_000000")]


def test_kitti_road__grey_0_255_masks_are_refused(road: Path) -> None:
    """Were 255 void, as elsewhere, the road would vanish without a word."""
    path = road / "data_road/training/gt_image_2/um_road_000000.png"
    Image.fromarray(np.array([[0, 255] * 4] * 6, np.uint8)).save(path)
    dataset = KittiRoad(road, "all")
    with pytest.raises(DataError, match=r"um_road_000000\.png: undeclared id 255.*holds only 0 and 255"):
        dataset[dataset.ids.index("um_000000")]


def test_kitti__another_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no data_road here\. Expected training/image_2 and training/gt_image_2"
    ):
        KittiRoad(tmp_path)
    with pytest.raises(
        DataError, match=r"no data_semantics here\. Expected training/image_2 and training/sem"
    ):
        KittiSemantic(tmp_path)


def test_kitti_semantic__raw_ids_and_tasks(semantic: Path) -> None:
    dataset = KittiSemantic(semantic, "all")
    raw = read_mask(dataset.pairs[0].mask)
    assert np.array_equal(dataset[0]["mask"], cityscapes_labels().encode(raw))
    road = KittiSemantic(semantic, "all", task="road")
    assert np.array_equal(road[0]["mask"] == 1, raw == 7)
    assert set(dataset.groups) == {"00", "01", "02", "03"}


def test_kitti_semantic__split_and_notes(semantic: Path) -> None:
    train, val = KittiSemantic(semantic, "train"), KittiSemantic(semantic, "val")
    assert (len(train), len(val)) == (30, 10)
    assert set(train.groups).isdisjoint(val.groups)
    assert train.notes[0] == "all has 40 images, the published split 200"


def test_kitti_semantic__a_foreign_name(semantic: Path) -> None:
    for folder in ("image_2", "semantic"):
        path = semantic / "data_semantics" / "training" / folder / "000000_10.png"
        path.rename(path.with_name("a_frame.png"))
    with pytest.raises(DataError, match=r"names other than <number>_10 \(1\):\n    a_frame"):
        KittiSemantic(semantic)


def test_kitti_semantic__an_undeclared_id_names_the_file(semantic: Path) -> None:
    path = semantic / "data_semantics/training/semantic/000007_10.png"
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(path)
    dataset = KittiSemantic(semantic, "all")
    with pytest.raises(DataError, match=r"semantic/000007_10\.png: undeclared id 255"):
        dataset[dataset.ids.index("000007_10")]


def test_kitti_road__the_genuine_sample() -> None:
    root = genuine("kitti_road")
    for task in ("road", "lane"):
        dataset = KittiRoad(root, "train", task=task)
        assert dataset.ids == ("um_000000", "um_000001")
        assert all(set(np.unique(sample["mask"])) == {0, 1, 255} for sample in dataset)
        assert dataset[0]["image"].shape == (375, 1242, 3)
    road, lane = (KittiRoad(root, task=task)[0]["mask"] == 1 for task in ("road", "lane"))
    assert (lane & ~road).sum() < 0.01 * lane.sum() < 0.01 * road.sum()


def test_kitti_semantic__the_genuine_sample_has_images_of_another_size() -> None:
    root = genuine("kitti_semantic")
    with pytest.raises(DataError) as error:
        KittiSemantic(root, "all")
    assert "of different size (height x width) (5)" in str(error.value)
    assert "000000_10: image 370 x 1224, mask 375 x 1242" in str(error.value)
    for path in sorted((root / "data_semantics" / "training" / "semantic").iterdir()):
        cityscapes_labels().encode(read_mask(path), source=str(path))
