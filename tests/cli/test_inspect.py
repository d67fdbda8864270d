"""`terrazzo inspect` on the command line: exit codes, files, and what is printed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inspect.conftest import clean_scenes, scenes_folder
from tests.inspect.faults import FAULTS

__all__ = ["clean_scenes", "scenes_folder"]


def terrazzo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "terrazzo", "inspect", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_inspect__clean_data(scenes_folder: Path, tmp_path: Path) -> None:
    done = terrazzo("scenes", "--out", "page", "--json", "facts.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 errors, 0 warnings, 0 notes." in done.stdout
    assert (tmp_path / "page" / "inspect.html").is_file()
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["images"], facts["findings"], len(facts["classes"])) == (384, [], 9)


def test_inspect__an_error_is_exit_code_1_and_is_repaired(scenes_folder: Path, tmp_path: Path) -> None:
    FAULTS["ids-off-by-one"](scenes_folder)
    done = terrazzo(str(scenes_folder), "--fix", "mended", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "error ids-off-by-one" in done.stdout
    assert "(--fix repairs it)" in done.stdout
    assert "terrazzo inspect mended/dataset.yaml" in done.stdout
    assert (tmp_path / "runs" / "inspect-scenes" / "inspect.html").is_file()
    again = terrazzo("mended/dataset.yaml", "--split", "val", cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "7 images with masks" in again.stdout


def test_inspect__nothing_to_repair(scenes_folder: Path, tmp_path: Path) -> None:
    done = terrazzo(str(scenes_folder), "--fix", "mended", cwd=tmp_path)
    assert done.returncode == 0
    assert "--fix wrote nothing" in done.stdout
    assert not (tmp_path / "mended").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "No data at 'nowhere'"),
        (["scenes", "--split", "vall"], "Unknown split 'vall': did you mean 'val'?"),
        (["heap", "--split", "val"], "is not divided into splits, so there is no 'val' to inspect"),
        (["two", "--split", "test"], "The split 'test' of two has no pair; found: train, val."),
    ],
)
def test_inspect__a_wrong_request_is_one_sentence(
    arguments: list[str], sentence: str, scenes_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(scenes_folder / "train", tmp_path / "heap")
    shutil.copytree(scenes_folder, tmp_path / "two")
    done = terrazzo(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
