"""`terrazzo augment`: look at what augmentation does, and measure what it is good for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, write_json
from terrazzo.core.errors import DataError, RequestError

if TYPE_CHECKING:
    from terrazzo.train.preview import Preview
    from terrazzo.train.study import Outcome

augment = typer.Typer(
    name="augment",
    help="Look at augmented samples, and measure which augmentation is good.",
    no_args_is_help=True,
)

RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE.yaml", help="The recipe.", show_default=False)
]
OverrideArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SECTION.KEY=VALUE]...", help="Recipe values to change.", show_default=False),
]


@augment.command()
def preview(
    data: Annotated[str, typer.Argument(help="Data: kind:path, a folder, or a dataset YAML.")],
    recipe: RecipeArgument,
    overrides: OverrideArgument = None,
    out: Annotated[Path, typer.Option(metavar="F.png", help="The contact sheet.")] = Path("augment.png"),
    images: Annotated[int, typer.Option(min=1, help="Samples, one row each.")] = 4,
    versions: Annotated[int, typer.Option(min=1, help="Augmented versions of each.")] = 5,
    first: Annotated[int, typer.Option(min=0, help="Index of the first sample.")] = 0,
    split: Annotated[str, typer.Option(help="Which part of the data.")] = "train",
    each: Annotated[
        str | None,
        typer.Option(
            metavar="all|NAME,NAME",
            help="Instead: operations by themselves, on the first sample; all, or some.",
        ),
    ] = None,
    strengths: Annotated[
        str, typer.Option(metavar="S,S,...", help="With --each: strengths, 0 to 1.")
    ] = "0.1,0.25,0.5,0.75,1",
    width: Annotated[int, typer.Option(min=32, help="Of every picture on the sheet, pixels.")] = 260,
    json: JsonOption = None,
) -> None:
    """Draw originals and augmented versions with their masks, as training sees them.

    Also checks that geometry moved image and mask alike; exit code 1 where it did not.
    """
    to = console()
    made = _each(data, split, first, each, strengths, width, recipe, overrides or []) if each else None
    if made is None:
        made = _samples(data, split, range(first, first + images), versions, width, recipe, overrides or [])
    from terrazzo.core.images import write_png

    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, made.picture)
    _say(to, made, out)
    write_json(json, {"sheet": str(out), "checks": [check.to_json() for check in made.checks]})
    if made.problems:
        raise DataError(
            f"In {len(made.problems)} of {len(made.checks)} samples image and mask no longer agree. "
            "Look at the contact sheet; if the originals agree there, please report the operation."
        )


def _samples(
    source: str, split: str, indices: range, versions: int, width: int, recipe: Path, overrides: list[str]
) -> "Preview":
    from terrazzo.datasets import open_dataset
    from terrazzo.train import read_recipe
    from terrazzo.train.build import build_stages
    from terrazzo.train.preview import preview_samples

    settings = read_recipe(recipe, overrides)
    data = open_dataset(source, split=split)
    shown = _within(indices, len(data))
    transform = build_stages(settings, data)[-1].transform
    return preview_samples(data, transform, shown, versions=versions, seed=settings.train.seed, width=width)


def _each(
    source: str,
    split: str,
    first: int,
    each: str,
    strengths: str,
    width: int,
    recipe: Path,
    overrides: list[str],
) -> "Preview":
    from terrazzo.core.errors import unknown_name
    from terrazzo.datasets import open_dataset
    from terrazzo.train import read_recipe
    from terrazzo.train.preview import preview_operations
    from terrazzo.transforms import OPERATIONS

    settings = read_recipe(recipe, overrides)
    kinds = sorted(OPERATIONS) if each == "all" else each.split(",")
    for kind in kinds:
        if kind not in OPERATIONS:
            raise unknown_name("operation", kind, OPERATIONS)
    data = open_dataset(source, split=split)
    index = _within(range(first, first + 1), len(data))[0]
    numbers = _numbers(strengths, "--strengths")
    return preview_operations(data, kinds, numbers, index=index, seed=settings.train.seed, width=width)


def _within(indices: range, count: int) -> list[int]:
    if indices.start >= count:
        raise RequestError(f"--first is {indices.start}, but there are {count} samples; they count from 0.")
    return [index for index in indices if index < count]


def _numbers(text: str, option: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= number <= 1 for number in numbers):
        raise RequestError(f"{option} is {text!r}; expected numbers from 0 to 1 with commas, as 0.25,0.5,1.")
    return numbers


def _say(to: Console, made: "Preview", out: Path) -> None:
    to.print(f"Contact sheet: {out}")
    if made.checks:
        agreed = len(made.checks) - len(made.problems)
        to.print(
            f"Image and mask moved alike in {agreed} of {len(made.checks)} samples checked by their edges."
        )
    for check in made.problems:
        to.print(f"{check.sample}, {', '.join(check.operations)}: {check.problem}")


@augment.command()
def study(
    recipe: RecipeArgument,
    overrides: OverrideArgument = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all, of all machines.")] = 21,
    storage: Annotated[
        str, typer.Option(metavar="URL", help="SQL database that keeps the study; machines may share it.")
    ] = "sqlite:///augment-study.db",
    name: Annotated[str | None, typer.Option(help="Of the study [default: the recipe's].")] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Operations, groups (geometry, colours, camera, weather, erasing, mixing), or `recipe`.",
        ),
    ] = None,
    strengths: Annotated[str, typer.Option(metavar="S,S,...", help="0 to 1.")] = "0.25,0.5,1",
    probability: Annotated[float, typer.Option(min=0, max=1, help="How often a policy acts.")] = 0.5,
    search: Annotated[
        str, typer.Option(help="grid: every policy at every strength; tpe: Optuna's search.")
    ] = "grid",
    steps: Annotated[int | None, typer.Option(min=1, help="Budget of every run in steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget of every run in minutes.")] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="This machine's folder [default: runs/study-NAME].")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page [default: in DIR].")] = None,
    json: JsonOption = None,
) -> None:
    """Train briefly by many policies, and report score, affinity and diversity of each.

    Run it again to go on; run it on several machines with one database to share the work.
    """
    from terrazzo.train import read_recipe
    from terrazzo.train.policies import DEFAULT, check_policies
    from terrazzo.train.study import Laboratory
    from terrazzo.train.study_report import study_facts, write_study
    from terrazzo.train.trials import Space, open_study, outcomes, run_trials

    if search not in ("grid", "tpe"):
        raise RequestError(f"--search is {search!r}; expected grid or tpe.")
    if steps is not None and minutes is not None:
        raise RequestError("A run has one budget: give --steps or --minutes, not both.")
    to, called = console(), name or f"{recipe.parent.name or 'run'}-{recipe.stem}"
    budget = ("steps", float(steps)) if steps else ("minutes", minutes) if minutes else None
    settings = read_recipe(recipe, overrides or [], budget=budget)
    chosen = check_policies(policies.split(",") if policies else DEFAULT, settings)
    numbers = tuple(sorted(set(_numbers(strengths, "--strengths"))))
    space = Space(chosen, numbers, probability, "grid" if search == "grid" else "tpe")
    shared = open_study(storage, called, settings, space)
    place = work or Path("runs") / f"study-{called}"
    page = out or place / "study.html"
    laboratory = Laboratory(settings, place, probability=probability, note=to.print)
    try:
        run_trials(shared, laboratory, space, trials)
    finally:
        found = outcomes(shared)
        write_study(page, found, laboratory.clean, title=called, recipe=settings, probability=probability)
        write_json(json, study_facts(found, laboratory.clean, name=called))
        _print_study(to, found, page)


def _print_study(to: Console, found: "list[Outcome]", page: Path) -> None:
    from rich.table import Table

    from terrazzo.train.study import best_first

    table = Table(box=None, pad_edge=False)
    for title in ("policy", "mIoU", "95% interval", "affinity", "diversity"):
        table.add_column(title, justify="left" if title == "policy" else "right")
    for o in best_first(found):
        ends = f"{o.score.low:.1%} to {o.score.high:.1%}"
        table.add_row(o.policy.label, f"{o.score.miou:.1%}", ends, f"{o.affinity:.3f}", f"{o.diversity:.3f}")
    to.print(table)
    if found:
        to.print(f"Without augmentation: {found[0].clean.miou:.1%}")
    to.print(f"Page: {page}")
