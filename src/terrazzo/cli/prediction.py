"""The options that all verbs share which predict: which models, in which tiles, under which views."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.predict import PredictSettings

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder.", show_default=False)]
WithOption = Annotated[
    list[Path] | None,
    typer.Option("--with", metavar="MODEL", help="Average with this model, too; may be repeated."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
TileOption = Annotated[
    str,
    typer.Option(metavar="PIXELS|auto|whole", help="Cut images into tiles; auto: if memory asks for it."),
]
OverlapOption = Annotated[
    int | None, typer.Option(min=0, metavar="PIXELS", help="That tiles share [default: a quarter of them].")
]
TtaOption = Annotated[
    str, typer.Option(metavar="SPEC", help="Test-time augmentation, as hflip,scale=0.75:1.25,merge=mean.")
]
DropoutOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Average N random passes with dropout (MC dropout).")
]
PostprocessOption = Annotated[
    str,
    typer.Option(metavar="STEPS", help="Done to the labels afterwards, as drop-clusters=70;largest=Road."),
]
DropClustersOption = Annotated[
    str | None, typer.Option(metavar="AREA", help="Short for a last step drop-clusters=AREA.")
]
RAY_PANEL = "Many machines"
EngineOption = Annotated[
    str,
    typer.Option(
        metavar="local|ray", help="ray: by the workers of a Ray cluster.", rich_help_panel=RAY_PANEL
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Of a Ray cluster, as ray://head:10001 [default: local].",
        rich_help_panel=RAY_PANEL,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Of the engine ray [default: one per GPU or four CPUs].", rich_help_panel=RAY_PANEL
    ),
]


def settings_from(
    model: Path,
    others: list[Path] | None,
    *,
    device: str,
    tile: str,
    overlap: int | None,
    tta: str,
    dropout: int,
    postprocess: str = "none",
    drop_clusters: str | None = None,
) -> "PredictSettings":
    """Return what the options mean; nothing is loaded."""
    from terrazzo.predict import PredictSettings, parse_tile

    models = tuple(str(folder) for folder in (model, *(others or ())))
    return PredictSettings(
        models,
        device,
        parse_tile(tile),
        overlap,
        tta,
        dropout,
        postprocess=_steps(postprocess, drop_clusters),
    )


def on_ray(engine: str, address: str | None, workers: int | None) -> bool:
    """Say whether the engine is Ray.

    Raises:
        RequestError: there is no such engine, or its options were given without it.
    """
    if engine not in ("local", "ray"):
        raise RequestError(f"--engine is {engine!r}; expected local or ray.")
    if engine == "local" and (address or workers):
        raise RequestError("--address and --workers are of Ray: add --engine ray, or leave them out.")
    return engine == "ray"


def _steps(postprocess: str, drop_clusters: str | None) -> str:
    """Put the short form behind the other steps: what they leave in crumbs is then dropped, too.

    Raises:
        RequestError: the steps are in a file, which a short form cannot join.
    """
    if drop_clusters is None:
        return postprocess
    if postprocess.lower().endswith((".yaml", ".yml")):
        raise RequestError("--drop-clusters joins steps given as text; write it into the file instead.")
    last = f"drop-clusters={drop_clusters}"
    return last if postprocess == "none" else f"{postprocess};{last}"
