"""`terrazzo predict`: images, rasters and videos become masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, progress_bar, write_json
from terrazzo.cli.prediction import (
    AddressOption,
    DeviceOption,
    DropClustersOption,
    DropoutOption,
    EngineOption,
    ModelArgument,
    OverlapOption,
    PostprocessOption,
    TileOption,
    TtaOption,
    WithOption,
    WorkersOption,
    on_ray,
    settings_from,
)
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.predict import Predictor, PredictSettings
    from terrazzo.predict.video.kinds import Kind as VideoKind


def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE|FOLDER|RASTER|VIDEO...", help="What to segment.", show_default=False),
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
    video_as: Annotated[
        str, typer.Option(metavar="KIND", help="Of videos: overlay, masks, side-by-side or png.")
    ] = "overlay",
    smooth: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of videos: average over time; the new frame's share."),
    ] = None,
    others: WithOption = None,
    tile: TileOption = "auto",
    overlap: OverlapOption = None,
    tta: TtaOption = "none",
    dropout: DropoutOption = 0,
    postprocess: PostprocessOption = "none",
    drop_clusters: DropClustersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = None,
) -> None:
    """Segment images of any size: a PNG of raw label ids for each (of volumes NIfTI, of rasters GeoTIFF)."""
    from terrazzo.predict import build_predictor
    from terrazzo.predict.sources import is_raster
    from terrazzo.predict.video.kinds import is_video

    to = console()
    settings = settings_from(
        model,
        others,
        device=device,
        tile=tile,
        overlap=overlap,
        tta=tta,
        dropout=dropout,
        postprocess=postprocess,
        drop_clusters=drop_clusters,
    )
    if on_ray(engine, address, workers):
        wanted = {"address": address, "workers": workers, "overlay": overlay, "probabilities": probabilities}
        write_json(json, _on_ray(to, settings, inputs, out, wanted))
        return
    rasters = [path for path in map(Path, inputs) if is_raster(path)]
    videos = [path for path in map(Path, inputs) if is_video(path)]
    _refuse_stray(rasters, overlay=overlay, probabilities=probabilities, polygons=polygons, bands=bands)
    chosen = _numbers(bands)
    predictor = build_predictor(settings)
    facts: list[Any] = []
    for path in rasters:
        facts.append(_raster(to, predictor, path, out, chosen, bool(confidence), polygons))
    for path in videos:
        facts.append(_video(to, predictor, path, out, video_as, smooth))
    pictures = [path for path in map(Path, inputs) if path not in (*rasters, *videos)]
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


def _video(
    to: Console, predictor: "Predictor", path: Path, out: Path, kind: str, smooth: float | None
) -> dict[str, Any]:
    from typing import cast

    from terrazzo.predict.video import predict_video

    with progress_bar(to, path.name) as progress:
        made = predict_video(
            predictor, path, out, kind=cast("VideoKind", kind), smoothing=smooth, progress=progress
        )
    for note in made.notes:
        to.print(f"[dim]Note: {note}[/]")
    to.print(f"{path}: {made.frames} frames segmented; they lie in {made.out}.")
    return made.to_json()


def _on_ray(
    to: Console, settings: "PredictSettings", inputs: Sequence[str], out: Path, wanted: dict[str, Any]
) -> list[dict[str, Any]]:
    from terrazzo.predict.ray_engine import predict_with_ray

    with progress_bar(to, "predicting") as progress:
        done = predict_with_ray(settings, inputs, out, progress=progress, **wanted)
    to.print(f"{len(done.rows)} images segmented; the masks and {done.manifest.name} lie in {out}.")
    return done.to_json()
