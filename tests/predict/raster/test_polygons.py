"""Areas of classes as polygons: they cover exactly the pixels of the raster, in every format."""

import json
import sqlite3
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.features import rasterize

from terrazzo.predict.raster.polygons import write_polygons
from tests.predict.raster.made import PLACE, write_raster
from tests.predict.small import LABELS

IDS = np.full((90, 120), 1, np.uint8)
IDS[10:50, 10:60] = 0
IDS[20:40, 20:40] = 2  # a hole in class 0, filled by class 2
IDS[60:80, 0:30] = 255  # no data
IDS[50:55, 60:70] = 0  # touches the first area at a corner only


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "mask.tif", IDS[..., None], nodata=255)


def geojson(mask: Path) -> tuple[list[Any], list[str]]:
    out = mask.with_suffix(".geojson")
    notes = write_polygons(mask, out, LABELS)
    return json.loads(out.read_text())["features"], notes


def test_geojson__longitude_and_latitude(mask: Path) -> None:
    features, notes = geojson(mask)
    assert notes == []
    points = np.concatenate([ring for f in features for ring in np.array(f["geometry"]["coordinates"][:1])])
    assert np.all((points > [2.99, 45.1]) & (points < [3.02, 45.2])), "500 km east, 5000 km north of zone 31"
    first = next(f for f in features if f["properties"]["id"] == 2)
    assert first["properties"] == {"class": "car", "id": 2, "pixels": 400}
    (x, y), *_ = rasterio.warp.transform_geom("OGC:CRS84", PLACE["crs"], first["geometry"])["coordinates"][0]
    assert abs((x - 500000) / 0.5 % 1 - 0.5) > 0.499
    assert abs((5000000 - y) / 0.5 % 1 - 0.5) > 0.499


@pytest.mark.parametrize(
    "place", [PLACE, {"crs": None, "transform": Affine(1, 0, 5, 0, 1, 7)}], ids=["north", "south"]
)
def test_geojson__outlines_and_holes_turn_as_the_standard_says(tmp_path: Path, place: Any) -> None:
    """Where rows run southwards GDAL turns them the right way, where they run northwards it does not."""
    features, _ = geojson(write_raster(tmp_path / "mask.tif", IDS[..., None], nodata=255, **place))
    holes = 0
    for feature in features:
        for index, ring in enumerate(feature["geometry"]["coordinates"]):
            x, y = np.array(ring).T
            area = ((x - x[0])[:-1] * (y - y[0])[1:] - (x - x[0])[1:] * (y - y[0])[:-1]).sum()
            assert (area > 0) == (index == 0)
            assert ring[0] == ring[-1]
            holes += index > 0
    assert holes >= 2


def test_geojson__without_crs_in_the_rasters_coordinates(tmp_path: Path) -> None:
    turned = Affine.translation(7, 9) @ Affine.rotation(20) @ Affine.scale(2, -2)
    mask = write_raster(tmp_path / "mask.tif", IDS[..., None], nodata=255, crs=None, transform=turned)
    features, notes = geojson(mask)
    assert "in the raster's coordinates, not in longitude and latitude" in notes[0]
    shapes = [(f["geometry"], f["properties"]["id"]) for f in features]
    np.testing.assert_array_equal(rasterize(shapes, IDS.shape, fill=255, transform=turned), IDS)


def test_polygons__corners_do_not_connect(mask: Path) -> None:
    features, _ = geojson(mask)
    assert sorted(f["properties"]["pixels"] for f in features if f["properties"]["id"] == 0) == [50, 1600]
    assert sum(f["properties"]["pixels"] for f in features) == int((IDS != 255).sum())


