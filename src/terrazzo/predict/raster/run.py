"""GeoTIFFs of any size: read, predicted and written through windows, in memory that does not grow with them.

The labels are those that `Tiled` gives for the whole raster. Killed at any instant and called again with the
same request, the work goes on where it was; the result has the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from terrazzo.core.errors import DataError, RequestError
from terrazzo.predict.inference import Inference
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.raster.file import NO_CONFIDENCE, Compression, Look, write_layer
from terrazzo.predict.raster.job import Job, checked_nodata, raw_table, request
from terrazzo.predict.raster.journal import Layer, Work, begun, check_room
from terrazzo.predict.raster.rows import Kind, Panel, Rows, panels
from terrazzo.predict.raster.window import CACHE_MB, Source, import_rasterio
from terrazzo.predict.tiles.auto import plan
from terrazzo.predict.tiles.tiled import USUAL_GRID, Grid, Tiled, grid_step

AnyPath = str | PathLike[str]
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""

Announce = Callable[[str], None]
"""Called with one sentence for people."""


@dataclass(frozen=True)
class PredictedRaster:
    """What was made of one raster."""

    image: Path
    mask: Path
    """GeoTIFF of raw label ids, one band, with colour table."""

    confidence: Path | None
    """GeoTIFF of the probability of the label, 0..255 for 0..1; 0 where there is no data."""

    polygons: Path | None
    """GeoJSON or GeoPackage of the areas of each class."""

    size: tuple[int, int]
    """(H, W), pixels."""

    nodata: int
    """The id in `mask` where the raster holds no data."""

    valid_share: float
    """Share of the pixels that hold data, 0..1."""

    tiles: str
    """How it was cut."""

    resumed: bool
    """Whether an earlier run had begun it."""

    notes: tuple[str, ...]
    """What a person should know, one sentence each."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}


def predict_raster(
    predictor: Predictor,
    path: AnyPath,
    out: AnyPath,
    *,
    bands: Sequence[int] | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    confidence: bool = False,
    polygons: str | None = None,
    nodata: int | None = None,
    compression: Compression = "deflate",
    overviews: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> PredictedRaster:
    """Write the labels of a raster as a GeoTIFF where the raster is, with its size, CRS and transform.

    Args:
        predictor: the model. Where its inference is `Tiled`, the raster is cut like that.
        path: any raster that GDAL reads, of any size; uint8, uint16 or float as the model was trained.
        out: the GeoTIFF to write. Unfinished work lies beside it in a folder `.NAME.work`.
        bands: which bands are the model's channels, counted from 1; by default red, green and blue as the
            file names them for a model of RGB, else all but alpha.
        tile: side of a tile, pixels; by default the largest that fits into memory, at most 2048.
        overlap: pixels that tiles share at least; by default a quarter of the tile.
        confidence: also write `STEM_confidence.tif`.
        polygons: also write the areas of each class, "geojson" (longitude and latitude, where the CRS is
            known) or "geopackage" (in the raster's CRS), beside `out`.
        nodata: the id written where there is no data; by default the one that means void.
        compression: of the results; zstd falls back to deflate where this GDAL lacks it.
        overviews: add reduced versions, for quick display.
        overwrite: replace results that are there.
        progress: called after each tile.
        announce: told in one sentence, before the work, how it is cut and what memory that takes.

    Raises:
        RequestError: a result is there already, bands or tiles that do not fit, unfinished work for another
            request, or an extra is missing.
        DataError: the raster cannot be read, has too few bands, or holds no data at all.
        TerrazzoError: a result cannot be written, or there is too little disk or memory.
    """
    rasterio = import_rasterio()
    job = Job(Path(path), Path(out), confidence, polygons)
    job.check(overwrite)
    _refuse_postprocess(predictor)
    nodata = checked_nodata(predictor.labels, nodata)
    with (
        rasterio.Env(GDAL_CACHEMAX=CACHE_MB),
        Source(job.path, bands, predictor.card) as source,
    ):
        _refuse_small(source)
        if tile is None and (before := begun(job.work)):
            tile, overlap = before["tile"], before["overlap"] if overlap is None else overlap
        cut = _cut(predictor.inference, source, tile, overlap, announce)
        table = raw_table(predictor.labels, nodata)
        check_room(job.work, _room(source.size, table.itemsize + confidence))
        work = Work(job.work, request(predictor, job, source, cut, nodata))
        try:
            ids = work.layer("ids", source.size, table.dtype)
            chances = work.layer("confidence", source.size, np.uint8) if confidence else None
            sink = _Sink(ids, chances, table, nodata)
            _predict(source, cut, work, sink, progress)
            share = _valid_share(ids, nodata)
            if not share:
                work.remove()
                raise DataError(_nothing_there(job.path))
            look = Look.of(predictor, nodata, cut.method.tiles)
            notes = [*source.notes, *write_layer(job.out, ids, source.place, look, compression, overviews)]
            if chances:
                write_layer(job.confidence, chances, source.place, Look.chance(), compression, overviews)
            if polygons:
                from terrazzo.predict.raster.polygons import write_polygons

                notes += write_polygons(job.out, job.polygons, predictor.labels)
        except BaseException:
            work.close()
            raise
        work.remove()
    return PredictedRaster(
        image=job.path,
        mask=job.out,
        confidence=job.confidence if confidence else None,
        polygons=job.polygons if polygons else None,
        size=source.size,
        nodata=nodata,
        valid_share=share,
        tiles=cut.method.tiles,
        resumed=work.resumed,
        notes=tuple(notes),
    )


class _Sink:
    """Turns train ids into what is written, and writes them into the layers of the work."""

    def __init__(self, ids: Layer, chances: Layer | None, table: Any, nodata: int) -> None:
        self._ids, self._chances, self._table, self._nodata = ids, chances, table, nodata

    @property
    def wants_chance(self) -> bool:
        """Whether probabilities are written, too."""
        return self._chances is not None

    def write(self, rows: Rows) -> None:
        """Write finished rows."""
        raw = self._table[rows.ids]
        raw[~rows.valid] = self._nodata
        self._ids.write(rows.first, rows.columns.start, raw)
        if self._chances and rows.chance is not None:
            chance = np.where(rows.valid, np.maximum(rows.chance, 1), NO_CONFIDENCE)
            self._chances.write(rows.first, rows.columns.start, chance)


def _predict(source: Source, cut: Tiled, work: Work, sink: _Sink, progress: Progress | None) -> None:
    """Predict all rows that the work lacks."""
    grid = Grid.of(source.size, cut.tile, cut.overlap, cut.step)
    kind = _kind(cut, source)
    parts = [
        Panel(grid, kind, columns, work.rows_done(index), chance=sink.wants_chance)
        for index, columns in enumerate(panels(grid, kind, cut.step))
    ]
    in_all = len(grid.rows) * sum(len(part.tiles_of_row) for part in parts)
    done = in_all - sum(len(part.rows_of_tiles) * len(part.tiles_of_row) for part in parts)

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, in_all)

    for index, panel in enumerate(parts):
        for rows in panel.run(source.read, cut.inference, tick):
            sink.write(rows)
            work.finish_rows(index, rows.first + len(rows.ids))


