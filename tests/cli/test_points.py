"""`terrazzo points` from the command line: masks in place of a model, and mistakes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.cli.points import points
from terrazzo.core.errors import ConfigError, RequestError
from tests.cli.test_main import terrazzo
from tests.predict.points.made_street import LABELS, make_street, write_frame


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one frame, its mask and what the mask holds."""
    folder = tmp_path_factory.mktemp("points")
    write_frame(folder, "000000", make_street(np.random.default_rng(0), step=0.8))
    (folder / "classes.json").write_text(json.dumps(LABELS.to_json()))
    return folder


def files(root: Path) -> dict[str, Any]:
    return {
        "image": root / "image_2" / "000000.png",
        "velodyne": root / "velodyne" / "000000.bin",
        "calib": root / "calib" / "000000.txt",
    }


def test_points__writes_scans_pictures_and_json(root: Path, tmp_path: Path) -> None:
    arguments = [part for name, path in files(root).items() for part in (f"--{name}", str(path))]
    done = terrazzo(
        "points", *arguments, "--mask", str(root / "masks" / "000000.png"), "--cluster", "Car, Pedestrian",
        "--formats", "ply,csv", "--out", "out", "--json", "p.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "in the image" in done.stdout
    (facts,) = json.loads((tmp_path / "p.json").read_text())
    assert {Path(path).name for path in facts["files"]} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert len(facts["clusters"]) >= 10


def test_points__a_calibration_without_a_matrix_is_one_sentence(root: Path, tmp_path: Path) -> None:
    given = files(root)
    text = given["calib"].read_text().replace("R0_rect", "R_rect")
    (tmp_path / "c.txt").write_text(text)
    given["calib"] = tmp_path / "c.txt"
    arguments = [part for name, path in given.items() for part in (f"--{name}", str(path))]
    done = terrazzo("points", *arguments, "--mask", str(root / "masks"), cwd=tmp_path)
    assert done.returncode == 1
    assert "c.txt: no R0_rect; there is P2, R_rect, Tr_velo_to_cam." in done.stderr
    assert done.stderr.count("\n") == 1


def test_points__classes_come_from_one_place(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="neither was given"):
        points(**files(root))
    with pytest.raises(RequestError, match="both were given"):
        points(**files(root), model=tmp_path, mask=root / "masks")
    with pytest.raises(RequestError, match="a model knows its own"):
        points(**files(root), model=tmp_path, classes=root / "classes.json")


def test_points__a_mask_without_classes_says_what_to_write(root: Path, tmp_path: Path) -> None:
    mask = tmp_path / "inner" / "masks" / "000000.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes((root / "masks" / "000000.png").read_bytes())
    with pytest.raises(ConfigError, match=r"classes\.json"):
        points(**files(root), mask=mask, out=tmp_path / "out")
