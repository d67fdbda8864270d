"""Rasters made on the spot, and where the genuine ones are."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

GENUINE = Path(__file__).parents[4] / "shared/data/samples/geotiff/tests/data"
PLACE = {"crs": "EPSG:32631", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}
"""UTM zone 31 north, half a metre a pixel."""


def genuine(name: str) -> Path:
    """Return one of rasterio's own test files; skips the test where they are not there."""
    path = GENUINE / name
    if not path.is_file():
        pytest.skip("the genuine samples are not beside this checkout")
    return path


def noise(height: int, width: int, channels: int = 3, *, seed: int = 0, block: int = 8) -> NDArray[np.uint8]:
    """Return (H, W, C) of coloured blocks with noise on them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 220, (-(-height // block), -(-width // block), channels), dtype=np.uint8)
    fine = coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    return fine + rng.integers(0, 36, fine.shape, dtype=np.uint8)


def write_raster(path: Path, image_HWC: NDArray[Any], **profile: Any) -> Path:
    """Write a GeoTIFF; where it is unless told otherwise: `PLACE`."""
    height, width, count = image_HWC.shape
    given = {
        "driver": "GTiff",
        "dtype": image_HWC.dtype.name,
        "height": height,
        "width": width,
        "count": count,
    }
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        options = {key: value for key, value in (given | PLACE | profile).items() if value is not None}
        with rasterio.open(path, "w", **options) as file:
            file.write(image_HWC.transpose(2, 0, 1))
    return path


def read_ids(path: Path) -> NDArray[Any]:
    """Return the first band."""
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path) as file,
    ):
        ids: NDArray[Any] = file.read(1)
    return ids
