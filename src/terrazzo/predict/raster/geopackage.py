"""A GeoPackage of polygons, written with Python's own SQLite.

OGC GeoPackage Encoding Standard 1.3 (OGC 12-128r18), https://www.geopackage.org/spec130: the tables of clause
1.1.2, 1.1.3 and 2.1.5, and the geometry blob of clause 2.1.3. Only what one layer of polygons needs.

Shapes: N points of a ring.
"""

import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import TerrazzoError

APPLICATION_ID = 0x47504B47
"""The letters GPKG."""

VERSION = 10300
NO_CRS = -1
"""The standard's "undefined Cartesian" system."""

OWN_CRS = 100_000
"""The number given to a CRS that has no EPSG code."""

TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE areas (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON, class TEXT, id INTEGER, pixels INTEGER);
"""

WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)

REQUIRED = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinates"),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinates"),
    ("WGS 84 geodetic", 4326, "EPSG", 4326, WGS84, "longitude and latitude in degrees"),
)
"""The systems that every GeoPackage lists."""


class GeoPackage:
    """A new file with one layer `areas` of polygons with class, id and pixels.

    Args:
        path: the file; there must be none.
        name: what the layer is called for people.
        crs: of the coordinates, as rasterio has it; None where it is not known.

    Raises:
        TerrazzoError: SQLite cannot write it.
    """

    def __init__(self, path: Path, name: str, crs: Any) -> None:
        self._path = path
        self._bounds = [np.inf, np.inf, -np.inf, -np.inf]
        try:
            self._base = sqlite3.connect(path)
            self._base.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._base.execute(f"PRAGMA user_version = {VERSION}")
            self._base.executescript(TABLES)
            self._srs = self._systems(crs)
            self._base.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, ?, ?, ?)",
                ("areas", "features", name, self._srs),
            )
            self._base.execute(
                "INSERT INTO gpkg_geometry_columns VALUES ('areas', 'geom', 'POLYGON', ?, 0, 0)", (self._srs,)
            )
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def add(self, rings: Sequence[NDArray[np.float64]], name: str, raw_id: int, pixels: int) -> None:
        """Add one polygon: its outline (N, 2), then its holes."""
        low, high = rings[0].min(axis=0), rings[0].max(axis=0)
        self._bounds = [*np.minimum(self._bounds[:2], low), *np.maximum(self._bounds[2:], high)]
        try:
            self._base.execute(
                "INSERT INTO areas (geom, class, id, pixels) VALUES (?, ?, ?, ?)",
                (geometry(rings, self._srs), name, raw_id, pixels),
            )
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def __enter__(self) -> "GeoPackage":
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is there, unless there was an error, and close the file."""
        try:
            if kind is None and np.isfinite(self._bounds).all():
                bounds = [float(value) for value in self._bounds]
                self._base.execute("UPDATE gpkg_contents SET min_x=?, min_y=?, max_x=?, max_y=?", bounds)
            if kind is None:
                self._base.commit()
        except sqlite3.Error as failure:
            raise self._failed(failure) from failure
        finally:
            self._base.close()

    def _systems(self, crs: Any) -> int:
        """List the reference systems, and return the number of the layer's own."""
        self._base.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", REQUIRED)
        if crs is None:
            return NO_CRS
        code = crs.to_epsg()
        if code == 4326:
            return 4326
        number, owner = (code, "EPSG") if code else (OWN_CRS, "NONE")
        row = (crs.to_wkt().split('"')[1], number, owner, number, crs.to_wkt(), "")
        self._base.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", row)
        return int(number)

    def _failed(self, error: sqlite3.Error) -> TerrazzoError:
        return TerrazzoError(
            f"{self._path} cannot be written: {error}. Free some space there, then repeat the command; "
            "what is predicted is kept."
        )


def geometry(rings: Sequence[NDArray[np.float64]], srs: int) -> bytes:
    """Return a polygon as a GeoPackage blob: header with an x-y envelope, then well-known binary."""
    low, high = rings[0].min(axis=0), rings[0].max(axis=0)
    little_endian_with_envelope = 0b00000011
    header = struct.pack("<2sBBi", b"GP", 0, little_endian_with_envelope, srs)
    envelope = struct.pack("<4d", low[0], high[0], low[1], high[1])
    parts = [struct.pack("<BII", 1, 3, len(rings))]  # little endian, a polygon
    for ring in rings:
        parts += [struct.pack("<I", len(ring)), np.ascontiguousarray(ring, "<f8").tobytes()]
    return b"".join([header, envelope, *parts])
