"""The options that all verbs share which predict: which models, in which tiles, under which views."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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


def settings_from(
    model: Path,
    others: list[Path] | None,
    *,
    device: str,
    tile: str,
    overlap: int | None,
    tta: str,
    dropout: int,
) -> "PredictSettings":
    """Return what the options mean; nothing is loaded."""
    from terrazzo.predict import PredictSettings, parse_tile

    models = tuple(str(folder) for folder in (model, *(others or ())))
    return PredictSettings(models, device, parse_tile(tile), overlap, tta, dropout)
