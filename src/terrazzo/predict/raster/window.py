"""Reading a raster of any size window by window, with what of it holds no data.

GDAL, by way of rasterio (the extra `raster`), does the reading; its cache is kept small.

Shapes: C bands, H x W the raster, n x m a window.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, MissingExtraError, RequestError

if TYPE_CHECKING:
    from terrazzo.checkpoint import Card

RGB = ("red", "green", "blue")
"""The model's channels by GDAL's names."""

CACHE_MB = 128
"""What GDAL may keep of the blocks it has read or not yet written."""


@dataclass(frozen=True)
class Place:
    """Where a raster is on Earth; nothing of it need be known."""

    crs: Any = None
    transform: Any = None
    """Affine: (column, row) to coordinates; None where the file says nothing."""

    gcps: Any = None
    """Ground control points and their CRS, where these stand for the transform."""

    rpcs: Any = None
    """Rational polynomial coefficients of an unrectified scene."""


class Source:
    """A raster that is open for reading.

    Args:
        path: any raster that GDAL reads.
        bands: which bands are the model's channels, counted from 1; by default red, green and blue as the
            file names them for a model of RGB, else all but alpha.
        card: of the model: its channels, and their mean, which it is shown where there is no data.

    Attributes:
        size: (H, W), pixels.
        dtype: of the values.
        place: where it is.
        bands: those that are read.
        notes: what a person should know, one sentence each.

    Raises:
        DataError: not a raster, or fewer bands than the model takes.
        RequestError: bands that are not there or too many to choose from.
        MissingExtraError: rasterio is not installed.
    """

    def __init__(self, path: Path, bands: Sequence[int] | None, card: "Card") -> None:
        self.path = path
        self.notes: list[str] = []
        self._file = _opened(path)
        try:
            self.size: tuple[int, int] = (self._file.height, self._file.width)
            self.place = _place(self._file)
            self.bands = self._chosen(bands, card)
            self.dtype = self._common_dtype()
        except BaseException:
            self._file.close()
            raise
        self._fill_C = np.asarray(card.mean, np.float64).astype(self.dtype)
        flags = [self._file.mask_flag_enums[band - 1] for band in self.bands]
        self._all_valid = all(any(flag.name == "all_valid" for flag in each) for each in flags)
        if self.place.crs is None:
            self.notes.append(f"{path.name} has no CRS: the results are where it is, but nobody knows where.")

    def read(self, rows: slice, columns: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return a window's pixels (n, m, C), and (n, m) whether they hold data.

        A pixel holds no data where the file says so for every band that is read; of floating-point values for
        any band, or where one is not finite. The network is shown its mean there.

        Raises:
            DataError: the window cannot be read.
        """
        import rasterio

        window = ((rows.start, rows.stop), (columns.start, columns.stop))
        try:
            values_Cnm = self._file.read(self.bands, window=window)
            valid_Cnm = None if self._all_valid else self._file.read_masks(self.bands, window=window) != 0
        except rasterio.errors.RasterioError as error:
            raise DataError(
                f"{self.path} cannot be read at rows {rows.start} to {rows.stop}, columns {columns.start} to "
                f"{columns.stop} ({_reason(error)}). Copy the file again, then repeat the command."
            ) from error
        if values_Cnm.dtype.kind == "f":
            finite_Cnm = np.isfinite(values_Cnm)
            valid_Cnm = finite_Cnm if valid_Cnm is None else finite_Cnm & valid_Cnm
            valid_nm: NDArray[np.bool_] = valid_Cnm.all(axis=0)
        elif valid_Cnm is None:
            valid_nm = np.ones(values_Cnm.shape[1:], bool)
        else:
            valid_nm = valid_Cnm.any(axis=0)
        image_nmC = np.ascontiguousarray(values_Cnm.transpose(1, 2, 0))
        if not valid_nm.all():
            image_nmC[~valid_nm] = self._fill_C
        return image_nmC, valid_nm

    def __enter__(self) -> "Source":
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def _chosen(self, bands: Sequence[int] | None, card: "Card") -> list[int]:
        in_channels = card.in_channels
        if bands is not None:
            return self._checked(list(bands), in_channels)
        kinds = [kind.name for kind in self._file.colorinterp]
        if card.channel_order == "RGB" and all(kinds.count(color) == 1 for color in RGB):
            return self._colors(kinds)
        plain = [band for band, kind in enumerate(kinds, start=1) if kind != "alpha"]
        if len(plain) < in_channels:
            palette = "palette" in kinds
            more = " Its one band is a palette; turn it into colours first: gdal_translate -expand rgb."
            raise DataError(
                f"{self.path} has {_bands(len(plain))}, but the model takes {_bands(in_channels)}."
                f"{more if palette else ' Use a model that was trained on such images.'}"
            )
        if len(plain) > in_channels:
            example = ",".join(map(str, plain[:in_channels]))
            raise RequestError(
                f"{self.path} has {_bands(len(plain))}, and the model takes {in_channels}. Say which, in the "
                f"order of the model's channels, for instance bands {example}."
            )
        return plain

    def _colors(self, kinds: list[str]) -> list[int]:
        """Return the bands that the file calls red, green and blue, wherever they are."""
        bands = [kinds.index(color) + 1 for color in RGB]
        if bands != [1, 2, 3]:
            given = ", ".join(map(str, bands))
            self.notes.append(f"Red, green and blue are bands {given} of {self.path.name}, as it says.")
        return bands

    def _checked(self, bands: list[int], in_channels: int) -> list[int]:
        count = self._file.count
        wrong = [band for band in bands if not 1 <= band <= count]
        if wrong or len(bands) != in_channels:
            given = ",".join(map(str, bands))
            raise RequestError(
                f"bands {given} do not fit: the model takes {_bands(in_channels)}, and {self.path} has bands "
                f"1 to {count}."
            )
        return bands

    def _common_dtype(self) -> np.dtype[Any]:
        dtype = np.result_type(*(np.dtype(self._file.dtypes[band - 1]) for band in self.bands))
        if dtype.kind not in "uif":
            raise DataError(
                f"{self.path} holds {dtype} values; expected whole or floating-point numbers. Convert it."
            )
        return dtype


def import_rasterio() -> Any:
    """Return rasterio.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import rasterio
        import rasterio.errors
    except ImportError as error:
        raise MissingExtraError(
            'Rasters need rasterio, which is not installed: pip install "terrazzo[raster]"'
        ) from error
    return rasterio


def _opened(path: Path) -> Any:
    rasterio = import_rasterio()
    if not path.exists():
        raise DataError(f"{path}: there is no such file. Check the path.")
    try:
        with quiet():
            return rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise DataError(
            f"{path} cannot be read as a raster ({_reason(error)}). Copy it again, or convert it to GeoTIFF."
        ) from error


def _place(file: Any) -> Place:
    with quiet():
        transform = file.transform
        points, points_crs = file.gcps
    if points and (transform is None or transform.is_identity):
        return Place(crs=file.crs or points_crs, gcps=(points, points_crs), rpcs=file.rpcs)
    return Place(file.crs, None if transform.is_identity else transform, rpcs=file.rpcs)


def quiet() -> Any:
    """Leave out rasterio's warning about rasters that are nowhere: we say so ourselves."""
    nowhere = import_rasterio().errors.NotGeoreferencedWarning
    return warnings.catch_warnings(action="ignore", category=nowhere)


def _reason(error: BaseException) -> str:
    """Return what GDAL says, on one line."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())


def _bands(count: int) -> str:
    return f"{count} band{'' if count == 1 else 's'}"
