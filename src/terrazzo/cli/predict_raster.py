"""The part of `terrazzo predict` that is about rasters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from terrazzo.cli.output import progress_bar, say_notes
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.predict import Predictor

PANEL = "Rasters"
PolygonsOption = Annotated[
    str | None,
    typer.Option(metavar="geojson|geopackage", help="Also write the areas.", rich_help_panel=PANEL),
]
BandsOption = Annotated[
    str | None,
    typer.Option(metavar="N,N,...", help="The model's channels, counted from 1.", rich_help_panel=PANEL),
]


@dataclass(frozen=True)
class RasterWishes:
    """What was asked for of rasters."""

    polygons: str | None
    bands: tuple[int, ...] | None
    overwrite: bool

    @classmethod
    def of(cls, polygons: str | None, bands: str | None, overwrite: bool) -> "RasterWishes":
        """Read the options.

        Raises:
            RequestError: the bands are not numbers from 1.
        """
        parts = [] if bands is None else [part.strip() for part in bands.split(",")]
        if not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise RequestError(f"--bands is {bands!r}; expected numbers from 1 with commas, as 4,3,2.")
        return cls(polygons, tuple(map(int, parts)) or None, overwrite)

    def check(
        self, rasters: Sequence[Path], *, overlay: bool, probabilities: bool, confidence: str | None
    ) -> None:
        """Refuse options that would do nothing.

        Raises:
            RequestError: they are of something else than what is given.
        """
        if rasters and (overlay or probabilities):
            raise RequestError(
                f"{rasters[0]} is a raster: overlays and probabilities are of images. Leave --overlay and "
                "--probabilities out; --confidence and --polygons are there for rasters."
            )
        if rasters and confidence == "entropy":
            raise RequestError(
                f"{rasters[0]} is a raster, whose confidence is the probability of its class: "
                "--confidence max."
            )
        if not rasters and (self.polygons or self.bands):
            raise RequestError(
                "--polygons and --bands are for rasters, but no input is a GeoTIFF with a place on earth "
                "(reading them needs `pip install 'terrazzo[raster]'`)."
            )


def segment_raster(
    to: Console, predictor: "Predictor", path: Path, out: Path, wishes: RasterWishes, confidence: str | None
) -> dict[str, Any]:
    """Segment one raster and say where the result is."""
    from terrazzo.predict import predict_raster

    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{path.stem}.tif"
    with progress_bar(to, path.name) as progress:
        made = predict_raster(
            predictor,
            path,
            target,
            bands=wishes.bands,
            confidence=bool(confidence),
            polygons=wishes.polygons,
            overwrite=wishes.overwrite,
            progress=progress,
            announce=to.print,
        )
    say_notes(to, made.notes)
    to.print(f"{path} segmented ({made.valid_share:.1%} of it holds data); the labels lie in {target}.")
    facts: dict[str, Any] = made.to_json()
    return facts
