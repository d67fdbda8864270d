from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core import DataError, LabelMap, RequestError
from terrazzo.datasets import open_dataset
from terrazzo.inspect.evidence import Evidence, Objects, Shift
from terrazzo.inspect.suspects import SUSPICIOUS, UNREMARKABLE, find_suspects, mask_names, rank
from tests.inspect.world import World, erased, nearly_right, scene, swapped

WRONG = {
    3: swapped(scene(3), 1, 2),
    8: np.roll(scene(8), (5, -4), axis=(0, 1)),
    14: scene(15),
    20: erased(scene(20), 3, 0),
}


def test_find_suspects__planted_errors_come_first_and_say_what_they_are() -> None:
    suspects = find_suspects(World(wrong=WRONG), nearly_right)
    assert {s.file for s in suspects[:4]} == {f"scene_{i:02d}" for i in WRONG}
    assert min(s.score for s in suspects[:4]) > SUSPICIOUS > suspects[4].score
    reasons = {s.file: s.reason for s in suspects}
    assert "of what is labelled car for road." in reasons["scene_03"] or (
        "of what is labelled road for car." in reasons["scene_03"]
    )
    assert "fits the model best when it is moved" in reasons["scene_08"]
    assert "up and" in reasons["scene_08"]
    assert "pixels right." in reasons["scene_08"]
    assert reasons["scene_20"].startswith("The model sees sign at the top")
    assert reasons["scene_00"] == UNREMARKABLE


def test_find_suspects__ranks_every_image_with_scores_in_0_to_1() -> None:
    suspects = find_suspects(World(wrong=WRONG), nearly_right)
    scores = [s.score for s in suspects]
    assert sorted(s.file for s in suspects) == [f"scene_{i:02d}" for i in range(30)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= 0
    assert scores[0] <= 1


def test_find_suspects__a_clean_dataset_has_none_worth_a_look() -> None:
    assert max(s.score for s in find_suspects(World(), nearly_right)) < SUSPICIOUS


def test_find_suspects__what_every_image_has_is_no_error() -> None:
    """A model that never saw a sign is wrong about all of them; that is no news about a label."""

    def blind(image: NDArray[Any]) -> NDArray[np.float32]:
        shares = nearly_right(image).copy()
        shares[0] += shares[3]
        shares[3] = 0
        return shares

    assert max(s.score for s in find_suspects(World(), blind)) < SUSPICIOUS
    assert find_suspects(World(wrong={3: WRONG[3]}), blind)[0].file == "scene_03"


def test_rank__what_is_usual_for_a_class_is_no_error() -> None:
    """Two images of twelve hold a class that the model always takes for another."""

    def one(labelled: list[int], confusion: list[list[float]]) -> Evidence:
        return Evidence(
            labelled=np.array(labelled),
            cells=np.full(len(labelled), 5000),
            confusion=np.array(confusion, dtype=np.float32),
            objects=Objects(np.zeros(2, np.float32), np.zeros((2, 4), np.float32)),
            shift=Shift(0.0, 0.0, 0, 0),
            worst=0.0,
        )

    labels = LabelMap.of({"a": (0, 0, 0), "b": (9, 9, 9)})
    plain, hard = one([0], [[0.95, 0.05]]), one([0, 1], [[0.95, 0.05], [0.9, 0.1]])
    files = [f"{i:02d}" for i in range(12)]
    assert {s.score for s in rank(files, [hard] * 2 + [plain] * 10, labels)} == {0.0}
    odd = one([0], [[0.4, 0.6]])
    first, second, *_ = rank(files, [hard] * 2 + [plain] * 9 + [odd], labels)
    assert (first.file, first.reason) == ("11", "The model takes 60 % of what is labelled a for b.")
    assert second.score == 0


def test_find_suspects__is_the_same_on_a_coarser_grid() -> None:
    def coarse(image: NDArray[Any]) -> NDArray[np.float32]:
        shares: NDArray[np.float32] = nearly_right(image).reshape(4, 48, 2, 64, 2).mean(axis=(2, 4))
        return shares

    suspects = find_suspects(World(wrong=WRONG), coarse)
    assert {s.file for s in suspects[:4]} == {f"scene_{i:02d}" for i in WRONG}


def test_find_suspects__void_images_are_left_out_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    world = World(3, wrong={1: np.full_like(scene(1), 255)})
    suspects = find_suspects(world, nearly_right, progress=lambda done, total: told.append((done, total)))
    assert [s.file for s in suspects] != []
    assert {s.file for s in suspects} == {"scene_00", "scene_02"}
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_find_suspects__unreadable_pairs_are_left_to_the_findings() -> None:
    class Torn(World):
        def read(self, index: int) -> Any:
            if index == 1:
                raise DataError("torn")
            return super().read(index)

    assert {s.file for s in find_suspects(Torn(3), nearly_right)} == {"scene_00", "scene_02"}


def test_find_suspects__nothing_in_nothing_out() -> None:
    world = World(1, wrong={0: np.full_like(scene(0), 255)})
    assert find_suspects(world, nearly_right) == []


def test_find_suspects__refuses_a_model_of_other_classes() -> None:
    message = r"The model has 3 classes, but the data's labels have 4 \(sky, road, car, sign\)\. Give a model"
    with pytest.raises(RequestError, match=message):
        find_suspects(World(2), lambda image: nearly_right(image)[:3])


def test_mask_names__are_relative_to_the_folder_that_holds_all(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for part in ("images", "masks"):
            (tmp_path / split / part).mkdir(parents=True)
            Image.fromarray(scene(0) % 2).save(tmp_path / split / part / f"{split}_1.png")
    (tmp_path / "classes.json").write_text(
        '{"classes": [{"name": "a", "color": [1, 2, 3]}, {"name": "b", "color": [200, 2, 3]}]}'
    )
    whole, val = (open_dataset(tmp_path, split=split) for split in ("all", "val"))
    assert mask_names(whole) == ["train/masks/train_1.png", "val/masks/val_1.png"]
    assert mask_names(val) == ["masks/val_1.png"]
    assert mask_names(val, tmp_path) == ["val/masks/val_1.png"]
    assert mask_names(World(2)) == ["scene_00", "scene_01"]
