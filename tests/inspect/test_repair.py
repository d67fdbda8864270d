"""`--fix` repairs what it says: a second look does not find it again, and the original is as it was."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core import RequestError
from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets import open_dataset
from terrazzo.datasets.scenes import LABELS
from terrazzo.inspect import InspectReport, inspect, open_source, report_of, take_survey
from terrazzo.inspect.doctor import KINDS
from terrazzo.inspect.repair import Repair, repair
from tests.inspect.conftest import COUNTS
from tests.inspect.faults import FAULTS, MASK, each_mask

FIXABLE = sorted(name for name, kind in KINDS.items() if kind.repair)
CHANGED_ON_PURPOSE = {"jpeg-damage", "lossy-mask", "resampling-damage", "image-not-finite", "mask-alpha"}
LEAVES_OUT = {"image-without-mask", "mask-without-image", "unreadable-file", "truncated-file", "empty-mask"}


def mend(root: Path, out: Path) -> tuple[InspectReport, Repair]:
    """Inspect and repair."""
    yaml = root / "data.yaml"
    survey = take_survey(open_source(yaml if yaml.exists() else root))
    report = report_of(survey)
    return report, repair(survey, report, out)


def contents(root: Path) -> dict[str, str]:
    """Return a hash of every file."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", FIXABLE)
def test_repair__is_not_found_again(kind: str, scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS[kind](scenes_folder)
    before = contents(scenes_folder)
    report, done = mend(scenes_folder, tmp_path / "mended")
    assert [finding.kind for finding in report.findings if finding.fixable] == [kind]
    assert done.actions
    assert json.loads((tmp_path / "mended" / "repairs.json").read_text())
    again = inspect(done.dataset)
    assert [finding.kind for finding in again.findings if finding.severity == "error"] == []
    assert kind not in {finding.kind for finding in again.findings}
    assert contents(scenes_folder) == before


@pytest.mark.parametrize("kind", FIXABLE)
def test_repair__every_verb_reads_the_result(kind: str, scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS[kind](scenes_folder)
    _, done = mend(scenes_folder, tmp_path / "mended")
    for split in COUNTS:
        dataset = open_dataset(done.dataset, split=split)
        assert len([sample["id"] for sample in dataset]) >= COUNTS[split] - 2


@pytest.mark.parametrize(
    "kind",
    [
        *("ids-off-by-one", "mask-grey-as-rgb", "palette-indices", "transposed-pair", "exif-rotated"),
        *("mask-exif", "mask-alpha"),
    ],
)
def test_repair__gives_back_the_original_labels(
    kind: str, clean_scenes: Path, scenes_folder: Path, tmp_path: Path
) -> None:
    FAULTS[kind](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    for path in (clean_scenes / "train" / "masks").iterdir():
        now, was = read_mask(tmp_path / "mended/train/masks" / path.name), read_mask(path)
        photo_was_turned = kind == "exif-rotated" and path.name == Path(MASK).name
        np.testing.assert_array_equal(now, np.rot90(was, -1) if photo_was_turned else was)


def test_repair__grey_values_become_the_classes_of_their_colours(
    clean_scenes: Path, scenes_folder: Path, tmp_path: Path
) -> None:
    FAULTS["palette-as-grey"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    was = read_mask(clean_scenes / MASK)
    np.testing.assert_array_equal(read_mask(tmp_path / "mended" / MASK), np.where(was == 255, 0, was))


def test_repair__two_classes_of_0_and_255(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["binary-255"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    was = read_mask(scenes_folder / MASK)
    np.testing.assert_array_equal(read_mask(tmp_path / "mended" / MASK), (was == 255).astype(np.uint8))


def test_repair__compressed_colours_are_right_or_void(
    clean_scenes: Path, scenes_folder: Path, tmp_path: Path
) -> None:
    FAULTS["jpeg-damage"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    was, now = read_mask(clean_scenes / MASK), read_mask(tmp_path / "mended" / MASK)
    was = np.where(was == 255, 0, was)
    assert (now != 255).mean() > 0.8
    assert (now == was)[now != 255].mean() > 0.95


def test_repair__mixed_ids_become_void(clean_scenes: Path, scenes_folder: Path, tmp_path: Path) -> None:
    """Also where the mixed ids are all declared: nothing else would notice them."""
    import cv2

    def change(mask: np.ndarray) -> np.ndarray:
        half = cv2.resize(mask, (48, 32), interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.resize(half, (96, 64), interpolation=cv2.INTER_LINEAR))

    each_mask(scenes_folder, lambda mask: np.where(mask == 255, 0, mask).astype(np.uint8))
    each_mask(scenes_folder, change, "val")
    report, done = mend(scenes_folder, tmp_path / "mended")
    damaged = [f for f in report.findings if f.kind == "resampling-damage"]
    assert [len(f.files) for f in damaged] == [7]
    assert [f.kind for f in inspect(done.dataset).findings if f.kind.endswith("damage")] == []


def test_repair__unknown_pixels_are_void_and_zero(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["image-not-finite"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    image = read_image(tmp_path / "mended/train/images/train00.npy")
    assert image[3, 4].tolist() == [0, 0, 0]
    assert read_mask(tmp_path / "mended" / MASK)[3, 4] == 255


def test_repair__a_shared_scene_moves_where_most_of_it_is(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["scene-leakage"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    stems = {p.stem for p in (tmp_path / "mended/train/images").iterdir()}
    assert {"x_val00", "x_val01", "x_train00"} <= stems
    assert len(list((tmp_path / "mended/val/images").iterdir())) == 5


def test_repair__a_double_stays_where_it_is_scored(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["duplicate-across-splits"](scenes_folder)
    mend(scenes_folder, tmp_path / "mended")
    assert not (tmp_path / "mended/train/images/train00.png").exists()
    assert (tmp_path / "mended/val/images/again.png").exists()


def test_repair__forgotten_classes_get_a_name(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["wrong-num-classes"](scenes_folder)
    _, done = mend(scenes_folder, tmp_path / "mended")
    assert not done.copied
    assert open_dataset(done.dataset, split="val").labels.names == (*LABELS.names[:8], "extra_8")


def test_repair__refuses_what_is_in_the_way(scenes_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nothing here can be repaired without a person"):
        mend(scenes_folder, tmp_path / "mended")
    FAULTS["mask-grey-as-rgb"](scenes_folder)
    with pytest.raises(RequestError, match="lies within the data themselves"):
        mend(scenes_folder, scenes_folder / "mended")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="is there already and is not empty"):
        mend(scenes_folder, tmp_path / "full")


def test_repair__a_dataset_without_files(tmp_path: Path) -> None:
    survey = take_survey(open_source("scenes", "val"))
    with pytest.raises(RequestError, match="--fix repairs folders of images and masks; scenes is a 'scenes'"):
        repair(survey, report_of(survey), tmp_path / "mended")
