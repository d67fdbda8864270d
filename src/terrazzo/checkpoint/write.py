"""The one writer: a folder appears whole and checked, or not at all.

Everything goes into a temporary folder beside the target: each file is fsynced, the manifest comes last, then
a rename puts the folder in place. A folder that is replaced is first renamed aside, because no portable call
swaps two folders; `find_folder` reads the one set aside if a crash falls between the two renames.

One process writes a folder at a time (rank 0 of a distributed run).
"""

import contextlib
import errno
import math
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from terrazzo.checkpoint.manifest import MANIFEST, Environment, Manifest, current_environment, file_facts
from terrazzo.checkpoint.verify import beside, read_manifest
from terrazzo.core.errors import CheckpointError

FileContent = bytes | Callable[[Path], None]
"""The content of a file, or a function that writes it to the path it is given."""

DISK_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNITS: Final = ("kB", "MB", "GB", "TB")
MARGIN_BYTES: Final = 64 * 1024
"""What the manifest, folder entries and rounding up to disk blocks may take beyond the files themselves."""


def write_folder(
    path: Path | str,
    files: Mapping[str, FileContent],
    *,
    expected_bytes: int = 0,
    environment: Environment | None = None,
) -> Path:
    """Write a folder atomically, replacing the one that is there.

    Killed at any instant, either the former folder or the new one can be read (through `find_folder`); after
    an error the former one is in place and nothing half-written is left.

    Args:
        path: the folder; its parents are made. A folder that is there must be one of ours.
        files: name -> content; plain file names without folders.
        expected_bytes: about how much the functions in `files` will write, for the check of free space.
        environment: what computed the content; by default this process.

    Returns:
        The folder.

    Raises:
        CheckpointError: not enough disk, a folder that cannot be written, or a folder in the way that is not
            ours.
    """
    path = Path(os.path.realpath(path))
    needed = max(expected_bytes, sum(len(c) for c in files.values() if isinstance(c, bytes)))
    _refuse_bad_names(path, files)
    try:
        _prepare(path, needed)
        temporary = _fill(path, files, environment or current_environment())
        _put_in_place(temporary, path)
    except OSError as error:
        raise _cannot_write(path, needed, error) from error
    return path


def remove_folder(path: Path) -> None:
    """Delete a folder of ours so that a crash never leaves half of one under its name."""
    for version in [path, *beside(path, "old")]:
        if version.exists():  # not "old": what is deleted on purpose is never read again
            version.rename(_new_name(path, "gone"))
    clean_leftovers(path)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; a renamed file survives a power cut only after this."""
    if os.name == "nt":  # Windows cannot open a folder, and its renames are journaled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_leftovers(path: Path) -> None:
    """Remove what crashed writers of this folder left beside it, but never the only readable version."""
    for unfinished in beside(path, "new"):
        shutil.rmtree(unfinished)
    for gone in beside(path, "gone"):
        _remove_written(gone, path)
    if path.exists():
        for aside in beside(path, "old"):
            _remove_written(aside, path)


def _refuse_bad_names(path: Path, files: Mapping[str, FileContent]) -> None:
    for name in files:
        if name == MANIFEST or Path(name).name != name:
            raise ValueError(
                f"Cannot write {name!r} into {path}: expected a plain file name, not {MANIFEST!r}."
            )


def _prepare(path: Path, needed: int) -> None:
    """Make room: parents, no leftovers, nothing foreign in the way, enough space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clean_leftovers(path)
    _refuse_foreign(path)
    if shutil.disk_usage(path.parent).free < needed + MARGIN_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _refuse_foreign(path: Path) -> None:
    """Never replace a folder that we did not write: it may hold someone's only copy of something."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
    elif path.exists() and not (path / MANIFEST).is_file():
        raise CheckpointError(
            f"{path} is in the way: it holds something else than a Terrazzo folder, and would be lost. "
            "Move it, or choose another folder."
        )


def _fill(path: Path, files: Mapping[str, FileContent], environment: Environment) -> Path:
    """Write everything into a temporary folder beside `path`, the manifest last, and make it durable."""
    temporary = _new_name(path, "new")
    temporary.mkdir()
    try:
        for name, content in files.items():
            _write_file(temporary / name, content)
        facts = {name: file_facts(temporary / name) for name in files}
        _write_file(temporary / MANIFEST, Manifest(facts, environment).to_bytes())
        sync_folder(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return temporary


def _write_file(path: Path, content: FileContent) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename the new folder in; the former one is set aside for that instant and then deleted."""
    aside = _new_name(path, "old") if path.exists() else None
    try:
        if aside:
            path.rename(aside)
        temporary.rename(path)
    except BaseException:
        if aside and aside.exists() and not path.exists():
            aside.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)
    clean_leftovers(path)


def _remove_written(aside: Path, path: Path) -> None:
    """Delete what a manifest lists, the manifest last; what a person added is kept where it is seen."""
    try:
        listed = list(read_manifest(aside).files)
    except CheckpointError:
        listed = []
    for name in [*listed, MANIFEST]:
        (aside / name).unlink(missing_ok=True)
    try:
        aside.rmdir()
    except OSError:
        aside.rename(path.parent / f"{path.name}-leftover-{secrets.token_hex(4)}")


def _new_name(path: Path, kind: str) -> Path:
    return path.parent / f".{path.name}.{kind}-{secrets.token_hex(4)}"


def _cannot_write(path: Path, needed: int, error: OSError) -> CheckpointError:
    kept = f"The former {path.name} is unchanged." if path.exists() else "Nothing half-written was left."
    if error.errno in DISK_FULL:
        return CheckpointError(
            f"Not enough disk space for the folder {path}: it needs about {_size(needed)}, "
            f"{_size(_free(path))} are free. {kept} Free some space or choose another folder."
        )
    file = next((place for place in path.parents if place.is_file()), None)
    reason = f"{file} is a file, not a folder" if file else error.strerror or str(error)
    return CheckpointError(
        f"The folder {path} cannot be written: {reason}. {kept} It needs about "
        f"{_size(needed)}, {_size(_free(path))} are free. Check that the folder above it is one that "
        "you may write to, or choose another."
    )


def _free(path: Path) -> int:
    """Return the free bytes where the folder would go, or 0 where that place cannot even be looked at."""
    for place in path.parents:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def _size(count: int) -> str:
    """Write a number of bytes for people: 999 bytes, 1.5 MB."""
    if count < 1000:
        return f"{count} bytes"
    power = min(int(math.log10(count)) // 3, len(UNITS))
    return f"{count / 1000**power:.1f} {UNITS[power - 1]}"
