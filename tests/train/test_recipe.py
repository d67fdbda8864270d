"""Recipes: differences, overrides, one budget, and errors that name the right key."""

from pathlib import Path

import pytest

from terrazzo.core.errors import ConfigError
from terrazzo.train.recipe import build_recipe, read_recipe

RECIPES = sorted(Path("recipes").glob("*/*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_read_recipe__every_recipe_in_the_repository_is_valid(path: Path) -> None:
    recipe = read_recipe(path)
    header = path.read_text().partition("\ndata:")[0]
    for fact in ("Paper:", "Command:", "Hardware:", "Score:"):
        assert fact in header, f"{path} does not say {fact}"
    assert recipe.data.kind == path.parent.name


def test_build_recipe__overrides_win_and_the_rest_is_default() -> None:
    recipe = build_recipe({"train": {"epochs": 3}}, ["train.batch_size=2", "optimizer.lr=1e-4"])
    assert (recipe.train.batch_size, recipe.optimizer.lr, recipe.train.epochs) == (2, 1e-4, 3)
    assert recipe.data.kind == "scenes"


def test_build_recipe__a_budget_override_replaces_the_files_budget() -> None:
    recipe = build_recipe({"train": {"minutes": 10}}, ["train.steps=14"])
    assert (recipe.train.steps, recipe.train.minutes) == (14, None)


def test_build_recipe__the_budget_option_replaces_every_other() -> None:
    recipe = build_recipe({"train": {"epochs": 1}}, ["train.steps=14"], budget=("minutes", 2.0))
    assert (recipe.train.steps, recipe.train.epochs, recipe.train.minutes) == (None, None, 2.0)


def test_build_recipe__two_budgets_are_refused() -> None:
    with pytest.raises(ConfigError, match="a run has one budget, but steps and minutes are given"):
        build_recipe({"train": {"steps": 3, "minutes": 1}})


def test_build_recipe__a_run_needs_an_end() -> None:
    with pytest.raises(ConfigError, match=r"set train\.steps, train\.epochs or train\.minutes"):
        build_recipe({})


def test_build_recipe__unknown_key_suggests_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'train\.batchsize': did you mean 'batch_size'\?"):
        build_recipe({"train": {"steps": 1, "batchsize": 4}}, source="mine.yaml")


@pytest.mark.parametrize("ends", [[0.5], [0.6, 0.5, 1.0], [0.5, 0.5, 1.0]])
def test_build_recipe__stages_rise_to_one(ends: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"rising `until` values, the last of them 1\.0"):
        build_recipe({"train": {"steps": 1, "stages": [{"until": end} for end in ends]}})
