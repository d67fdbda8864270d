"""What a person asked for of one raster: the files it will end in, and what the result depends on."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError, TerrazzoError
from terrazzo.core.labels import LabelMap
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.raster.journal import begun
from terrazzo.predict.raster.window import Source
from terrazzo.predict.tiles.tiled import Tiled

POLYGONS = {"geojson": ".geojson", "geopackage": ".gpkg"}
"""Formats of polygons, and how their files end."""


class Job:
    """The files of one request."""

    def __init__(self, path: Path, out: Path, confidence: bool, polygons: str | None) -> None:
        if polygons is not None and polygons not in POLYGONS:
            raise RequestError(f"polygons is {polygons!r}; expected one of: {', '.join(POLYGONS)}.")
        if out.suffix.lower() not in (".tif", ".tiff"):
            raise RequestError(
                f"The result is a GeoTIFF; give it a name that ends in .tif, not {out.name!r}."
            )
        self.path, self.out, self.wants_confidence = path, out, confidence
        self.confidence = out.with_name(f"{out.stem}_confidence{out.suffix}")
        self.polygons = out.with_suffix(POLYGONS[polygons or "geojson"])
        self.work = out.with_name(f".{out.name}.work")
        self._results = [out, *([self.confidence] * confidence), *([self.polygons] if polygons else [])]

    def check(self, overwrite: bool) -> None:
        """Refuse results that are there, and make their folder.

        Where unfinished work lies beside them they are its own: it was stopped between one and the next.
        """
        overwrite = overwrite or begun(self.work) is not None
        for result in self._results:
            if result.exists() and self.path.exists() and result.samefile(self.path):
                raise RequestError(f"{result} is the raster itself. Choose another name for the result.")
            if result.exists() and not overwrite:
                raise RequestError(
                    f"{result} is there already. Choose another name, or allow to overwrite it."
                )
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TerrazzoError(
                f"The folder {self.out.parent} cannot be made: {error.strerror or error}. Choose another."
            ) from error


def request(predictor: Predictor, job: Job, source: Source, cut: Tiled, nodata: int) -> dict[str, Any]:
    """Return all that the result depends on: unfinished work goes on only where all of it is the same."""
    facts = job.path.stat()
    return {
        "raster": [str(job.path.resolve()), facts.st_size, facts.st_mtime_ns],
        "bands": list(source.bands),
        "tile": cut.tile,
        "overlap": cut.overlap,
        "method": cut.inference.method.to_json(),
        "model": _digest(predictor),
        "classes": predictor.labels.to_json(),
        "nodata": nodata,
        "confidence": job.wants_confidence,
    }


def checked_nodata(labels: LabelMap, nodata: int | None) -> int:
    """Return the id for what holds no data: the one given, or the one that means void in masks.

    Raises:
        RequestError: it means a class, or does not fit into a mask.
    """
    taken = {raw: kind.name for kind in labels.classes for raw in kind.raw_ids}
    if nodata is None:
        free = (raw for raw in (*labels.void_ids, 255, 65535, 0) if raw not in taken)
        return next(free)
    if nodata in taken:
        raise RequestError(
            f"nodata {nodata} is the id of the class {taken[nodata]!r}. Choose another, such as 255."
        )
    if not 0 <= nodata <= 65535:
        raise RequestError(f"nodata is {nodata}; expected an id of 0 to 65535.")
    return nodata


def raw_table(labels: LabelMap, nodata: int) -> NDArray[Any]:
    """Return train id -> the id that is written, uint8 where all ids fit."""
    raw = np.array([kind.raw_ids[0] for kind in labels.classes], np.int64)
    return raw.astype(np.uint8 if max(int(raw.max()), nodata) <= 255 else np.uint16)


def _digest(predictor: Predictor) -> str:
    """Return a hash of the network's weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(predictor.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()
