"""Class weights of a run: computed once, kept in its folder, read back."""

import json
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.errors import CheckpointError
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.losses.weights import class_weights, count_labels
from terrazzo.train.class_weights import read_class_weights, store_class_weights


@pytest.fixture(scope="module")
def data() -> SegmentationDataset:
    return build_dataset("scenes", size=[32, 48], count=3)


def test_store_class_weights__are_those_of_the_training_set(
    data: SegmentationDataset, tmp_path: Path
) -> None:
    path = tmp_path / "class_weights.json"
    store_class_weights(path, "median", data)
    classes = data.labels.num_classes
    counts = count_labels((sample["mask"] for sample in data), classes, data.labels.ignore_index)
    assert read_class_weights(path, "median", classes) == class_weights("median", counts)
    facts = json.loads(path.read_text())
    assert facts["classes"] == list(data.labels.names)
    assert facts["pixels"] == counts.pixels.tolist()
    assert sum(facts["pixels"]) == sum(
        int(np.count_nonzero(sample["mask"] != data.labels.ignore_index)) for sample in data
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["class_weights.json"]


def test_store_class_weights__does_not_count_again(data: SegmentationDataset, tmp_path: Path) -> None:
    path = tmp_path / "class_weights.json"
    path.write_text("kept")
    store_class_weights(path, "enet", data)
    assert path.read_text() == "kept"


def test_class_weights__none_writes_and_reads_nothing(data: SegmentationDataset, tmp_path: Path) -> None:
    path = tmp_path / "class_weights.json"
    store_class_weights(path, "none", data)
    assert not path.exists()
    assert read_class_weights(path, "none", 3) is None


def test_store_class_weights__an_unwritable_folder_is_named(
    data: SegmentationDataset, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"class_weights\.json cannot be written .*Give --out a folder"):
        store_class_weights(tmp_path / "missing" / "class_weights.json", "enet", data)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rule": "enet", "weights": ["much"]}'])
def test_read_class_weights__a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "class_weights.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"cannot be read as class weights .*Remove it"):
        read_class_weights(path, "enet", 3)


def test_read_class_weights__of_another_rule_or_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "class_weights.json"
    path.write_text('{"rule": "enet", "weights": [1, 2, 3]}')
    assert read_class_weights(path, "enet", 3) == (1.0, 2.0, 3.0)
    with pytest.raises(CheckpointError, match=r"3 class weights by the rule 'enet'; .* needs 3 by 'sqrt'"):
        read_class_weights(path, "sqrt", 3)
    with pytest.raises(CheckpointError, match="needs 4 by 'enet'"):
        read_class_weights(path, "enet", 4)
