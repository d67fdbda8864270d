"""The areas of each class of a label raster as polygons: GeoJSON or GeoPackage.

GDAL's polygonizing reads the raster line by line, so its pixels are never in memory; the polygons of the
areas are, so memory grows with how jagged the labels are. Pixels that touch only at a corner are not
connected, as in the Simple Features standard a polygon's inside is connected.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import TerrazzoError
from terrazzo.core.labels import LabelMap
from terrazzo.predict.raster.file import class_names
from terrazzo.predict.raster.geopackage import GeoPackage
from terrazzo.predict.raster.window import import_rasterio, quiet

Ring = NDArray[np.float64]
"""(N, 2), x and y; the last point is the first."""

AT_ONCE = 1000
"""Polygons whose coordinates are turned into another CRS in one call."""


@dataclass(frozen=True)
class Area:
    """One connected area of a class."""

    raw_id: int
    name: str
    rings: tuple[Ring, ...]
    """The outline, then the holes."""

    pixels: int
    """How many it covers."""


def write_polygons(mask: Path, out: Path, labels: LabelMap) -> list[str]:
    """Write the areas of a finished label raster, as GeoPackage where `out` ends in .gpkg, else as GeoJSON.

    GeoJSON is in longitude and latitude (RFC 7946, section 4), GeoPackage in the raster's own CRS. Without a
    CRS both are in the raster's coordinates.

    Returns:
        Notes for people.

    Raises:
        TerrazzoError: it cannot be written.
    """
    rasterio = import_rasterio()
    temporary = out.with_name(f".{out.name}.new")
    with quiet(), rasterio.open(mask) as file:
        areas = _areas(file, class_names(labels))
        try:
            temporary.unlink(missing_ok=True)
            if out.suffix == ".gpkg":
                with GeoPackage(temporary, out.stem, file.crs) as package:
                    for area in areas:
                        package.add(area.rings, area.name, area.raw_id, area.pixels)
                notes = []
            else:
                notes = _write_geojson(temporary, areas, file.crs)
            temporary.replace(out)
        except OSError as error:
            raise TerrazzoError(
                f"{out} cannot be written: {error.strerror or error}. Free some space there, then repeat the "
                "command; what is predicted is kept."
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return notes


def _areas(file: Any, names: dict[int, str]) -> Iterator[Area]:
    """Give every area of a class, in the raster's coordinates; GDAL's order."""
    from rasterio.features import shapes

    band = import_rasterio().band(file, 1)
    pixel = abs(file.transform.determinant)
    for shape, value in shapes(band, connectivity=4, transform=file.transform):
        if int(value) not in names:  # no data
            continue
        rings = tuple(np.asarray(ring, np.float64) for ring in shape["coordinates"])
        covered = abs(_signed(rings[0])) - sum(abs(_signed(hole)) for hole in rings[1:])
        yield Area(int(value), names[int(value)], rings, round(covered / pixel))


def _signed(ring: Ring) -> float:
    """Return the area inside a ring, positive where it runs counter-clockwise (x right, y up)."""
    near = ring - ring[0]  # far from the origin, products would lose their last digits
    (x, y), (after_x, after_y) = near[:-1].T, near[1:].T
    return float((x * after_y - after_x * y).sum() / 2)


def _write_geojson(path: Path, areas: Iterable[Area], crs: Any) -> list[str]:
    """Write one feature a line, so that a file of any size can be written, and read, as it goes."""
    notes = []
    if crs is None:
        notes.append(
            "The raster has no CRS, so the GeoJSON is in the raster's coordinates, "
            "not in longitude and latitude."
        )
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        divider = "\n"
        for area in _in_degrees(areas, crs):
            file.write(divider + json.dumps(_feature(area), ensure_ascii=False))
            divider = ",\n"
        file.write("\n]}\n")
    return notes


def _in_degrees(areas: Iterable[Area], crs: Any) -> Iterator[Area]:
    """Turn coordinates into longitude and latitude, many areas in one call."""
    if crs is None:
        yield from areas
        return
    from rasterio.warp import transform

    areas = iter(areas)
    while some := list(islice(areas, AT_ONCE)):
        points = np.concatenate([ring for area in some for ring in area.rings])
        x, y = transform(crs, "OGC:CRS84", points[:, 0], points[:, 1])
        turned = np.stack([x, y], axis=1)
        ends = np.cumsum([len(ring) for area in some for ring in area.rings])[:-1]
        rings = iter(np.split(turned, ends))
        for area in some:
            yield Area(area.raw_id, area.name, tuple(islice(rings, len(area.rings))), area.pixels)


def _feature(area: Area) -> dict[str, Any]:
    """Return one GeoJSON feature: outlines counter-clockwise, holes clockwise (RFC 7946, section 3.1.6)."""
    rings = [_turned(ring, outline=index == 0) for index, ring in enumerate(area.rings)]
    return {
        "type": "Feature",
        "properties": {"class": area.name, "id": area.raw_id, "pixels": area.pixels},
        "geometry": {"type": "Polygon", "coordinates": [_rounded(ring) for ring in rings]},
    }


def _turned(ring: Ring, *, outline: bool) -> Ring:
    return ring if (_signed(ring) > 0) == outline else ring[::-1]


def _rounded(ring: Ring) -> Sequence[Sequence[float]]:
    """Return coordinates of nine decimals: a tenth of a millimetre, in degrees."""
    plain: list[list[float]] = np.round(ring, 9).tolist()
    return plain
