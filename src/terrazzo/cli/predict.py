"""`terrazzo predict`: images and rasters become masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, progress_bar, write_json
from terrazzo.cli.prediction import (
    DeviceOption,
    DropoutOption,
    ModelArgument,
    OverlapOption,
    TileOption,
    TtaOption,
    WithOption,
    settings_from,
)
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.predict import Predictor


def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE|FOLDER|RASTER...", help="What to segment.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the masks go.")] = Path("masks"),
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also paint the classes over the image.")
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write (K, H, W) float16 probabilities as .npz.")
    ] = False,
    confidence: Annotated[
        str | None, typer.Option(metavar="max|entropy", help="Also write how sure each pixel is, 0..255.")
    ] = None,
    polygons: Annotated[
        str | None, typer.Option(metavar="geojson|geopackage", help="Of rasters: also write the areas.")
    ] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Of rasters: the model's channels, counted from 1.")
    ] = None,
    others: WithOption = None,
    tile: TileOption = "auto",
    overlap: OverlapOption = None,
    tta: TtaOption = "none",
    dropout: DropoutOption = 0,
    device: DeviceOption = "auto",
    json: JsonOption = None,
) -> None:
    """Segment images of any size: a PNG of raw label ids for each (of volumes NIfTI, of rasters GeoTIFF)."""
    from terrazzo.predict import build_predictor
    from terrazzo.predict.sources import is_raster

    to = console()
    settings = settings_from(
        model, others, device=device, tile=tile, overlap=overlap, tta=tta, dropout=dropout
    )
    rasters = [path for path in inputs if is_raster(path)]
    _refuse_stray(rasters, overlay=overlay, probabilities=probabilities, polygons=polygons, bands=bands)
    chosen = _numbers(bands)
    predictor = build_predictor(settings)
    facts: list[Any] = []
    for path in rasters:
        facts.append(_raster(to, predictor, path, out, chosen, bool(confidence), polygons))
    pictures = [path for path in inputs if path not in rasters]
    if pictures:
        facts += _pictures(to, predictor, pictures, out, overlay, probabilities, confidence)
    write_json(json, facts)


def _refuse_stray(
    rasters: Sequence[Path], *, overlay: bool, probabilities: bool, polygons: str | None, bands: str | None
) -> None:
    """Refuse options that would do nothing."""
    if rasters and (overlay or probabilities):
        raise RequestError(
            f"{rasters[0]} is a raster: overlays and probabilities are of images. "
            "Leave --overlay and --probabilities out; --confidence and --polygons are there for rasters."
        )
    if not rasters and (polygons or bands):
        raise RequestError(
            "--polygons and --bands are for rasters, but no input is a GeoTIFF with a place on earth "
            "(reading them needs `pip install 'terrazzo[raster]'`)."
        )


def _numbers(bands: str | None) -> tuple[int, ...] | None:
    if bands is None:
        return None
    parts = [part.strip() for part in bands.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"--bands is {bands!r}; expected numbers from 1 with commas, as 4,3,2.")
    return tuple(int(part) for part in parts)


def _pictures(
    to: Console,
    predictor: "Predictor",
    inputs: Sequence[Path],
    out: Path,
    overlay: bool,
    probabilities: bool,
    confidence: str | None,
) -> list[dict[str, str | None]]:
    from terrazzo.core.errors import unknown_name
    from terrazzo.predict import predict_files
    from terrazzo.predict.confidence import DEFINITIONS

    if confidence is not None and confidence not in DEFINITIONS:
        raise unknown_name("kind of confidence", confidence, DEFINITIONS)
    with progress_bar(to, "predicting") as progress:
        written = predict_files(
            predictor,
            inputs,
            out,
            overlay=overlay,
            probabilities=probabilities,
            confidence="entropy" if confidence == "entropy" else "max" if confidence else None,
            progress=progress,
        )
    to.print(f"{len(written)} image{'s' if len(written) != 1 else ''} segmented; the masks lie in {out}.")
    return [item.to_json() for item in written]


def _raster(
    to: Console,
    predictor: "Predictor",
    path: Path,
    out: Path,
    bands: tuple[int, ...] | None,
    confidence: bool,
    polygons: str | None,
) -> dict[str, Any]:
    from terrazzo.predict import predict_raster

    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{path.stem}.tif"
    with progress_bar(to, path.name) as progress:
        made = predict_raster(
            predictor,
            path,
            target,
            bands=bands,
            confidence=confidence,
            polygons=polygons,
            progress=progress,
            announce=to.print,
        )
    for note in made.notes:
        to.print(f"[dim]Note: {note}[/]")
    to.print(f"{path} segmented ({made.valid_share:.1%} of it holds data); the labels lie in {target}.")
    facts: dict[str, Any] = made.to_json()
    return facts
