"""Augmentation studies: what the numbers are, what is shared, what is refused."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from terrazzo.checkpoint import load_model
from terrazzo.core.errors import MissingExtraError, RequestError, TerrazzoError
from terrazzo.datasets import build_dataset
from terrazzo.train import build_recipe
from terrazzo.train.augmented import Augmented
from terrazzo.train.policies import GROUPS, Policy, check_policies, with_policy
from terrazzo.train.study import Laboratory, Outcome, Score, best_first
from terrazzo.train.study_report import study_facts, verdict, write_study
from terrazzo.train.trials import Space, open_study, outcomes, run_trials
from terrazzo.transforms import build_transform

RECIPE = build_recipe(
    {
        "data": {"options": {"size": [40, 56], "count": 4}},
        "transforms": {
            "preset": "strong",
            "crop": [40, 48],
            "operations": [{"kind": "rain", "strength": [0.2, 0.6]}, {"kind": "center_crop"}],
        },
        "model": {"kind": "unet", "options": {"num_blocks": 2}},
        "train": {"steps": 2, "batch_size": 2, "workers": 0, "ema": 0},
    }
)
SPACE = Space(("rain", "cutmix"), (0.5, 1.0), 0.5, "grid")
CLEAN = Score(0.4, 0.38, 0.42, 1.0, 3.0)


def outcome(name: str, strength: float, miou: float, low: float = 0.0) -> Outcome:
    return Outcome(Policy(name, strength), Score(miou, low, 1.0, 2.0, 3.0), 0.5, 2.0, CLEAN)


class Quick:
    """Stands for a laboratory: measures at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Policy] = []
        self.clean = CLEAN

    def measure(self, policy: Policy) -> Outcome:
        self.asked.append(policy)
        return outcome(policy.name, policy.strength, 0.3 + 0.1 * policy.strength)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def test_with_policy__crop_and_the_policy_alone() -> None:
    made = with_policy(RECIPE, Policy("rotate", 0.5), probability=0.4).transforms
    assert made.preset == "plain"
    assert made.crop == (40, 48)
    [operation] = made.operations
    assert (operation.kind, operation.strength, operation.probability) == ("rotate", (0.0, 0.5), 0.4)


def test_with_policy__a_group_happens_as_often_as_one_operation() -> None:
    made = with_policy(RECIPE, Policy("weather", 0.5), probability=0.6).transforms.operations
    assert [operation.kind for operation in made] == list(GROUPS["weather"])
    assert sum(operation.probability or 0 for operation in made) == pytest.approx(0.6)


def test_with_policy__on_or_off_has_its_strength_as_chance() -> None:
    [flip] = with_policy(RECIPE, Policy("flip", 0.5), probability=0.4).transforms.operations
    assert flip.strength == 0.5


def test_with_policy__the_recipes_own_list_is_scaled() -> None:
    made = with_policy(RECIPE, Policy("recipe", 0.5), probability=0.4).transforms
    assert made.preset == "strong"
    assert made.operations[0].strength == (0.1, 0.3)
    assert made.operations[1] == RECIPE.transforms.operations[1]


def test_check_policies__names() -> None:
    assert check_policies(["rain", "rain", "weather"], RECIPE) == ("rain", "weather")
    with pytest.raises(RequestError, match="Unknown policy 'wether': did you mean 'weather'"):
        check_policies(["wether"], RECIPE)
    bare = RECIPE.model_copy(update={"transforms": RECIPE.transforms.model_copy(update={"operations": ()})})
    with pytest.raises(RequestError, match=r"'recipe' needs transforms\.operations in the recipe"):
        check_policies(["recipe"], bare)


