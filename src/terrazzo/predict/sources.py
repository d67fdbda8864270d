"""What was given to a prediction: which files are meant, and what each of them is."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Final

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import IMAGE_SUFFIXES
from terrazzo.core.volume_files import VOLUME_SUFFIXES

AnyPath = str | PathLike[str]

RASTER_SUFFIXES: Final = (".tif", ".tiff", ".vrt", ".jp2")

LARGEST_PICTURE: Final = 64 << 20
"""Pixels; a TIFF of more is read in windows even where it lies nowhere on earth."""

PLACE_TAGS: Final = (33550, 33922, 34264, 34735)
"""Of TIFF: pixel scale, tie points, transformation and keys of GeoTIFF 1.1 (section 7)."""


@dataclass(frozen=True)
class Inputs:
    """Files by how they are predicted."""

    pictures: tuple[Path, ...]
    """Images and volumes, and folders of them."""

    rasters: tuple[Path, ...]
    videos: tuple[Path, ...]
    notes: tuple[str, ...]
    """What a person should know, one sentence each."""


def sort_inputs(given: Iterable[Path], out: Path, is_video: Callable[[Path], bool]) -> Inputs:
    """Tell pictures, rasters and videos apart; folders are searched for rasters: none must lose its place.

    Args:
        given: files and folders; what does not exist is left among the pictures.
        out: the folder of the results, which is left out of the search.
        is_video: says so of a file, or of a folder of frames.

    Raises:
        RequestError: two rasters or two videos of one name, which would be one result.
    """
    pictures: list[Path] = []
    rasters: list[Path] = []
    videos: list[Path] = []
    for path in given:
        if is_video(path):
            videos.append(path)
        elif is_raster(path):
            rasters.append(path)
        elif found := [file for file in files_below(path, out, RASTER_SUFFIXES) if is_raster(file)]:
            rasters += found
            pictures += [file for file in files_below(path, out, IMAGE_SUFFIXES) if file not in set(found)]
        else:
            pictures.append(path)
    _refuse_same_names(rasters)
    _refuse_same_names(videos)
    return Inputs(tuple(pictures), tuple(rasters), tuple(videos), _lost_places(pictures, out))


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


def find_images(inputs: Iterable[AnyPath], out: Path, *, volumes: bool = False) -> list[Path]:
    """Return the image files that inputs mean, in the order given, those of a folder sorted, none twice.

    Args:
        inputs: files, and folders that are searched.
        out: the folder of the results, which is left out of the search.
        volumes: search folders for volumes instead of images.

    Raises:
        DataError: an input does not exist, or there is no image at all.
    """
    wanted = VOLUME_SUFFIXES if volumes else IMAGE_SUFFIXES
    places = [Path(given) for given in inputs]
    found: dict[Path, Path] = {}
    for given in places:
        if not given.exists():
            raise DataError(
                f"There is no file or folder {given}. Give image files, or a folder that holds some."
            )
        for path in files_below(given, out, wanted) if given.is_dir() else [given]:
            found.setdefault(path.resolve(), path)
    if not found:
        raise DataError(
            f"No images in {', '.join(map(str, places)) or 'nothing'}: looked for files that end in "
            f"{', '.join(sorted(wanted))}."
        )
    return list(found.values())


def files_below(folder: Path, out: Path, suffixes: Sequence[str] = ("",)) -> list[Path]:
    """Search a folder; hidden files (`._photo.jpg` of other systems) and earlier results are left alone."""
    known, results = tuple(suffixes), out.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(known)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (folder.resolve() == results or not path.resolve().is_relative_to(results))
        and path.is_file()
    )


def _refuse_same_names(paths: Sequence[Path]) -> None:
    owners: dict[str, Path] = {}  # by lower-case name: some file systems do not tell them apart
    for path in paths:
        owner = owners.setdefault(path.stem.lower(), path)
        if owner.resolve() != path.resolve():
            raise RequestError(
                f"{owner} and {path} would both be written under the name {path.stem}. "
                "Rename one of them, or predict them into two folders."
            )


def _lost_places(pictures: Iterable[Path], out: Path) -> tuple[str, ...]:
    """Say that places on earth are lost where rasterio is not installed."""
    if find_spec("rasterio") is not None:
        return ()
    files = [file for path in pictures for file in (files_below(path, out) if path.is_dir() else [path])]
    lost = [file for file in files if file.name.lower().endswith((".tif", ".tiff")) and _has_place(file)]
    if not lost:
        return ()
    which = f"{lost[0]} has" if len(lost) == 1 else f"{lost[0]} and {len(lost) - 1} more have"
    return (f"{which} a place on earth, lost in a PNG. To keep it: pip install 'terrazzo[raster]'.",)


def _has_place(path: Path) -> bool:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return any(tag in getattr(image, "tag_v2", {}) for tag in PLACE_TAGS)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return False
