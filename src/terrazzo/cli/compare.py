"""`terrazzo compare`: two models and data become a verdict with an interval."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terrazzo.cli.output import JsonOption, console, percent, progress_bar, say_notes, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset
    from terrazzo.evaluate import Comparison, Evaluation

COUNTS = ".npz"

_SIDE = "A model folder, or counts from evaluate --save-counts; several runs of one recipe by commas or 'a*'."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The other side.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="KIND:PATH, a folder or a YAML; not needed for stored counts.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "val",
    may_differ: Annotated[
        str, typer.Option(metavar="WHAT", help="Compare in spite of these: tta, tiles, members, postprocess.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: JsonOption = None,
) -> None:
    """Say which of two models is better on the same images, by how much, and how sure that is."""
    from terrazzo.datasets import open_dataset
    from terrazzo.evaluate import compare as judge

    to = console()
    sides = [paths(side) for side in (a, b)]
    models = [path for side in sides for path in side if path.suffix != COUNTS]
    if models and data is None:
        raise RequestError(
            f"{models[0]} is a model and needs images to be scored on. Add DATA after A and B, or give "
            "counts that `terrazzo evaluate --save-counts` wrote."
        )
    dataset = open_dataset(data, split=split) if models and data is not None else None
    scored = [[_evaluation(to, path, dataset, device) for path in side] for side in sides]
    comparison = judge(
        scored[0], scored[1], may_differ=[w.strip() for w in may_differ.split(",") if w.strip()]
    )
    print_comparison(to, comparison)
    names = {key: [str(path) for path in side] for key, side in zip("ab", sides, strict=True)}
    write_json(json, {**comparison.to_json(), "models": names})


def paths(side: str) -> list[Path]:
    """Return what one side of the comparison names: a path, several with commas, or a pattern.

    Raises:
        RequestError: a pattern that nothing matches, or a path that is given twice.
    """
    if Path(side).exists():
        return [Path(side)]
    found: list[Path] = []
    for part in filter(None, (part.strip() for part in side.split(","))):
        if Path(part).exists() or not set(part) & set("*?["):
            found.append(Path(part))
            continue
        whole = Path(part)
        matches = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
        if not matches:
            raise RequestError(f"Nothing matches {part!r}; expected model folders or files of counts.")
        found += matches
    if not found:
        raise RequestError(f"{side!r} names no model; expected a model folder or a file of counts.")
    if twice := [path for path in found if found.count(path) > 1]:
        raise RequestError(f"{twice[0]} is given twice on one side; runs of one recipe differ by their seed.")
    return found


def _evaluation(to: Console, path: Path, dataset: "SegmentationDataset | None", device: str) -> "Evaluation":
    """Read stored counts, or score a model."""
    from terrazzo.evaluate import check_labels, evaluate, load_evaluation

    if path.suffix == ".json":
        raise RequestError(
            f"{path} holds scores without the counts of each image, which an interval needs. Give the model "
            "folder, or counts that `terrazzo evaluate --save-counts` wrote."
        )
    if path.suffix == COUNTS or dataset is None:
        return load_evaluation(path)
    from terrazzo.predict import load

    predictor = load(path, device=device)
    check_labels(predictor.labels, dataset.labels)
    with progress_bar(to, f"scoring {path}") as progress:
        return evaluate(predictor, dataset, progress=progress)


def print_comparison(to: Console, comparison: "Comparison") -> None:
    """Print the table per class, the verdict and what it rests on."""
    facts = comparison.to_json()
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for name in ("IoU A", "IoU B", "B - A", "95% interval", "p (Holm)"):
        table.add_column(name, justify="right")
    table.add_column("better")
    for row in facts["per_class"]:
        table.add_row(row["name"], *_cells(row), {"a": "A", "b": "B", "none": ""}[row["verdict"]])
    to.print(table)
    scores = f"\nmIoU A {percent(facts['a'])}, B {percent(facts['b'])}. "
    to.print(Text.assemble(scores, (facts["words"], "bold")))
    protocol = facts["protocol"]
    to.print(
        f"{protocol['images']} images of {protocol['data']} {protocol['split']}, paired over "
        f"{comparison.miou.units.over}; protocol {protocol['name'] or protocol['fingerprint']}",
        style="dim",
    )
    say_notes(to, facts["notes"])


def _cells(row: dict[str, Any]) -> Sequence[str]:
    """Write the numbers of a class: scores in per cent, differences in points."""
    low, high = (_points(end) for end in row["interval"])
    p = "–" if row["p_holm"] is None else f"{row['p_holm']:.3f}"
    ends = "–" if row["interval"][0] is None else f"{low} to {high}"
    return percent(row["a"]), percent(row["b"]), _points(row["difference"]), ends, p


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f}"
