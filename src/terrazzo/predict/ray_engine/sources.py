"""Images wherever they lie: files, folders, tables that name them, object stores."""

import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from posixpath import basename, dirname
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

from terrazzo.core.errors import DataError, MissingExtraError
from terrazzo.core.images import IMAGE_SUFFIXES
from terrazzo.core.volume_files import VOLUME_SUFFIXES
from terrazzo.datasets.table import SUFFIXES as TABLE_SUFFIXES
from terrazzo.datasets.table import read_table
from terrazzo.predict.sources import AnyPath, find_images

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(place: AnyPath) -> bool:
    """Tell `s3://bucket/key` from a path."""
    return isinstance(place, str) and bool(_URL.match(place))


def find_sources(inputs: Iterable[AnyPath], out: Path, *, volumes: bool) -> list[str]:
    """Return the images that inputs mean, as absolute paths and URLs, none twice.

    Args:
        inputs: image files and folders; tables (.csv, .tsv, .parquet) with a column `image`, relative to the
            table; URLs of any of these.
        out: the folder of the results, which is left out of the search.
        volumes: search folders for volumes instead of images.

    Raises:
        DataError: an input is not there, or there is no image at all.
    """
    found: dict[str, None] = {}
    for given in inputs:
        name = os.fspath(given)
        if str(plain_path(name)).lower().endswith(TABLE_SUFFIXES):
            images = _named_in(name)
        elif is_url(given):
            images = _below_url(name, VOLUME_SUFFIXES if volumes else IMAGE_SUFFIXES)
        else:
            images = [str(path) for path in find_images([given], out, volumes=volumes)]
        found.update((image if is_url(image) else str(Path(image).absolute()), None) for image in images)
    return list(found)


def _named_in(table: str) -> list[str]:
    """Return the column `image` of a table; whether the files are there is for the workers to see."""
    with local_file(table) as path:
        images = [row["image"] for row in read_table(path, needed=("image",))]
    if "" in images:
        raise DataError(f"{table}: row {images.index('') + 1} names no image. Fill it in, or remove the row.")
    if is_url(table):
        return [image if is_url(image) else f"{dirname(table)}/{image}" for image in images]
    return [image if is_url(image) else str(Path(table).parent / image) for image in images]


def _below_url(url: str, suffixes: tuple[str, ...]) -> list[str]:
    """List the images below a URL; hidden ones are left alone."""
    files, place = _open_store(url)
    from pyarrow import fs

    with _told(url):
        if files.get_file_info(place).type == fs.FileType.File:
            return [url]
        entries = files.get_file_info(fs.FileSelector(place, recursive=True))
    names = sorted(
        entry.path
        for entry in entries
        if entry.type == fs.FileType.File
        and entry.path.lower().endswith(suffixes)
        and not any(part.startswith(".") for part in entry.path.removeprefix(place).split("/"))
    )
    if not names:
        raise DataError(f"No images at {url}: looked for files that end in {', '.join(sorted(suffixes))}.")
    return [_url_of(name, url) for name in names]


def _url_of(place: str, folder_url: str) -> str:
    """Return the URL of a path that was found below a folder's URL, with its options (`?region=...`)."""
    scheme, _, rest = folder_url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    if not place.startswith("/"):  # buckets are a part of the path; the key that opens them is not
        host = "".join(host.rpartition("@")[:2])
    return f"{scheme}://{host}{quote(place)}{''.join(folder_url.partition('?')[1:])}"


def plain_path(image: str) -> Path:
    """Return what the results of an image are named after."""
    return Path(unquote(image.partition("?")[0])) if is_url(image) else Path(image)


@contextmanager
def local_file(image: str) -> Iterator[Path]:
    """Give the path of an image; of a URL, that of a copy that is removed afterwards.

    Raises:
        DataError: the URL cannot be read, or what is wrong with the copy, said of the URL.
    """
    if not is_url(image):
        yield Path(image)
        return
    files, place = _open_store(image)
    with TemporaryDirectory(prefix="terrazzo-") as folder:
        copy = Path(folder) / basename(place)
        with _told(image), files.open_input_stream(place) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        try:
            yield copy
        except DataError as error:
            raise DataError(str(error).replace(str(copy), image)) from error


def version_of(image: str) -> str:
    """Return something that changes when the image does: its size and when it was written.

    Raises:
        DataError: it is not there.
    """
    if is_url(image):
        files, place = _open_store(image)
        with _told(image):
            facts = files.get_file_info(place)
        return f"{facts.size}-{facts.mtime_ns}"
    try:
        seen = Path(image).stat()
    except OSError as error:
        raise DataError(
            f"{image}: a worker on {socket.gethostname()} cannot see it ({error.strerror}). Images must lie "
            "where every worker finds them under the same path: in a shared folder, or in an object store."
        ) from error
    return f"{seen.st_size}-{seen.st_mtime_ns}"


def _open_store(url: str) -> tuple[Any, str]:
    """Return the file system behind a URL, and the path within it."""
    try:
        from pyarrow import fs
    except ImportError:
        raise MissingExtraError(
            "URLs need pyarrow, which is not installed: pip install 'terrazzo[ray]'."
        ) from None
    with _told(url):
        files, place = fs.FileSystem.from_uri(url)
    return files, place


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these
        why = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{url} cannot be read: {why} Check the address, and that this machine may read there."
        ) from error