def read_package(path: Path) -> tuple[Any, list[Any]]:
    base = sqlite3.connect(path)
    try:
        rows = base.execute("SELECT geom, class, id, pixels FROM areas ORDER BY fid").fetchall()
        facts = {
            "application": base.execute("PRAGMA application_id").fetchone()[0],
            "contents": base.execute("SELECT * FROM gpkg_contents").fetchall(),
            "columns": base.execute("SELECT * FROM gpkg_geometry_columns").fetchall(),
            "systems": dict(base.execute("SELECT srs_id, definition FROM gpkg_spatial_ref_sys").fetchall()),
            "sound": base.execute("PRAGMA integrity_check").fetchone()[0],
            "keys": base.execute("PRAGMA foreign_key_check").fetchall(),
        }
    finally:
        base.close()
    return facts, rows


def read_blob(blob: bytes) -> tuple[int, list[Any]]:
    """Read a geometry by the standard's clause 2.1.3, with no line of the writer."""
    magic, version, flags, srs = struct.unpack_from("<2sBBi", blob)
    assert (magic, version, flags & 1, flags >> 1 & 7) == (b"GP", 0, 1, 1)
    low_x, high_x, low_y, high_y = struct.unpack_from("<4d", blob, 8)
    order, kind, count = struct.unpack_from("<BII", blob, 40)
    assert (order, kind) == (1, 3)
    at, rings = 49, []
    for _ in range(count):
        (points,) = struct.unpack_from("<I", blob, at)
        rings.append(np.frombuffer(blob, "<f8", 2 * points, at + 4).reshape(-1, 2).tolist())
        at += 4 + 16 * points
    assert at == len(blob)
    x, y = np.array(rings[0]).T
    assert (low_x, high_x, low_y, high_y) == (x.min(), x.max(), y.min(), y.max())
    return srs, rings


def test_geopackage__read_back_by_the_standard(mask: Path) -> None:
    out = mask.with_suffix(".gpkg")
    assert write_polygons(mask, out, LABELS) == []
    facts, rows = read_package(out)
    assert facts["application"] == 0x47504B47
    assert (facts["sound"], facts["keys"]) == ("ok", [])
    assert set(facts["systems"]) == {-1, 0, 4326, 32631}
    assert facts["systems"][32631].startswith('PROJCS["WGS 84 / UTM zone 31N"')
    (content,) = facts["contents"]
    assert content[:3] == ("areas", "features", "mask")
    assert content[5:] == (500000, 5000000 - 45, 500060, 5000000, 32631)
    assert facts["columns"] == [("areas", "geom", "POLYGON", 32631, 0, 0)]
    shapes = []
    for blob, name, raw_id, _ in rows:
        srs, rings = read_blob(blob)
        assert srs == 32631
        assert name == LABELS.names[raw_id]
        shapes.append(({"type": "Polygon", "coordinates": rings}, raw_id))
    np.testing.assert_array_equal(rasterize(shapes, IDS.shape, fill=255, transform=PLACE["transform"]), IDS)


def test_geopackage__without_crs_or_with_one_of_no_code(tmp_path: Path) -> None:
    mask = write_raster(tmp_path / "mask.tif", IDS[..., None], nodata=255, crs=None)
    write_polygons(mask, tmp_path / "none.gpkg", LABELS)
    facts, rows = read_package(tmp_path / "none.gpkg")
    assert facts["contents"][0][-1] == -1
    assert read_blob(rows[0][0])[0] == -1
    own = "+proj=laea +lat_0=47.1 +lon_0=3.3 +datum=WGS84 +units=m"
    mask = write_raster(tmp_path / "own.tif", IDS[..., None], nodata=255, crs=own)
    write_polygons(mask, tmp_path / "own.gpkg", LABELS)
    facts, _ = read_package(tmp_path / "own.gpkg")
    assert facts["contents"][0][-1] == 100_000
    assert "Lambert_Azimuthal" in facts["systems"][100_000]


def test_polygons__a_raster_without_any_class(tmp_path: Path) -> None:
    mask = write_raster(tmp_path / "mask.tif", np.full((40, 40, 1), 255, np.uint8), nodata=255)
    features, _ = geojson(mask)
    assert features == []
    write_polygons(mask, tmp_path / "mask.gpkg", LABELS)
    assert read_package(tmp_path / "mask.gpkg")[1] == []
