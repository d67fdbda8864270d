"""`terrazzo demo`: the whole way once, on scenes that the program makes itself."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, print_scores, write_json

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset

PHOTOS = 6


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path("runs/demo"),
    minutes: Annotated[float, typer.Option(help="Training budget in minutes.")] = 2.5,
    json: JsonOption = None,
) -> None:
    """Train on built-in scenes, score, predict, write a report, and say where to look."""
    from terrazzo.train import ConsoleReporter, read_recipe, train

    to = console()
    with as_file(files("terrazzo.cli") / "demo.yaml") as recipe_file:
        recipe = read_recipe(recipe_file, budget=("minutes", minutes))
    run = out / "run"
    to.print("[bold]1. Train[/] on scenes drawn by the program (no files needed)", markup=True)
    result = train(recipe, run, resume=(run / "recipe.yaml").exists(), reporter=ConsoleReporter(to))
    to.print("\n[bold]2. Score[/] on the validation split", markup=True)
    print_scores(to, result.evaluation)
    write_json(out / "scores.json", result.evaluation.to_json())
    write_json(json, result.evaluation.to_json())
    to.print("\n[bold]3. Predict[/]", markup=True)
    predict_photos(to, run / "best", out)
    print_where_to_look(to, out, run)


def predict_photos(to: Console, model: Path, out: Path) -> None:
    """Save a few test scenes as photos, then segment them as `terrazzo predict` does."""
    from terrazzo.datasets import build_dataset
    from terrazzo.predict import load, predict_files

    photos = write_photos(build_dataset("scenes", split="test"), out / "photos")
    written = predict_files(load(model), [photos], out / "masks", overlay=True)
    to.print(f"{len(written)} photos segmented")


def write_photos(scenes: "SegmentationDataset", folder: Path) -> Path:
    """Write the first scenes as PNG images; return their folder."""
    from terrazzo.core.images import write_png

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(min(PHOTOS, len(scenes))):
        sample = scenes[index]
        write_png(folder / f"{sample['id']}.png", sample["image"])
    return folder


def print_where_to_look(to: Console, out: Path, run: Path) -> None:
    """Say what was made and what to do next."""
    places = [
        ("report", run / "report.html", "open it in a browser"),
        ("masks and overlays", out / "masks", "for the images in " + str(out / "photos")),
        ("scores", out / "scores.json", "for programs"),
        ("model", run / "best", f"terrazzo predict {run / 'best'} YOUR_PHOTOS --out masks --overlay"),
        ("training log", run / "log.csv", f"tensorboard --logdir {run / 'tensorboard'}"),
    ]
    to.print("\n[bold]Where to look[/]", markup=True)
    for what, path, how in places:
        to.print(f"  {what:20} {path}  ({how})", soft_wrap=True)
