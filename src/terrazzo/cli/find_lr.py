"""`terrazzo find-lr`: which learning rate suits a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from terrazzo.cli.output import JsonOption, console, write_json


def find_lr(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="The recipe.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SECTION.KEY=VALUE]...", help="Recipe values to change.", show_default=False),
    ] = None,
    steps: Annotated[int, typer.Option(help="Training steps of the sweep.")] = 100,
    lowest: Annotated[float, typer.Option(help="Learning rate of the first step.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Learning rate of the last step.")] = 1.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page [default: runs/DATASET-RECIPE-lr.html].")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Train a fresh network while the learning rate rises, and suggest a rate from the loss.

    The network is thrown away; no run is touched.
    """
    from terrazzo.train import read_recipe
    from terrazzo.train.find_lr import find_lr as sweep_rates
    from terrazzo.train.find_lr import write_sweep

    to = console()
    page = out or Path("runs") / f"{recipe.parent.name or 'run'}-{recipe.stem}-lr.html"
    settings = read_recipe(recipe, overrides or [])
    with to.status("sweeping"):
        sweep = sweep_rates(settings, lowest=lowest, highest=highest, steps=steps)
    write_sweep(page, sweep, title=recipe.stem)
    if sweep.suggestion is None:
        to.print("The loss never fell: no suggestion. Try more --steps, or other --lowest and --highest.")
    else:
        to.print(f"Suggested: optimizer.lr={sweep.suggestion:.2g}")
        to.print(f"The loss falls fastest at {sweep.steepest:.2g} and is lowest at {sweep.lowest:.2g}.")
    to.print(f"Page: {page}")
    write_json(json, sweep.to_json())
