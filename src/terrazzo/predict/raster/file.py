"""Writing a finished layer as GeoTIFF: tiled, compressed, with colours and names, always the same bytes."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from terrazzo.core.errors import RequestError, TerrazzoError
from terrazzo.core.labels import LabelMap
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.raster.journal import Layer
from terrazzo.predict.raster.window import Place, import_rasterio, quiet

Compression = Literal["deflate", "zstd", "lzw", "none"]
BLOCK = 512
"""Side of the tiles inside the file, pixels."""

NO_CONFIDENCE = 0
"""Confidence where there is no data; a label's own is written as 1 at least."""


@dataclass(frozen=True)
class Look:
    """What a file says about its one band."""

    nodata: int
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[int, tuple[int, int, int, int]] | None = None

    @classmethod
    def of(cls, predictor: Predictor, nodata: int, tiles: str) -> "Look":
        """Name and colour the classes of a model."""
        labels = predictor.labels
        tags = {
            "CLASSES": json.dumps(class_names(labels), ensure_ascii=False),
            "MODEL": predictor.card.architecture,
            "TILES": tiles,
            "SOFTWARE": f"Terrazzo {predictor.card.terrazzo_version}",
        }
        colors = {raw: (*kind.color, 255) for kind in labels.classes for raw in kind.raw_ids[:1]}
        fits = max(*colors, nodata) <= 255
        return cls(nodata, "class", tags, {**colors, nodata: (0, 0, 0, 0)} if fits else None)

    @classmethod
    def chance(cls) -> "Look":
        """Describe a layer of confidences."""
        return cls(NO_CONFIDENCE, "probability of the class, 0..255 for 0..1")


def class_names(labels: LabelMap) -> dict[int, str]:
    """Return the name of each id that is written."""
    return {kind.raw_ids[0]: kind.name for kind in labels.classes}


def write_layer(
    path: Path, layer: Layer, place: Place, look: Look, compression: Compression, overviews: bool
) -> list[str]:
    """Write a layer as a GeoTIFF of one band, under another name first, then rename it.

    Returns:
        Notes for people.

    Raises:
        TerrazzoError: it cannot be written.
        RequestError: an unknown compression.
    """
    rasterio = import_rasterio()
    compression, notes = _possible(compression)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with quiet(), rasterio.open(temporary, "w", **_profile(layer, place, look, compression)) as file:
            _describe(file, place, look)
            height = layer.size[0]
            for row in range(0, height, BLOCK):
                last = min(row + BLOCK, height)
                file.write(layer.read(row, last), 1, window=((row, last), (0, layer.size[1])))
            if overviews:
                factors = [2**power for power in range(1, 16) if max(layer.size) >> power >= BLOCK // 2]
                file.build_overviews(factors, rasterio.enums.Resampling.nearest)
        temporary.replace(path)
    except (OSError, rasterio.errors.RasterioError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise TerrazzoError(
            f"{path} cannot be written: {reason}. Free some space there, or check that you may write to it; "
            "then repeat the command, what is predicted is kept."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return notes


def _possible(compression: Compression) -> tuple[Compression, list[str]]:
    """Return a compression that this GDAL has, and a note where it is another than asked for."""
    known = ("deflate", "zstd", "lzw", "none")
    if compression not in known:
        raise RequestError(f"compression is {compression!r}; expected one of: {', '.join(known)}.")
    if compression == "zstd" and not _has_zstd():
        return "deflate", ["This GDAL cannot write zstd; the results are compressed with deflate."]
    return compression, []


def _has_zstd() -> bool:
    """Try: GDAL's list of options cannot be asked for through rasterio."""
    rasterio = import_rasterio()
    profile = {"driver": "GTiff", "height": 1, "width": 1, "count": 1, "dtype": "uint8", "compress": "zstd"}
    try:
        with quiet(), rasterio.MemoryFile() as memory, memory.open(**profile) as file:
            return bool(file.compression and file.compression.name == "zstd")
    except rasterio.errors.RasterioError:
        return False


def _profile(layer: Layer, place: Place, look: Look, compression: Compression) -> dict[str, Any]:
    """Return the creation options."""
    block = BLOCK if min(layer.size) >= BLOCK else 16 * max(1, -(-min(layer.size) // 16))
    profile = {
        "driver": "GTiff",
        "height": layer.size[0],
        "width": layer.size[1],
        "count": 1,
        "dtype": layer.dtype.name,
        "nodata": look.nodata,
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "compress": compression,
        "BIGTIFF": "IF_SAFER",
        "crs": place.crs,
        "transform": place.transform,
    }
    return {key: value for key, value in profile.items() if value is not None}


def _describe(file: Any, place: Place, look: Look) -> None:
    """Say where the raster is and what its ids mean."""
    if place.gcps:
        file.gcps = place.gcps
    if place.rpcs:
        file.rpcs = place.rpcs
    file.set_band_description(1, look.description)
    if look.tags:
        file.update_tags(**look.tags)
    if look.colors and np.dtype(file.dtypes[0]) == np.uint8:
        file.write_colormap(1, dict(look.colors))
