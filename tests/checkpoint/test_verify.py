"""What is wrong with a folder is said exactly: truncated, damaged, missing, foreign, not there."""

import random
from pathlib import Path

import pytest

from terrazzo.checkpoint.manifest import Environment, Manifest, current_environment
from terrazzo.checkpoint.verify import read_files, read_manifest, verify_folder
from terrazzo.checkpoint.write import write_folder
from terrazzo.core.errors import CheckpointError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(
        tmp_path / "best", {"model.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 8}
    )


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_verify_folder__whole(folder: Path) -> None:
    assert set(verify_folder(folder).files) == {"model.json", "model.safetensors"}


def test_verify_folder__truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors is truncated: 1000 bytes, expected 2048\. Copy the"
    ):
        verify_folder(folder)


def test_verify_folder__too_long(folder: Path) -> None:
    with (folder / "model.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(
        CheckpointError, match=r"model\.json is longer than it was written: 9 bytes, expected 8"
    ):
        verify_folder(folder)


def test_verify_folder__every_kind_of_file_with_one_flipped_bit(folder: Path) -> None:
    for name in ("model.json", "model.safetensors"):
        size = 8 * (folder / name).stat().st_size
        for bit in random.Random(3).sample(range(size), 20):
            flip(folder / name, bit)
            with pytest.raises(
                CheckpointError, match=rf"{name} is damaged: .*one flipped bit is enough\. Copy the"
            ):
                verify_folder(folder)
            flip(folder / name, bit)
    verify_folder(folder)


def test_verify_folder__manifest_with_one_flipped_bit(folder: Path) -> None:
    flip(folder / "manifest.json", 999)
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        verify_folder(folder)


def test_manifest__every_single_flipped_bit_is_noticed(folder: Path) -> None:
    content = (folder / "manifest.json").read_bytes()
    unnoticed = []
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            Manifest.from_bytes(bytes(damaged), source="manifest.json")
            unnoticed.append(bit)
        except CheckpointError as error:
            assert "damaged" in str(error)  # noqa: PT017 - thousands of cases, pytest.raises is slow
    assert unnoticed == []


def test_verify_folder__missing_file(folder: Path) -> None:
    (folder / "model.json").unlink()
    with pytest.raises(CheckpointError, match=r"model\.json is missing, but the manifest lists it"):
        verify_folder(folder)


def test_verify_folder__unreadable_file(folder: Path) -> None:
    (folder / "model.json").unlink()
    (folder / "model.json").mkdir()
    with pytest.raises(CheckpointError, match=r"model\.json cannot be read: Is a directory"):
        verify_folder(folder)


def test_verify_folder__foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError) as caught:
        verify_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not a Terrazzo folder: it has no manifest.json (it holds pytorch_model.bin). "
        "Expected a folder made by `terrazzo train` or `save_model`."
    )


@pytest.mark.parametrize("text", ['{"files": {}}', "[]", "3"])
def test_verify_folder__foreign_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"manifest\.json is not a manifest that Terrazzo wrote"):
        verify_folder(tmp_path)


def test_verify_folder__newer_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terrazzo.checkpoint.manifest.VERSION", 2)
    write_folder(folder, {"a": b""})
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match=r"format version 2, written by .* reads up to version 1\. Upgrade with"
    ):
        verify_folder(folder)


def test_verify_folder__not_there(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no folder .*bset\. Did you mean .*best\?$"):
        read_files(folder.parent / "bset", ("model.json",))
    with pytest.raises(CheckpointError, match=r"There is no folder .*nowhere/best\.$"):
        verify_folder(folder.parent / "nowhere" / "best")


def test_verify_folder__a_file(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.json is a file; expected a folder"):
        verify_folder(folder / "model.json")


def test_read_files__a_folder_of_another_kind(folder: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"holds no state\.pt \(it holds model\.json, model\.safetensors\)"
    ):
        read_files(folder, ("state.pt",))


def test_read_files__damaged(folder: Path) -> None:
    flip(folder / "model.safetensors", 77)
    with pytest.raises(CheckpointError, match="damaged"):
        read_files(folder, ("model.safetensors",))
    assert read_files(folder, ("model.json",))[0] == {"model.json": b'{"a": 1}'}


def test_manifest__round_trip(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert Manifest.from_bytes(manifest.to_bytes(), source="x") == manifest
    assert manifest.environment == current_environment()


def test_environment__differences() -> None:
    before = Environment(torch="2.11.0", device="cpu (AVX2)", threads=8, world_size=1)
    assert before.differences(before) == []
    now = Environment(torch="2.15.0", device="cuda (NVIDIA H200)", threads=2, world_size=4)
    assert before.differences(now) == [
        "torch was 2.11.0, is 2.15.0",
        "device was cpu (AVX2), is cuda (NVIDIA H200)",
        "thread count was 8, is 2",
        "world size was 1, is 4",
    ]