def _kind(cut: Tiled, source: Source) -> Kind:
    """Find out what predictions look like, on a small piece of nothing."""
    side = 2 * max(cut.step, USUAL_GRID)
    return Kind.of(cut.inference(np.zeros((side, side, len(source.bands)), source.dtype)))


def _cut(
    inference: Inference,
    source: Source,
    tile: int | None,
    overlap: int | None,
    announce: Announce | None,
) -> Tiled:
    """Return how the raster is cut, around what predicts one tile."""
    if isinstance(inference, Tiled):
        if tile is None:
            return inference
        inference = inference.inference
    if tile is None:
        found = plan(inference, source.size, itemsize=source.dtype.itemsize, windowed=True)
        if announce:
            announce(found.sentence)
        step = grid_step(inference.backend)
        tile = found.tile or -(-max(*source.size, 2 * USUAL_GRID, 2 * step) // step) * step
    return Tiled(inference, tile, overlap)


def _room(size: tuple[int, int], bytes_per_pixel: int) -> int:
    """Return the disk that is needed: the work, and as much again for results that hardly shrink."""
    return 2 * size[0] * size[1] * bytes_per_pixel


def _valid_share(ids: Layer, nodata: int) -> float:
    """Return the share of pixels that hold data."""
    height, width = ids.size
    valid = sum(
        int(np.count_nonzero(ids.read(row, min(row + 512, height)) != nodata))
        for row in range(0, height, 512)
    )
    return valid / (height * width)


def _refuse_postprocess(predictor: Predictor) -> None:
    """A raster is labelled strip by strip, and a cluster may reach over many."""
    if predictor.postprocess is not None and predictor.postprocess.steps:
        raise RequestError(
            f"Rasters are labelled strip by strip, and post-processing ({predictor.postprocess.words}) needs "
            "the whole image. Leave it out; other tools sieve finished rasters, such as gdal_sieve."
        )


def _refuse_small(source: Source) -> None:
    from terrazzo.models.base import MIN_SIDE

    if min(source.size) < MIN_SIDE:
        raise DataError(
            f"{source.path} has {source.size[1]} x {source.size[0]} pixels; models take sides from "
            f"{MIN_SIDE} pixels. Take a raster that covers more."
        )


def _nothing_there(path: Path) -> str:
    return (
        f"{path} holds no data: every pixel is nodata, masked or not finite. "
        "Check the file's nodata value, or choose other bands."
    )