@pytest.mark.parametrize("operations", [(), ({"kind": "mosaic", "strength": 1, "probability": 1},)])
def test_augmented__every_sample_once_at_its_own_size(operations: tuple[dict[str, Any], ...]) -> None:
    data = build_dataset("scenes", split="val", size=(40, 56), count=3)
    transform: Any = build_transform(
        "strong", crop=(32, 32), ignore_index=255, num_classes=9, operations=operations
    )
    made, again = Augmented(data, transform, 5), Augmented(data, transform, 5)
    assert len(made) == 3
    assert made.fingerprint == data.fingerprint
    assert [s["image"].shape for s in made] == [(40, 56, 3)] * 3
    for index in (2, 0):
        np.testing.assert_array_equal(made[index]["image"], again[index]["image"])
        assert not np.array_equal(made[index]["image"], data[index]["image"])


def test_laboratory__trains_measures_and_keeps_the_clean_model(tmp_path: Path) -> None:
    notes: list[str] = []
    first = Laboratory(RECIPE, tmp_path, probability=1.0, note=notes.append)
    found = first.measure(Policy("night", 1.0))
    assert 0 <= found.score.miou <= 1
    assert found.score.low <= found.score.miou <= found.score.high
    assert found.diversity == pytest.approx(found.score.loss / first.clean.loss)
    assert found.affinity >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "clean.json"]
    assert Outcome.from_json(found.to_json()) == found
    again = Laboratory(RECIPE, tmp_path, probability=1.0, note=notes.append)
    assert again.clean == first.clean
    assert sum("without augmentation" in note for note in notes) == 1
    other = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"steps": 3})})
    with pytest.raises(TerrazzoError, match="holds the clean model of another recipe or budget"):
        Laboratory(other, tmp_path, probability=1.0, note=notes.append)


def test_laboratory__affinity_is_the_clean_model_on_augmented_over_clean_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory = Laboratory(RECIPE, tmp_path, probability=1.0, note=lambda text: None)
    laboratory.clean = Score(0.5, 0.4, 0.6, 2.0, 1.0)
    seen: list[Any] = []

    def scored(model: Any, data: Any) -> Any:
        seen.append((model.state_dict(), data))
        return SimpleNamespace(scores=SimpleNamespace(miou=0.2))

    monkeypatch.setattr("terrazzo.train.study.evaluate", scored)
    found = laboratory.measure(Policy("night", 1.0))
    assert found.affinity == pytest.approx(0.4)
    assert found.diversity == pytest.approx(found.score.loss / 2.0)
    [(state, data)] = seen
    assert isinstance(data, Augmented)
    assert data.split == "val"
    assert data[0]["image"].mean() < 0.8 * data.data[0]["image"].mean()  # it is night
    clean = load_model(tmp_path / "clean" / "best")[0].state_dict()
    assert all(torch.equal(state[key], clean[key]) for key in clean)


def test_laboratory__a_policy_that_does_nothing_has_affinity_and_diversity_one(tmp_path: Path) -> None:
    laboratory = Laboratory(RECIPE, tmp_path, probability=0.0, note=lambda text: None)
    found = laboratory.measure(Policy("night", 1.0))
    assert found.affinity == pytest.approx(1.0)
    assert found.score.miou == laboratory.clean.miou or found.diversity == pytest.approx(1.0, abs=0.2)


def test_run_trials__the_grid_once_and_no_more(tmp_path: Path) -> None:
    quick: Any = Quick()
    study = open_study(url(tmp_path), "s", RECIPE, SPACE)
    run_trials(study, quick, SPACE, 3)
    assert len(outcomes(study)) == 3
    again = open_study(url(tmp_path), "s", RECIPE, SPACE)  # as another sitting does
    run_trials(again, quick, SPACE, 99)
    assert sorted(policy.label for policy in quick.asked) == ["cutmix 0.5", "cutmix 1", "rain 0.5", "rain 1"]
    assert {policy.name for policy in quick.asked[:2]} == {"rain", "cutmix"}  # every policy comes up early


def test_run_trials__a_point_whose_run_failed_is_taken_up_again(tmp_path: Path) -> None:
    class Stopped(Quick):
        def measure(self, policy: Policy) -> Outcome:
            raise KeyboardInterrupt

    study = open_study(url(tmp_path), "s", RECIPE, SPACE)
    stopped: Any = Stopped()
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, stopped, SPACE, 4)
    quick: Any = Quick()
    run_trials(study, quick, SPACE, 4)
    assert len({policy.label for policy in quick.asked}) == len(quick.asked) == 4


