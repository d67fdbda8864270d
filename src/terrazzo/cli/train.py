"""`terrazzo train`: a recipe becomes a run."""

from pathlib import Path
from typing import Annotated

import typer

from terrazzo.cli.output import INTERRUPTED, JsonOption, console, print_scores, write_json
from terrazzo.core.errors import RequestError


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="The recipe.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SECTION.KEY=VALUE]...", help="Recipe values to change.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder [default: runs/DATASET-RECIPE].")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes of wall time.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Budget in passes over the training set.")] = None,
    steps: Annotated[int | None, typer.Option(help="Budget in optimiser steps.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest saved state.")] = False,
    json: JsonOption = None,
) -> None:
    """Train by a recipe, keep the best model by validation, and write a report.

    Ctrl-C stops after the current step and leaves a valid model; `--resume` goes on to the same bits.
    """
    budget = _one_budget(steps=steps, epochs=epochs, minutes=minutes)
    from terrazzo.train import ConsoleReporter, read_recipe
    from terrazzo.train import train as run_recipe

    to = console()
    out = out or Path("runs") / f"{recipe.parent.name or 'run'}-{recipe.stem}"
    settings = read_recipe(recipe, overrides or [], budget=budget)
    result = run_recipe(settings, out, resume=resume, reporter=ConsoleReporter(to))
    print_scores(to, result.evaluation)
    state = "finished" if result.finished else "stopped early; go on with --resume"
    to.print(f"\n{result.steps} steps in {result.seconds / 60:.1f} minutes ({state}).")
    to.print(f"Best model: {result.folder.best}\nReport:     {result.folder.report}")
    facts = {"steps": result.steps, "seconds": result.seconds, "finished": result.finished}
    write_json(json, {**result.evaluation.to_json(), **facts, "model": str(result.folder.best)})
    if not result.finished:
        raise typer.Exit(INTERRUPTED)


def _one_budget(
    *, steps: int | None, epochs: float | None, minutes: float | None
) -> tuple[str, float] | None:
    given = [(name, value) for name, value in _budgets(steps, epochs, minutes) if value is not None]
    if len(given) > 1:
        raise RequestError(f"A run has one budget: give --{given[0][0]} or --{given[1][0]}, not both.")
    if given and given[0][1] <= 0:
        raise RequestError(f"--{given[0][0]} is {given[0][1]}; a budget must be above 0.")
    return given[0] if given else None


def _budgets(
    steps: int | None, epochs: float | None, minutes: float | None
) -> list[tuple[str, float | None]]:
    return [("steps", steps), ("epochs", epochs), ("minutes", minutes)]
