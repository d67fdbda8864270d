"""`terrazzo models`: the architectures, or one of them in detail."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from terrazzo.cli.output import JsonOption, console, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.models.summary import ArchitectureSummary, ModelSummary


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One architecture.")] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Image size to count at.")] = "360x480",
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 19,
    channels: Annotated[int, typer.Option(help="Image channels.")] = 3,
    encoder: Annotated[str | None, typer.Option(help="A timm encoder.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw NAME: its maps, what feeds which, and its receptive field."),
    ] = None,
    json: JsonOption = None,
) -> None:
    """List the architectures, or show one model's stages, parameters, MACs and memory."""
    from terrazzo.models.summary import describe, list_models

    to, pixels = console(), _size(size)
    if name is None:
        if figure is not None:
            raise RequestError("--figure draws one model: give its NAME, for instance `terrazzo models fpn`.")
        entries = list_models(num_classes=classes, in_channels=channels, size=pixels)
        _print_list(to, entries, size)
        write_json(json, [entry.to_json() for entry in entries])
        return
    summary = describe(name, size=pixels, num_classes=classes, in_channels=channels, encoder=encoder)
    _print_one(to, summary)
    if figure is not None:
        _draw(figure, summary)
        to.print(f"Figure: {figure}")
    write_json(json, summary.to_json())


def _draw(path: Path, summary: "ModelSummary") -> None:
    from terrazzo.figures import draw_architecture
    from terrazzo.models import MODELS, build_model
    from terrazzo.models.receptive_field import measure_receptive_field
    from terrazzo.models.wiring import trace_wiring

    height, width = summary.image_size
    model = build_model(summary.architecture, **summary.arguments)
    draw_architecture(
        path,
        trace_wiring(model, (height, width)),
        measure_receptive_field(model, (height, width)),
        title=MODELS[summary.architecture].title,
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise RequestError(f"--size is {text!r}; expected HEIGHTxWIDTH in pixels, for instance 360x480.")
    return int(height), int(width)


def _print_list(to: Console, entries: "list[ArchitectureSummary]", size: str) -> None:
    table = Table(box=None, pad_edge=False)
    widths = (max(len(entry.name) for entry in entries), 14, 8, 6, 6)
    for title, width in zip(("name", "encoder", "params", "GMACs", "stride"), widths, strict=True):
        numbers = title not in ("name", "encoder")
        table.add_column(title, justify="right" if numbers else "left", no_wrap=True, width=width)
    # On a narrow terminal the paper's title gives way.
    table.add_column("paper", no_wrap=True, width=max(20, to.width - sum(widths) - 2 * len(widths)))
    for entry in entries:
        costs = (f"{entry.parameters / 1e6:.2f} M", f"{entry.macs / 1e9:.1f}", str(entry.stride))
        table.add_row(entry.name, entry.encoder or "its own", *costs, _short(entry))
    to.print(table)
    to.print(f"MACs of one {size} image. More of one: terrazzo models NAME. Everything: --json FILE.")


def _short(entry: "ArchitectureSummary") -> str:
    """Return the first author, the year and the title of the paper."""
    authors, _, rest = entry.paper.partition(": ")
    return f"{authors.partition(',')[0]} {entry.year}: {rest.rpartition(', http')[0]}"


def _print_one(to: Console, summary: "ModelSummary") -> None:
    from terrazzo.models import MODELS

    entry = MODELS[summary.architecture]
    to.print(f"[bold]{summary.architecture}[/]  {entry.title}\n{entry.paper} ({entry.year})", markup=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for title in ("output", "stride", "parameters", "MMACs"):
        table.add_column(title, justify="right")
    for stage in summary.stages:
        shape = "" if stage.shape is None else " x ".join(map(str, stage.shape))
        stride = "" if stage.stride is None else str(stage.stride)
        parameters = "" if stage.parameters is None else f"{stage.parameters:,}"
        macs = "" if stage.macs is None else f"{stage.macs / 1e6:,.0f}"
        table.add_row(stage.name, shape, stride, parameters, macs, style="dim" if not macs else "")
    to.print(table)
    size = " x ".join(map(str, summary.image_size))
    to.print(
        f"{summary.parameters:,} parameters, {summary.macs / 1e9:.2f} GMACs and "
        f"{summary.activation_bytes / 1e6:.0f} MB of float32 activations for one {size} image; "
        f"logits at stride {summary.stride}"
    )