def test_run_trials__two_machines_share_the_points(tmp_path: Path) -> None:
    one, two = (open_study(url(tmp_path), "s", RECIPE, SPACE) for _ in range(2))

    class Slow(Quick):
        """While it measures, the other machine goes on."""

        def measure(self, policy: Policy) -> Outcome:
            if not other.asked:
                run_trials(two, other, SPACE, 2)
            return super().measure(policy)

    other: Any = Quick()
    slow: Any = Slow()
    run_trials(one, slow, SPACE, 4)
    labels = [policy.label for policy in (*slow.asked, *other.asked)]
    assert len(labels) == len(set(labels)) == 4
    assert len(other.asked) == 2


def test_run_trials__optunas_search_stays_within_the_strengths(tmp_path: Path) -> None:
    space = Space(("rain", "cutmix"), (0.2, 0.8), 0.5, "tpe")
    quick: Any = Quick()
    study = open_study(url(tmp_path), "s", RECIPE, space)
    run_trials(study, quick, space, 6)
    assert len(quick.asked) == 6
    assert all(0.2 <= policy.strength <= 0.8 for policy in quick.asked)


def test_open_study__refuses_another_recipe_or_space(tmp_path: Path) -> None:
    open_study(url(tmp_path), "s", RECIPE, SPACE)
    moved = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"workers": 3})})
    open_study(url(tmp_path), "s", moved, SPACE)
    longer = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"steps": 9})})
    with pytest.raises(RequestError, match="The study 's' in this database is about something else: recipe"):
        open_study(url(tmp_path), "s", longer, SPACE)


@pytest.mark.parametrize("storage", ["nonsense", "sqlite:////nowhere/at/all/study.db"])
def test_open_study__says_what_is_wrong_with_the_database(storage: str) -> None:
    with pytest.raises(RequestError, match="The database of the study cannot be opened"):
        open_study(storage, "s", RECIPE, SPACE)


def test_open_study__never_shows_a_password() -> None:
    with pytest.raises(RequestError) as caught:
        open_study("mysql+nosuchdriver://me:secret@host/name", "s", RECIPE, SPACE)
    assert "secret" not in str(caught.value)


def test_open_study__without_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'terrazzo\[hpo\]'"):
        open_study("sqlite://", "s", RECIPE, SPACE)


def test_best_first__undefined_scores_are_last() -> None:
    found = [outcome("a", 1, 0.2), outcome("b", 1, math.nan), outcome("c", 1, 0.4)]
    assert [o.policy.name for o in best_first(found)] == ["c", "a", "b"]


def test_verdict__intervals_decide_the_words() -> None:
    assert "No policy scored above" in verdict(outcome("a", 1, 0.3), CLEAN)
    assert "a 1 scores 10.0 points above" in verdict(outcome("a", 1, 0.5, low=0.45), CLEAN)
    assert "do not overlap" in verdict(outcome("a", 1, 0.5, low=0.45), CLEAN)
    assert "confirm it with longer runs" in verdict(outcome("a", 1, 0.5, low=0.41), CLEAN)


def test_report__facts_and_page(tmp_path: Path) -> None:
    found = [outcome("rain", 0.5, 0.3), outcome("<b>", 1, 0.5)]
    facts = study_facts(found, CLEAN, name="s")
    assert facts["best"]["policy"] == "<b>"
    assert facts["trials"][1]["affinity"] == 0.5
    assert set(facts["definitions"]) == {"score", "affinity", "diversity"}
    page = tmp_path / "new" / "study.html"
    write_study(page, found, CLEAN, title="s", recipe=RECIPE, probability=0.5)
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "&lt;b&gt;" in text
    assert "over its mIoU on the clean one" in text
    write_study(page, [], CLEAN, title="s", recipe=RECIPE, probability=0.5)
    assert "No trial has finished" in page.read_text()
