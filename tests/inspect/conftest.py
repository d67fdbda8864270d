"""A clean copy of the scenes dataset, written to a folder, for every test to spoil in its own way."""

import json
import shutil
from pathlib import Path

import pytest

from terrazzo.core.images import write_png
from terrazzo.datasets.scenes import LABELS, Scenes

SIZE = (64, 96)
COUNTS = {"train": 14, "val": 7}
SEED = 3
"""A world whose classes all occur in both splits."""


@pytest.fixture(scope="session")
def clean_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes as {train,val}/{images,masks} and classes.json. Not to be changed."""
    root = tmp_path_factory.mktemp("clean") / "scenes"
    for split, count in COUNTS.items():
        for side in ("images", "masks"):
            (root / split / side).mkdir(parents=True)
        for i, sample in enumerate(Scenes(split, size=SIZE, count=count, seed=SEED)):
            write_png(root / split / "images" / f"{split}{i:02}.png", sample["image"])
            write_png(root / split / "masks" / f"{split}{i:02}.png", sample["mask"])
    (root / "classes.json").write_text(json.dumps(LABELS.to_json()))
    return root


@pytest.fixture
def scenes_folder(clean_scenes: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(clean_scenes, tmp_path / "scenes"))
