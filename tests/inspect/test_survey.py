"""Measuring: exact figures, the same with any number of workers, and going on after an interruption."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core import DataError, RequestError
from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets import open_dataset
from terrazzo.inspect import inspect, open_source, take_survey
from terrazzo.inspect import survey as survey_module
from terrazzo.inspect.journal import Result
from terrazzo.inspect.run import JOURNAL
from terrazzo.inspect.sound import sound_dataset
from terrazzo.inspect.sources import Item
from terrazzo.inspect.survey import Measurer
from terrazzo.losses.weights import class_weights, count_labels
from tests.datasets import make_volumes
from tests.datasets.conftest import make_heap, save_manifest
from tests.datasets.make_camvid import make_camvid
from tests.inspect.faults import FAULTS


def test_inspect__figures_are_exact(scenes_folder: Path) -> None:
    report = inspect(scenes_folder)
    dataset = open_dataset(scenes_folder, split="all")
    masks = [sample["mask"] for sample in dataset]
    counts = count_labels(masks, 9, 255)
    assert [entry.pixels for entry in report.classes] == counts.pixels.tolist()
    assert [entry.images for entry in report.classes] == [
        sum((mask == k).any() for mask in masks) for k in range(9)
    ]
    assert report.void_pixels == sum(int((mask == 255).sum()) for mask in masks)
    pixels = np.concatenate([sample["image"].reshape(-1, 3) for sample in dataset]).astype(float)
    np.testing.assert_allclose(report.channels.mean, pixels.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(report.channels.std, pixels.std(axis=0), atol=1e-3)
    assert report.cooccurrence[0][2] == sum((mask == 0).any() and (mask == 2).any() for mask in masks)
    assert report.class_weights["median"] == class_weights("median", counts)
    assert report.class_weights.keys() == {"inverse", "sqrt", "median", "enet", "effective"}
    assert {name: facts.images for name, facts in report.splits.items()} == {"train": 14, "val": 7}
    assert [(size.height, size.width, size.images) for size in report.sizes] == [(64, 96, 21)]


def test_inspect__location_says_where_a_class_is(scenes_folder: Path) -> None:
    grids = np.array(inspect(scenes_folder).location)
    assert grids.shape == (9, 24, 32)
    np.testing.assert_allclose(grids.sum(axis=(1, 2)), 1, atol=1e-3)
    rows = np.arange(24)
    sky, road = ((grids[k].sum(axis=1) * rows).sum() for k in (0, 2))
    assert sky < 8 < 14 < road


def test_inspect__json_has_the_promised_keys(scenes_folder: Path) -> None:
    FAULTS["undeclared-ids"](scenes_folder)
    facts = json.loads(json.dumps(inspect(scenes_folder).to_json(), allow_nan=False))
    assert {"images", "classes", "channels", "class_weights", "findings", "suspects"} <= facts.keys()
    assert {"name", "pixels", "images"} <= facts["classes"][0].keys()
    assert facts["channels"].keys() == {"mean", "std"}
    assert facts["findings"][0].keys() == {"kind", "severity", "files", "message", "advice", "fixable"}


def test_survey__workers_change_nothing(scenes_folder: Path) -> None:
    alone, together = (inspect(scenes_folder, workers=workers) for workers in (1, 2))
    assert alone == together


def test_survey__goes_on_where_it_was_interrupted(
    scenes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = inspect(scenes_folder)
    measured: list[int] = []
    real = Measurer.__call__

    def counting(self: Measurer, chunk: Sequence[Item]) -> Result:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(len(chunk))
        return real(self, chunk)

    monkeypatch.setattr(survey_module, "CHUNK", 4)
    monkeypatch.setattr(Measurer, "__call__", counting)
    with pytest.raises(KeyboardInterrupt):
        inspect(scenes_folder, out=tmp_path)
    journal = tmp_path / JOURNAL
    assert len(journal.read_text().splitlines()) == 2
    with journal.open("a") as file:
        file.write('{"key": "cut sho')  # as a kill within a line leaves it
    measured[:] = [0, 0, 0]  # never again two
    assert inspect(scenes_folder, out=tmp_path) == whole
    assert sum(measured) == 21 - 8
    assert not journal.exists()


def test_survey__a_file_that_changed_in_between_is_measured_again(
    scenes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "CHUNK", 4)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)  # keep the journal
    inspect(scenes_folder, out=tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(survey_module, "CHUNK", 4)
    assert (tmp_path / JOURNAL).exists()
    FAULTS["undeclared-ids"](scenes_folder)
    assert [finding.kind for finding in inspect(scenes_folder, out=tmp_path).findings] == ["undeclared-ids"]


def test_survey__a_generated_dataset() -> None:
    report = inspect("scenes", split="val")
    assert (report.images, report.findings) == (64, ())
    assert report.splits["val"].groups is None


def test_survey__a_dataset_that_refuses_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise DataError("The door is locked. Bring a key.")

    monkeypatch.setattr("terrazzo.inspect.sources.build_dataset", refuse)
    report = inspect("scenes")
    assert [finding.kind for finding in report.findings] == ["dataset-refused"]
    assert "The door is locked" in report.findings[0].message
    assert report.images == 0


@pytest.mark.parametrize("kind", ["size-mismatch", "undeclared-ids", "truncated-file", "mixed-channels"])
def test_sound_dataset__leaves_out_what_is_wrong(kind: str, scenes_folder: Path) -> None:
    FAULTS[kind](scenes_folder)
    dataset = sound_dataset(take_survey(open_source(scenes_folder)))
    assert dataset is not None
    assert len(list(dataset)) == 20
    assert "train00" not in dataset.ids


def test_sound_dataset__items_of_a_generated_dataset() -> None:
    dataset = sound_dataset(take_survey(open_source("scenes", "val")))
    assert dataset is not None
    assert dataset[0]["image"].shape == (160, 224, 3)


def test_inspect__colour_masks_count_as_ids_do(scenes_folder: Path) -> None:
    from tests.inspect.faults import colored, each_mask

    each_mask(scenes_folder, lambda mask: np.where(mask == 255, 0, mask).astype(np.uint8))
    as_ids = inspect(scenes_folder)
    colored(scenes_folder)
    assert inspect(scenes_folder) == as_ids
    assert read_mask(scenes_folder / "val/masks/val00.png").shape == (64, 96, 3)
    assert read_image(scenes_folder / "val/images/val00.png").shape == (64, 96, 3)


def test_inspect__a_manifest_is_data_too(tmp_path: Path) -> None:
    path = save_manifest(make_heap(tmp_path / "heap"))
    source = open_source(str(path))
    assert source.kind == "manifest"
    assert len(source.items) == 10
    assert source.items[0].image == "images/scene0_0.png"


def test_inspect__camvid_beyond_the_tutorial_is_opened_by_its_class(tmp_path: Path) -> None:
    root = make_camvid(tmp_path / "camvid")
    path = tmp_path / "mine.yaml"
    path.write_text("kind: camvid\nroot: camvid\nclasses: 32\n")
    assert open_source(f"camvid:{root}").how == "dataset"
    labels = open_source(path).labels
    assert labels is not None
    assert labels.num_classes == 32


def test_inspect__volumes_are_refused(tmp_path: Path) -> None:
    root = make_volumes.make(tmp_path / "volumes")
    with pytest.raises(RequestError, match="has volumes; expected images, which inspection is made for"):
        open_source(f"volumes:{root}")
