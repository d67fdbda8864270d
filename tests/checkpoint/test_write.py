"""Atomic folders: whole or not at all, and errors that say what to do."""

import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from terrazzo.checkpoint.verify import find_folder, read_files, verify_folder
from terrazzo.checkpoint.write import write_folder
from terrazzo.core.errors import CheckpointError


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != "manifest.json"}


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let the operating system refuse files beyond `size` bytes: a real failed write, at a real place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_write_folder__files_and_manifest(tmp_path: Path) -> None:
    def save(path: Path) -> None:
        path.write_text("made by a function")

    folder = write_folder(tmp_path / "runs" / "best", {"a.txt": b"abc", "b.txt": save})

    assert content(folder) == {"a.txt": b"abc", "b.txt": b"made by a function"}
    # the digest of "abc" is the first example of FIPS 180-2, appendix B.1
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"]["a.txt"] == {
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert {"torch", "device", "threads", "world_size", "terrazzo"} <= manifest.keys()
    assert [p.name for p in folder.parent.iterdir()] == ["best"]


def test_write_folder__replaces_all_of_the_former(tmp_path: Path) -> None:
    write_folder(tmp_path / "best", {"old.txt": b"old", "both.txt": b"1"})
    folder = write_folder(tmp_path / "best", {"both.txt": b"2"})
    assert content(folder) == {"both.txt": b"2"}
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_write_folder__readable_for_others_as_any_new_folder_is(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert write_folder(tmp_path / "best", {"a": b""}).stat().st_mode == plain.stat().st_mode


def test_write_folder__files_a_person_added_are_not_deleted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"1"})
    (folder / "notes.txt").write_text("mine")
    write_folder(folder, {"a": b"2"})
    (kept,) = tmp_path.glob("best-leftover-*")
    assert (kept / "notes.txt").read_text() == "mine"
    assert content(folder) == {"a": b"2"}


@pytest.mark.parametrize("is_file", [True, False])
def test_write_folder__foreign_things_in_the_way_stay(tmp_path: Path, is_file: bool) -> None:
    photos = tmp_path / "photos"
    if is_file:
        photos.write_text("precious")
    else:
        photos.mkdir()
        (photos / "a.jpg").write_text("precious")
    with pytest.raises(CheckpointError, match=r"photos is in the way: .*would be lost\. Move it, or choose"):
        write_folder(photos, {"a": b"1"})
    assert (photos if is_file else photos / "a.jpg").read_text() == "precious"


def test_write_folder__an_empty_folder_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    assert content(write_folder(tmp_path / "best", {"a": b"1"})) == {"a": b"1"}


def test_write_folder__a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    write_folder(tmp_path / "disk2" / "best", {"a": b"1"})
    (tmp_path / "best").symlink_to(tmp_path / "disk2" / "best")
    write_folder(tmp_path / "best", {"a": b"2"})
    assert (tmp_path / "best").is_symlink()
    assert content(tmp_path / "disk2" / "best") == {"a": b"2"}


@pytest.mark.parametrize("name", ["../a", "sub/a", "manifest.json"])
def test_write_folder__plain_names_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected a plain file name"):
        write_folder(tmp_path / "best", {name: b""})


def test_write_folder__not_enough_disk_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    folder = write_folder(tmp_path / "best", {"a": b"old"})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=1_500_000))
    with pytest.raises(CheckpointError) as caught:
        write_folder(folder, {"a": b"new"}, expected_bytes=2_345_678)
    assert str(caught.value) == (
        f"Not enough disk space for the folder {folder}: it needs about 2.3 MB, 1.5 MB are free. "
        "The former best is unchanged. Free some space or choose another folder."
    )
    assert content(folder) == {"a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_write_folder__disk_full_in_the_middle(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"old"})
    with (
        at_most(100_000),
        pytest.raises(CheckpointError, match=r"Not enough disk .* needs about 300\.0 kB, .* free"),
    ):
        write_folder(folder, {"first": b"x", "large": bytes(300_000)})
    verify_folder(folder)
    assert content(folder) == {"a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["best"], "nothing half-written may stay"


def test_write_folder__disk_full_on_the_first_write(tmp_path: Path) -> None:
    with at_most(100_000), pytest.raises(CheckpointError, match="Nothing half-written was left"):
        write_folder(tmp_path / "best", {"large": bytes(300_000)})
    assert not list(tmp_path.iterdir())


def test_write_folder__parent_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(CheckpointError) as caught:
        write_folder(tmp_path / "runs" / "demo" / "best", {"a": bytes(5000)})
    assert f"cannot be written: {tmp_path / 'runs'} is a file, not a folder." in str(caught.value)
    assert "It needs about 5.0 kB" in str(caught.value)
    assert "choose another" in str(caught.value)


def test_write_folder__no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"old"})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        CheckpointError, match=r"best cannot be written: Permission denied\. The former best is unch"
    ):
        write_folder(folder, {"a": b"new"})
    assert content(folder) == {"a": b"old"}


@pytest.mark.parametrize("failing", ["to the side", "into place"])
def test_write_folder__a_failed_rename_puts_the_former_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"old"})
    rename, part = Path.rename, {"to the side": ".old-", "into place": "best"}[failing]

    def fail_once(self: Path, target: Path) -> Path:
        if (part in target.name) if failing == "to the side" else (".new-" in self.name):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(CheckpointError, match="Input/output error"):
        write_folder(folder, {"a": b"new"})
    assert content(folder) == {"a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_write_folder__everything_is_made_durable_before_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(descriptor: int) -> None:
        events.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        events.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    write_folder(tmp_path / "best", {"a": b"1", "b": b"2"})
    new = events[3].removeprefix("fsync ")
    assert new.startswith(".best.new-")
    assert events == [
        "fsync a",
        "fsync b",
        "fsync manifest.json",
        f"fsync {new}",
        "rename",
        f"fsync {tmp_path.name}",
    ]


def test_find_folder__reads_the_one_set_aside(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"old"})
    folder.rename(tmp_path / ".best.old-0badc0de")
    assert read_files(folder, ("a",))[0] == {"a": b"old"}
    write_folder(folder, {"a": b"new"})
    assert find_folder(folder) == folder
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_find_folder__passes_over_a_half_deleted_one(tmp_path: Path) -> None:
    for number, name in enumerate((".best.old-00000001", ".best.old-00000002")):
        write_folder(tmp_path / "elsewhere", {"a": b"%d" % number}).rename(tmp_path / name)
    (tmp_path / ".best.old-00000001" / "a").unlink()
    assert read_files(tmp_path / "best", ("a",))[0] == {"a": b"1"}


def test_read_files__replaced_while_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "best", {"a": b"old", "b": b"old"})
    read = Path.read_bytes
    done: list[bool] = []

    def replace_in_between(self: Path) -> bytes:
        if self.name == "b" and not done:
            done.append(True)
            write_folder(folder, {"a": b"new", "b": b"new"})
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", replace_in_between)
    assert read_files(folder, ("a", "b"))[0] == {"a": b"new", "b": b"new"}
