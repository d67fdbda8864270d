"""What every verb prints with: consoles, the score table, and the `--json` file."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.evaluate import Evaluation

INTERRUPTED = 130
"""Exit code of a run that was stopped by Ctrl-C and left a usable result, as shells have it."""

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the same facts as JSON to FILE.")
]


def console() -> Console:
    """Return a console on standard output; brackets in names of files and classes are no markup to it."""
    return Console(highlight=False, markup=False)


def say_notes(to: Console, notes: Iterable[str]) -> None:
    """Print what a person should know, a line each."""
    for note in notes:
        to.print(f"Note: {note}", style="dim")


def write_json(path: Path | None, facts: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write the facts for programs, if a file was asked for.

    Raises:
        RequestError: the file cannot be written.
    """
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RequestError(
            f"{path} cannot be written ({error.strerror}). Give --json another place."
        ) from None


def print_scores(to: Console, evaluation: "Evaluation") -> None:
    """Print headline, per-class table, what the meters found, and what the score means."""
    from terrazzo.evaluate.details import sections

    facts = evaluation.to_json()
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for name in ("IoU", "F1", "precision", "recall", "pixels"):
        table.add_column(name, justify="right")
    for row in facts["per_class"]:
        shares = [percent(row[key]) for key in ("iou", "f1", "precision", "recall")]
        table.add_row(row["name"], *shares, f"{row['pixels']:,}")
    to.print(table)
    low, high = facts["miou_interval"]
    to.print(
        f"\nmIoU [bold]{percent(facts['miou'])}[/] (95% interval {percent(low)} to {percent(high)}), "
        f"pixel accuracy {percent(facts['pixel_accuracy'])}, macro F1 {percent(facts['macro_f1'])}",
        markup=True,
    )
    for part in sections(evaluation.details, charts=False):
        to.print(f"{part.title}: {part.words or 'see --json'}")
    protocol = evaluation.protocol
    to.print(
        f"{protocol.images} images of {protocol.data} {protocol.split}, scored at the resolution of the "
        f"{protocol.resolution}; {protocol.averaging}; {protocol.void}; interval by {protocol.interval}",
        style="dim",
    )
    if protocol.name:
        to.print(f"Protocol {protocol.name}", style="dim")
    say_notes(to, filter(None, (protocol.nearly, *protocol.notes)))


@contextmanager
def progress_bar(to: Console, what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar while work goes on; what it yields is called with (done, in all or None where unknown)."""
    with Progress(
        TextColumn(what, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=to,
        transient=True,
        disable=not to.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def percent(share: float | None) -> str:
    """Write a fraction as per cent; a dash where there is none."""
    return "–" if share is None else f"{share:.1%}"
