"""The recipes that come with the project: all of them parse, and those that were never run take steps."""

from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.images import write_png
from terrazzo.losses.config import build_loss
from terrazzo.train import read_recipe, train
from terrazzo.train.journal import read_log

RECIPES = sorted(Path("recipes").glob("**/*.yaml"))
HEADER = ("Paper", "Command", "Hardware", "Score")


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """A CamVid of noise, in the layout of the real one."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for i in range(4):
            for kind, pixels in (
                ("images", rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)),
                ("masks", rng.integers(0, 12, (96, 128), dtype=np.uint8)),
            ):
                place = tmp_path / "camvid" / split / kind
                place.mkdir(parents=True, exist_ok=True)
                write_png(place / f"0001TP_{i:05}.png", pixels)
    return tmp_path / "camvid"


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_recipes__parse_and_say_what_they_are(path: Path) -> None:
    recipe = read_recipe(path)
    assert build_loss(recipe.loss.parts).parts
    header = "".join(line for line in path.read_text().splitlines(True) if line.startswith("#"))
    assert [word for word in HEADER if f"# {word}:" not in header] == []


def test_gpu_recipe__takes_a_step_of_each_kind_on_a_cpu(camvid: Path, tmp_path: Path) -> None:
    small = [
        f"data.root={camvid}",
        "train.device=cpu",
        "train.workers=0",
        "train.log_every=1",
        "train.validations=1",
        "train.batch_size=2",
        "train.stages=[{until: 0.5, crop: [48, 64], batch_size: 3}, {until: 1.0, crop: [64, 96]}]",
    ]
    recipe = read_recipe("recipes/camvid/gpu.yaml", small, budget=("steps", 2))
    assert recipe.train.precision == "bf16"
    result = train(recipe, tmp_path / "run")
    assert result.steps == 2
    assert np.isfinite(result.evaluation.scores.miou)
    rows = read_log(tmp_path / "run" / "log.csv")
    losses = [row for row in rows if row.get("loss/dice")]
    assert len(losses) == 2
