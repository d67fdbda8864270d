"""The commands of README and docs run: every `terrazzo` line, on small made-up data of the same layout."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.images import write_png
from tests.predict.points.made_street import LABELS, make_street, write_frame

PAGES = [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
SMALL = {
    "--minutes 10": "--steps 2 train.batch_size=2 transforms.crop=[64,64] train.stages=[]",
    "terrazzo demo": "terrazzo demo --minutes 0.05",
    "--steps 100": "--steps 2 train.batch_size=2 transforms.crop=[64,64]",
    "--trials 21": "--trials 1",
}
"""What makes a command quick; everything else runs as it is written."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    lines = [line.strip() for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line.partition("  #")[0] for line in lines if line.startswith("terrazzo ")]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: the recipes, a CamVid (made up, same layout) and some photos."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree("recipes", folder / "recipes")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for i in range(10):
            image = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
            mask = rng.integers(0, 12, (96, 128), dtype=np.uint8)
            for kind, pixels in (("images", image), ("masks", mask)):
                place = folder / "data" / "camvid" / split / kind
                place.mkdir(parents=True, exist_ok=True)
                write_png(place / f"0001TP_{i:05}.png", pixels)
    shutil.copytree(folder / "data" / "camvid" / "train", folder / "mine")
    classes = [{"name": f"class {i}", "color": [i, 0, 0]} for i in range(11)]
    mine = json.dumps({"classes": classes, "void_ids": [11]})
    (folder / "mine" / "classes.json").write_text(mine)
    shutil.copytree(folder / "data" / "camvid" / "val" / "images", folder / "photos")
    shutil.copy(folder / "photos" / "0001TP_00000.png", folder / "street.png")
    write_frame(folder / "data" / "kitti", "000000", make_street(rng, step=0.8))
    (folder / "data" / "kitti" / "classes.json").write_text(json.dumps(LABELS.to_json()))
    return folder


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_docs__every_command_runs(page: Path, workshop: Path) -> None:
    for command in commands(page):
        quick = command
        for words, small in SMALL.items():
            quick = quick.replace(words, small)
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(quick)],
            cwd=workshop,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_docs__every_python_block_runs(page: Path, workshop: Path) -> None:
    for block in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=workshop, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_docs__links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_docs__the_readme_has_commands_and_python() -> None:
    assert len(commands(Path("README.md"))) >= 5
    assert blocks(Path("README.md"), "python")
