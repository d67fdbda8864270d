"""The command line: exit codes, sentences instead of tracebacks, and facts for programs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.config import write_yaml
from terrazzo.core.images import read_mask, write_png

RECIPE = {
    "data": {"kind": "scenes", "options": {"size": [64, 96], "count": 4}},
    "transforms": {"crop": [48, 64]},
    "model": {"kind": "unet", "options": {"num_blocks": 2}},
    "train": {"steps": 2, "batch_size": 2, "workers": 0, "validations": 1},
}


def terrazzo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "terrazzo", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and a finished run."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.yaml").write_text(write_yaml(RECIPE))
    done = terrazzo("train", "tiny.yaml", "--out", "run", "--json", "train.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_train__says_where_the_model_is_and_writes_json(run: Path) -> None:
    facts = json.loads((run / "train.json").read_text())
    assert facts["finished"] is True
    assert facts["steps"] == 2
    assert (run / facts["model"] / "model.safetensors").exists()


def test_evaluate__agrees_with_the_validation_of_training(run: Path) -> None:
    (run / "scenes.yaml").write_text(write_yaml({"kind": "scenes", "size": [64, 96], "count": 4}))
    done = terrazzo(
        "evaluate", "run/best", "scenes.yaml", "--split", "val", "--json", "s.json", "--report", "r.html",
        cwd=run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = json.loads((run / "s.json").read_text())
    assert scores["miou"] == json.loads((run / "train.json").read_text())["miou"]
    assert {"miou_interval", "pixel_accuracy", "macro_f1", "per_class", "images", "protocol"} <= scores.keys()
    assert {"name", "iou", "f1", "precision", "recall", "pixels"} <= scores["per_class"][0].keys()
    assert "mIoU" in done.stdout
    assert (run / "r.html").exists()


def test_predict__writes_a_mask_and_overlay_for_every_image(run: Path) -> None:
    (run / "photos").mkdir(exist_ok=True)
    for name, size in (("a", (40, 70)), ("b", (97, 131))):
        write_png(run / "photos" / f"{name}.png", np.zeros((*size, 3), dtype=np.uint8))
    done = terrazzo(
        "predict", "run/best", "photos", "--out", "masks", "--overlay", "--json", "p.json", cwd=run
    )
    assert done.returncode == 0, done.stderr
    assert read_mask(run / "masks" / "b.png").shape == (97, 131)
    assert (run / "masks" / "a_overlay.png").exists()
    assert len(json.loads((run / "p.json").read_text())) == 2


def test_find_lr__suggests_and_writes_a_page_and_nothing_else(run: Path) -> None:
    before = sorted(path.name for path in run.iterdir())
    done = terrazzo(
        "find-lr", "tiny.yaml", "--steps", "20", "--lowest", "1e-5", "--highest", "0.1",
        "--out", "lr.html", "--json", "lr.json", cwd=run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads((run / "lr.json").read_text())
    assert len(facts["rates"]) == len(facts["losses"]) == len(facts["smoothed"])
    assert ("Suggested: optimizer.lr=" in done.stdout) is (facts["suggestion"] is not None)
    assert sorted(path.name for path in run.iterdir()) == sorted([*before, "lr.html", "lr.json"])


def test_models__lists_all_and_shows_one(run: Path) -> None:
    done = terrazzo("models", "--json", "models.json", cwd=run)
    assert done.returncode == 0, done.stderr
    assert {"fpn", "unet", "unet-timm"} <= {m["name"] for m in json.loads((run / "models.json").read_text())}
    one = terrazzo("models", "unet", "--size", "64x96", "--json", "unet.json", cwd=run)
    assert one.returncode == 0, one.stderr
    facts = json.loads((run / "unet.json").read_text())
    assert f"{facts['parameters']:,} parameters" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("train", "tiny.yaml", "--out", "run"), 2, "already holds a run. Add --resume"),
        (("train", "none.yaml"), 2, "none.yaml: no such file"),
        (("train", "tiny.yaml", "train.stpes=3", "--out", "x"), 2, "did you mean 'steps'?"),
        (("train", "tiny.yaml", "model.kind=unte", "--out", "x"), 2, "did you mean 'unet'?"),
        (("train", "tiny.yaml", "data.kind=scene", "--out", "x"), 2, "did you mean 'scenes'?"),
        (("train", "tiny.yaml", "transforms.preset=lite", "--out", "x"), 2, "did you mean 'light'?"),
        (("train", "tiny.yaml", "--steps", "3", "--minutes", "1"), 2, "A run has one budget"),
        (("train", "tiny.yaml", "--minutes", "-1"), 2, "a budget must be above 0"),
        (("evaluate", "nowhere", "scenes"), 1, "nowhere"),
        (("evaluate", "run", "scenes"), 1, "best"),
        (("predict", "run/best", "no_photos"), 1, "no_photos"),
        (("models", "resnet"), 2, "Unknown model 'resnet'"),
        (("models", "unet", "--size", "64"), 2, "expected HEIGHTxWIDTH"),
    ],
)  # fmt: skip
def test_mistakes__end_in_one_sentence_and_an_exit_code(
    run: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = terrazzo(*arguments, cwd=run)
    assert sentence in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_train__ctrl_c_leaves_a_model_and_says_how_to_go_on(run: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "terrazzo", "train", "tiny.yaml", "--minutes", "5", "--out", "stopped"],
        cwd=run,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = run / "stopped" / "log.csv"
    while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 1):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "stopped early; go on with --resume" in out
    assert (run / "stopped" / "best" / "model.safetensors").exists()


def test_debug__shows_the_traceback_after_any_verb(run: Path) -> None:
    done = terrazzo("train", "none.yaml", "--debug", cwd=run)
    assert "Traceback" in done.stderr
    assert "no such file" in done.stderr


def test_usage__a_missing_argument_is_the_requests_fault(run: Path) -> None:
    assert terrazzo("train", cwd=run).returncode == 2


def test_completion__is_there_for_shells(run: Path) -> None:
    assert "--install-completion" in terrazzo("--help", cwd=run).stdout
