"""`terrazzo predict`: images, rasters and videos become masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, progress_bar, say_notes, write_json
from terrazzo.cli.predict_raster import BandsOption, PolygonsOption, RasterWishes, segment_raster
from terrazzo.cli.predict_video import (
    EndOption,
    EveryOption,
    FpsOption,
    SmoothOption,
    StartOption,
    VideoAsOption,
    VideoWishes,
    segment_video,
)
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

if TYPE_CHECKING:
    from terrazzo.predict import Predictor, PredictSettings
    from terrazzo.predict.confidence import Kind


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
    others: WithOption = None,
    tile: TileOption = "auto",
    overlap: OverlapOption = None,
    tta: TtaOption = "none",
    dropout: DropoutOption = 0,
    postprocess: PostprocessOption = "none",
    drop_clusters: DropClustersOption = None,
    device: DeviceOption = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace rasters and videos that are there.")
    ] = False,
    json: JsonOption = None,
    bands: BandsOption = None,
    polygons: PolygonsOption = None,
    video_as: VideoAsOption = "overlay",
    smooth: SmoothOption = None,
    fps: FpsOption = None,
    every: EveryOption = 1,
    start: StartOption = 0.0,
    end: EndOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
) -> None:
    """Segment images of any size: a PNG of raw label ids for each (of volumes NIfTI, of rasters GeoTIFF)."""
    from terrazzo.predict import build_predictor
    from terrazzo.predict.sources import sort_inputs

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
    cluster = on_ray(engine, address, workers)
    raster_wishes = RasterWishes.of(polygons, bands, overwrite)
    video_wishes = VideoWishes(video_as, smooth, fps, every, start, end, overwrite)
    paths = [] if cluster else map(Path, inputs)  # Ray's inputs may be URLs; all are images
    found = sort_inputs(paths, out, video_wishes.is_video)
    raster_wishes.check(found.rasters, overlay=overlay, probabilities=probabilities, confidence=confidence)
    video_wishes.check(found.videos, probabilities=probabilities, confidence=confidence)
    wanted: dict[str, Any] = {
        "overlay": overlay,
        "probabilities": probabilities,
        "confidence": _kind(confidence),
    }
    if cluster:
        places = {"address": address, "workers": workers}
        write_json(json, _on_ray(to, settings, inputs, out, places | wanted))
        return
    say_notes(to, found.notes)
    predictor = build_predictor(settings)
    facts: list[Any] = [
        *(segment_raster(to, predictor, path, out, raster_wishes, confidence) for path in found.rasters),
        *(segment_video(to, predictor, path, out, video_wishes) for path in found.videos),
    ]
    if found.pictures:
        facts += _pictures(to, predictor, found.pictures, out, wanted)
    write_json(json, facts)


def _kind(confidence: str | None) -> "Kind | None":
    from terrazzo.core.errors import unknown_name
    from terrazzo.predict.confidence import DEFINITIONS

    if confidence is not None and confidence not in DEFINITIONS:
        raise unknown_name("kind of confidence", confidence, DEFINITIONS)
    return cast("Kind | None", confidence)


def _pictures(
    to: Console,
    predictor: "Predictor",
    inputs: Sequence[Path],
    out: Path,
    wanted: dict[str, Any],
) -> list[dict[str, str | None]]:
    from terrazzo.predict import predict_files

    with progress_bar(to, "predicting") as progress:
        written = predict_files(
            predictor,
            inputs,
            out,
            progress=progress,
            announce=to.print,
            **wanted,
        )
    to.print(f"{len(written)} image{'s' if len(written) != 1 else ''} segmented; the masks lie in {out}.")
    return [item.to_json() for item in written]


def _on_ray(
    to: Console, settings: "PredictSettings", inputs: Sequence[str], out: Path, wanted: dict[str, Any]
) -> list[dict[str, Any]]:
    from terrazzo.predict.ray_engine import predict_with_ray

    with progress_bar(to, "predicting") as progress:
        done = predict_with_ray(settings, inputs, out, progress=progress, **wanted)
    to.print(f"{len(done.rows)} images segmented; the masks and {done.manifest.name} lie in {out}.")
    return done.to_json()
