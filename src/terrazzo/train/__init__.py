"""Training: a recipe becomes a run, and a run leaves a scored model folder."""

from terrazzo.train.recipe import Recipe, build_recipe, read_recipe
from terrazzo.train.reporter import ConsoleReporter, Reporter
from terrazzo.train.run import Result, train

__all__ = ["ConsoleReporter", "Recipe", "Reporter", "Result", "build_recipe", "read_recipe", "train"]
