"""`terrazzo inspect`: statistics of data, and everything that is wrong with them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from terrazzo.cli.output import INTERRUPTED, JsonOption, console, percent, progress_bar, write_json

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset
    from terrazzo.inspect import Finding, InspectReport
    from terrazzo.inspect.survey import Survey
    from terrazzo.inspect.suspects import Probabilities

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
MOST_FILES = 3
MOST_SUSPECTS = 5


def inspect(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="KIND:PATH, a folder with images/ and masks/, or a dataset YAML."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "all",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the page goes [default: runs/inspect-DATA].")
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Also write a repaired copy or dataset YAML to OUT.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Also rank the labels that this model contradicts."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Data known to be right, to find exchanged ids by."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the model runs: auto, cpu or cuda.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes [default: one per core].")] = None,
    json: JsonOption = None,
) -> None:
    """Look for everything that is wrong with data, and show what is in them. Exit code 1 with an error found.

    Interrupted, it goes on where it was when run again with the same --out.
    """
    from terrazzo.inspect import open_source, report_of, take_survey
    from terrazzo.inspect.page import write_page
    from terrazzo.inspect.sound import sound_dataset

    to = console()
    folder = out or Path("runs") / f"inspect-{_name(data)}"
    source = open_source(data, split)
    try:
        with progress_bar(to, "inspecting") as progress:
            survey = take_survey(source, out=folder, workers=workers, progress=progress)
    except KeyboardInterrupt:
        to.print(f"Interrupted; what was measured is kept in {folder}: run it again to go on.")
        raise typer.Exit(INTERRUPTED) from None
    reference = None
    if against is not None:
        with progress_bar(to, f"reading {against}") as progress:
            reference = take_survey(open_source(against, split), workers=workers, progress=progress)
    report = report_of(survey, reference)
    dataset = sound_dataset(survey)
    predict = None
    if model is not None and dataset is not None:
        predict = _load(model, device, survey)
        report = _with_suspects(to, report, dataset, predict, survey.source.root)
    print_report(to, report)
    page = write_page(folder, report, dataset, predict_probabilities=predict)
    to.print(f"Page: {page}", soft_wrap=True)
    write_json(json, report.to_json())
    if fix is not None:
        _fix(to, survey, report, fix)
    if report.count("error"):
        raise typer.Exit(1)


def _load(model: Path, device: str, survey: "Survey") -> "Probabilities":
    """Return the model's probabilities, if it has the classes of the data."""
    from terrazzo.evaluate import check_labels
    from terrazzo.predict import load

    predictor = load(model, device=device)
    check_labels(predictor.labels, survey.labels)
    return predictor.probabilities


def _with_suspects(
    to: Console, report: "InspectReport", dataset: "SegmentationDataset", predict: "Probabilities", root: Path
) -> "InspectReport":
    from terrazzo.inspect.suspects import find_suspects

    with progress_bar(to, "looking for label errors") as progress:
        suspects = find_suspects(dataset, predict, root=root, progress=progress)
    return replace(report, suspects=tuple(suspects))


def print_report(to: Console, report: "InspectReport") -> None:
    """Print the classes, what was found, and what to start with."""
    from terrazzo.inspect.report import SEVERITIES

    splits = ", ".join(f"{name} {facts.images:,}" for name, facts in report.splits.items())
    to.print(f"{report.images:,} images with masks in {report.data} ({splits})")
    labelled = sum(entry.pixels for entry in report.classes)
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for title in ("pixels", "share", "images"):
        table.add_column(title, justify="right")
    for entry in report.classes:
        share = entry.pixels / labelled if labelled else None
        table.add_row(entry.name, f"{entry.pixels:,}", percent(share), f"{entry.images:,}")
    to.print(table)
    if report.recommendation is not None:
        height, width = report.recommendation.crop
        to.print(f"Start with crops of {height} x {width} in batches of {report.recommendation.batch_size}.")
    for finding in report.findings:
        _print_finding(to, finding)
    counts = [(report.count(severity), severity) for severity in SEVERITIES]
    _print_suspects(to, report)
    to.print("\n" + ", ".join(f"{count} {severity}{'s' * (count != 1)}" for count, severity in counts) + ".")


def _print_suspects(to: Console, report: "InspectReport") -> None:
    if not report.suspects:
        return
    to.print(
        f"\n[bold]The labels that the model contradicts most[/] (of {len(report.suspects):,})", markup=True
    )
    for suspect in report.suspects[:MOST_SUSPECTS]:
        to.print(f"  {suspect.score:.2f}  {suspect.file}  {suspect.reason}", soft_wrap=True)


def _print_finding(to: Console, finding: "Finding") -> None:
    style = STYLES[finding.severity]
    to.print(
        f"\n[{style}]{finding.severity}[/] [bold]{finding.kind}[/]  {escape(finding.message)}", markup=True
    )
    fixable = " [green](--fix repairs it)[/]" if finding.fixable else ""
    to.print(f"  {escape(finding.advice)}{fixable}", markup=True)
    files = list(finding.files[:MOST_FILES])
    if len(finding.files) > MOST_FILES:
        files.append(f"and {len(finding.files) - MOST_FILES:,} more")
    for file in files:
        to.print(f"  {file}", style="dim", soft_wrap=True)


def _fix(to: Console, survey: "Survey", report: "InspectReport", out: Path) -> None:
    from terrazzo.inspect.repair import repair

    if not any(finding.fixable for finding in report.findings):
        to.print("Nothing to repair that a program could; --fix wrote nothing.")
        return
    with progress_bar(to, "repairing") as progress:
        done = repair(survey, report, out, progress)
    what = "A repaired copy" if done.copied else "A corrected dataset YAML"
    to.print(
        f"{what} lies in {out}, the original is as it was: {len(done.actions):,} entries in "
        f"{out / 'repairs.json'}. Go on with: terrazzo inspect {done.dataset}",
        soft_wrap=True,
    )


def _name(data: str) -> str:
    """Return a folder name for data: the last part of its path, or its kind."""
    kind, _, path = data.partition(":")
    return Path(path or kind).resolve().stem if path or "/" in kind or "." in kind else kind
