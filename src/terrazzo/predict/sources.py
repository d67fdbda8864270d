"""What a file is to a prediction: a picture, or a raster that is read and written in windows."""

from pathlib import Path
from typing import Final

RASTER_SUFFIXES: Final = (".tif", ".tiff", ".vrt", ".jp2")

LARGEST_PICTURE: Final = 64 << 20
"""Pixels; a TIFF of more is read in windows even where it lies nowhere on earth."""


def is_raster(path: Path) -> bool:
    """Say whether a file is a raster with a place on earth, or one too large for a picture.

    Without rasterio nothing is; a GeoTIFF is then read as the picture it also is.
    """
    if not path.is_file() or not path.name.lower().endswith(RASTER_SUFFIXES):
        return False
    try:
        import rasterio
    except ImportError:
        return False
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a file has no georeference is the question here
        try:
            with rasterio.open(path) as file:
                placed = file.crs is not None or not file.transform.is_identity
                return bool(placed or file.width * file.height > LARGEST_PICTURE)
        except rasterio.errors.RasterioIOError:
            return False
