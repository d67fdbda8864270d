"""Reading a folder back: find it, and say exactly what is wrong with it. Nothing here writes or repairs."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from terrazzo.checkpoint.manifest import ASK_AGAIN, MANIFEST, FileFacts, Manifest, facts_of, file_facts
from terrazzo.core.errors import CheckpointError, closest

PATIENCE: Final = 3
"""How often a reader looks again when a writer is replacing the folder at this very moment."""


def find_folder(path: Path | str) -> Path:
    """Return where the content of a folder is right now.

    A writer that replaces a folder moves the old one aside, then the new one in. A reader that comes between
    the two, or after a crash between them, finds the one set aside.

    Args:
        path: the folder as a person names it.

    Raises:
        CheckpointError: there is no such folder.
    """
    path = Path(path)
    for _ in range(PATIENCE):
        if path.exists():
            return path
        for aside in beside(path, "old"):
            if is_whole(aside):
                return aside
    raise CheckpointError(_nothing_there(path))


def beside(path: Path, kind: str) -> list[Path]:
    """Return what a crashed writer left: folders `new` (unfinished), `old` (set aside), `gone` (deleted)."""
    return sorted(path.parent.glob(f".{_literal(path.name)}.{kind}-*"))


def is_whole(path: Path) -> bool:
    """Tell whether every file of a folder is as its manifest says."""
    try:
        verify_folder(path)
    except CheckpointError:
        return False
    return True


def read_manifest(path: Path | str) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        CheckpointError: there is no such folder, or it is foreign, unfinished, damaged or too new.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(_nothing_there(path))
    if not path.is_dir():
        raise CheckpointError(
            f"{path} is a file; expected a folder made by `terrazzo train` or `save_model`."
        )
    if not (path / MANIFEST).exists():
        raise CheckpointError(_not_ours(path))
    with _plain_errors(path / MANIFEST):
        content = (path / MANIFEST).read_bytes()
    return Manifest.from_bytes(content, source=str(path / MANIFEST))


def verify_folder(path: Path | str, *, only: Collection[str] | None = None) -> Manifest:
    """Check that every file has the size and the SHA-256 that the manifest says.

    Args:
        path: a folder that `write_folder` wrote.
        only: names to check; None checks them all. Each must be in the manifest.

    Returns:
        The manifest.

    Raises:
        CheckpointError: the folder is foreign, or a file is missing, cut short, too long or damaged; the
            message names the file.
    """
    path = Path(path)
    manifest = read_manifest(path)
    for name in sorted(manifest.files if only is None else only):
        expected = _expected(manifest, path, name)
        with _plain_errors(path / name):
            found = file_facts(path / name)
        _compare(path / name, found, expected)
    return manifest


def read_files(path: Path | str, names: Collection[str]) -> tuple[dict[str, bytes], Manifest]:
    """Read files of a folder and check the very bytes that are returned.

    A folder that is replaced while it is being read is read again, so a reader beside a training run gets the
    former files or the new ones, never a mixture.

    Args:
        path: a folder that `write_folder` wrote.
        names: the files to read.

    Raises:
        CheckpointError: as `find_folder` and `verify_folder`.
    """
    for _ in range(PATIENCE):
        folder = find_folder(path)
        identity = folder.stat().st_ino
        try:
            return _read_checked(folder, names)
        except CheckpointError:
            if Path(path).exists() and Path(path).stat().st_ino == identity:
                raise
    return _read_checked(find_folder(path), names)


def _read_checked(folder: Path, names: Collection[str]) -> tuple[dict[str, bytes], Manifest]:
    manifest = read_manifest(folder)
    contents = {}
    for name in names:
        expected = _expected(manifest, folder, name)
        with _plain_errors(folder / name):
            contents[name] = (folder / name).read_bytes()
        _compare(folder / name, facts_of(contents[name]), expected)
    return contents, manifest


def _expected(manifest: Manifest, folder: Path, name: str) -> FileFacts:
    if name not in manifest.files:
        raise CheckpointError(
            f"{folder} holds no {name} (it holds {', '.join(sorted(manifest.files))}): "
            "it is a Terrazzo folder of another kind."
        )
    return manifest.files[name]


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Say in a sentence what the operating system said in a number."""
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing, but the manifest lists it. {ASK_AGAIN}") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}. Check that it is yours to read."
        ) from error


def _compare(path: Path, found: FileFacts, expected: FileFacts) -> None:
    if found.bytes != expected.bytes:
        state = "truncated" if found.bytes < expected.bytes else "longer than it was written"
        raise CheckpointError(
            f"{path} is {state}: {found.bytes} bytes, expected {expected.bytes}. {ASK_AGAIN}"
        )
    if found.sha256 != expected.sha256:
        raise CheckpointError(
            f"{path} is damaged: it has the right size, but its content has changed (SHA-256 "
            f"{found.sha256[:12]}..., expected {expected.sha256[:12]}...); one flipped bit is enough. "
            f"{ASK_AGAIN}"
        )


def _nothing_there(path: Path) -> str:
    beside = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
    match = closest(path.name, [name for name in beside if not name.startswith(".")])
    hint = f" Did you mean {path.parent / match}?" if match else ""
    return f"There is no folder {path}.{hint}"


def _not_ours(path: Path) -> str:
    names = sorted(p.name for p in path.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (
        f"{path} is not a Terrazzo folder: it has no {MANIFEST} (it holds {shown or 'nothing'}). "
        "Expected a folder made by `terrazzo train` or `save_model`."
    )


def _literal(name: str) -> str:
    """Escape what glob would take for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
