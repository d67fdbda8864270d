"""`terrazzo datasets`: the list, one of them, what lies in a folder, and downloads."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from terrazzo.core import RequestError
from terrazzo.datasets import DATASETS, camvid, listing
from tests.datasets.conftest import save_pairs


def terrazzo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "terrazzo", "datasets", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "TERRAZZO_CACHE": str(cwd / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def half_a_camvid(tmp_path: Path) -> Path:
    root = tmp_path / "CamVid"
    save_pairs(root / "train" / "images", root / "train" / "masks", ["0001TP_1", "0001TP_2"])
    return root


def test_datasets__lists_every_kind_and_the_cache(tmp_path: Path) -> None:
    done = terrazzo("--json", "d.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "d.json").read_text())
    assert [kind["name"] for kind in facts["kinds"]] == sorted(DATASETS)
    assert all(kind["summary"] and kind["name"] in done.stdout for kind in facts["kinds"])
    assert facts["cache"] == {"folder": str(tmp_path / "cache" / "samples"), "samples": 0, "bytes": 0}
    assert "Cache (cache: disk): 0 samples, 0 bytes, in" in done.stdout


def test_datasets__one_says_where_to_get_it(tmp_path: Path) -> None:
    done = terrazzo("camvid", "--json", "d.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "d.json").read_text())
    for text in (
        facts["homepage"],
        facts["licence"],
        facts["citation"],
        "train 367, val 101",
        facts["layout"][0],
    ):
        assert text in done.stdout
    assert (facts["downloads"], facts["found"]) == (False, [])
    assert "Check yours: terrazzo datasets camvid --root DIR" in done.stdout


def test_datasets__checks_what_lies_in_a_folder(tmp_path: Path, half_a_camvid: Path) -> None:
    done = terrazzo("camvid", "--root", str(half_a_camvid), "--json", "d.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {split["split"]: split for split in json.loads((tmp_path / "d.json").read_text())["found"]}
    assert found["train"] == {
        "split": "train", "images": 2, "published": 367, "complete": False, "note": "367 were published",
    }  # fmt: skip
    assert found["val"]["images"] is None
    assert "train     2 images  (367 were published)" in done.stdout
    assert "val       not there  (The split 'val' of" in done.stdout


def test_datasets__a_folder_of_something_else_ends_in_one_sentence_and_one(tmp_path: Path) -> None:
    done = terrazzo("camvid", "--root", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("no CamVid here") == 1
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("camvd",), "Unknown dataset kind 'camvd': did you mean 'camvid'"),
        (("--root", "x"), "--root and --download are about one dataset: give its NAME as well."),
        (("camvid", "--download"), "--download needs a place: add --root DIR."),
        (("camvid", "--download", "--root", "x"), "cannot be fetched by a program: get it at http://mi.eng"),
        (("folder", "--download", "--root", "x"), "'folder' is made of your own data; there is nothing to"),
        (("scenes", "--root", "x"), "The dataset 'scenes' has no folder; leave --root out."),
    ],
)
def test_datasets__wrong_requests(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = terrazzo(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_datasets__kinds_of_ones_own_data_are_told_by_their_file(tmp_path: Path) -> None:
    assert "Files: images/a.jpg and masks/a.png" in terrazzo("folder", cwd=tmp_path).stdout
    done = terrazzo("scenes", cwd=tmp_path)
    assert "train     256 images" in done.stdout
    assert terrazzo("concat", cwd=tmp_path).returncode == 0


def test_download__calls_what_the_dataset_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []
    monkeypatch.setattr(camvid, "ABOUT", replace(camvid.ABOUT, download=fetched.append))
    listing.download("camvid", tmp_path)
    assert fetched == [tmp_path]
    assert listing.describe_kind("camvid").to_json()["downloads"] is True


def test_check_folder__needs_the_folder() -> None:
    with pytest.raises(RequestError, match="Checking 'camvid' needs the folder it lies in: add --root DIR"):
        listing.check_folder("camvid", None)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_describe_kind__every_kind_says_what_it_is(name: str) -> None:
    kind = listing.describe_kind(name)
    assert kind.summary
    assert kind.name == DATASETS[name].kind  # type: ignore[attr-defined]
    assert kind.about is None or kind.about.name == name
