"""`terrazzo models`: the architectures, or one of them in detail."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from terrazzo.cli.output import JsonOption, console, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.models.summary import ModelSummary


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One architecture.")] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Image size to count at.")] = "360x480",
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 19,
    channels: Annotated[int, typer.Option(help="Image channels.")] = 3,
    encoder: Annotated[str | None, typer.Option(help="A timm encoder.")] = None,
    json: JsonOption = None,
) -> None:
    """List the architectures, or show one model's stages, parameters, MACs and memory."""
    from terrazzo.models.summary import summarize

    to, pixels = console(), _size(size)
    if name is None:
        from terrazzo.models import MODELS

        summaries = [
            summarize(known, num_classes=classes, in_channels=channels, size=pixels)
            for known in sorted(MODELS)
        ]
        _print_list(to, summaries, size)
        write_json(json, [summary.to_json() for summary in summaries])
        return
    summary = summarize(name, num_classes=classes, in_channels=channels, encoder=encoder, size=pixels)
    _print_one(to, summary)
    write_json(json, summary.to_json())


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise RequestError(f"--size is {text!r}; expected HEIGHTxWIDTH in pixels, for instance 360x480.")
    return int(height), int(width)


def _print_list(to: Console, summaries: "list[ModelSummary]", size: str) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("name", "paper", "encoder"):
        table.add_column(title)
    for title in ("parameters", f"GMACs at {size}", "stride"):
        table.add_column(title, justify="right")
    for s in summaries:
        macs = f"{s.macs / 1e9:.1f}"
        table.add_row(
            s.name, f"{s.paper} ({s.year})", s.encoder or "–", f"{s.parameters:,}", macs, str(s.stride)
        )
    to.print(table)


def _print_one(to: Console, summary: "ModelSummary") -> None:
    to.print(f"[bold]{summary.name}[/]  {summary.paper} ({summary.year})")
    if summary.encoder:
        to.print(f"encoder {summary.encoder}")
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for title in ("output", "stride", "parameters", "MMACs", "activations, MB"):
        table.add_column(title, justify="right")
    for stage in summary.stages:
        shape = " x ".join(map(str, stage.shape))
        table.add_row(
            stage.name,
            shape,
            str(stage.stride),
            f"{stage.parameters:,}",
            f"{stage.macs / 1e6:,.0f}",
            f"{stage.activation_bytes / 1e6:.1f}",
        )
    to.print(table)
    height, width = summary.size
    to.print(
        f"{summary.parameters:,} parameters, {summary.macs / 1e9:.2f} GMACs and "
        f"{summary.activation_bytes / 1e6:.0f} MB of float32 activations at {height} x {width}; "
        f"logits at stride {summary.stride}"
    )
