"""`terrazzo compare`: a verdict in words and as JSON, from models and from stored counts."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from terrazzo.cli.compare import compare, paths, print_comparison
from terrazzo.core.errors import DataError, RequestError
from terrazzo.evaluate import Evaluation, evaluate_with, load_evaluation, save_evaluation
from terrazzo.evaluate import compare as judge
from tests.evaluate.made import Made


def scored(wrong: float, seed: int) -> Evaluation:
    dataset = Made(12)
    truths, random = iter([sample["mask"] for sample in dataset]), np.random.default_rng(seed)

    def predict(image: np.ndarray) -> np.ndarray:
        truth = np.minimum(next(truths), 2)
        return np.where(random.random(truth.shape) < wrong, (truth + 1) % 3, truth).astype(np.uint8)

    return evaluate_with(predict, dataset)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Counts of two runs of a poor recipe and two of a better one."""
    for name, wrong in (("a0", 0.3), ("a1", 0.31), ("b0", 0.2), ("b1", 0.21)):
        save_evaluation(tmp_path / f"{name}.npz", scored(wrong, int(name[1])))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_compare__of_stored_counts_needs_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare("a0.npz", "b0.npz", json=folder / "c.json")
    facts = json.loads((folder / "c.json").read_text())
    assert {"a", "b", "difference", "interval", "verdict", "unit", "per_class", "protocol"} <= facts.keys()
    assert (facts["verdict"], facts["unit"]) == ("b", "image")
    assert facts["models"] == {"a": ["a0.npz"], "b": ["b0.npz"]}
    shown = " ".join(capsys.readouterr().out.split())
    assert facts["words"] in shown
    assert "p (Holm)" in shown
    assert "Note: One run of each" in shown


def test_compare__takes_several_runs_by_commas_or_a_pattern(folder: Path) -> None:
    compare("a0.npz, a1.npz", "b*.npz", json=folder / "c.json")
    facts = json.loads((folder / "c.json").read_text())
    assert facts["runs"] == {"a": 2, "b": 2}
    assert facts["models"]["b"] == ["b0.npz", "b1.npz"]


def test_paths__of_what_is_not_there(folder: Path) -> None:
    with pytest.raises(
        RequestError, match=r"Nothing matches 'x\*'; expected model folders or files of counts"
    ):
        paths("x*")
    with pytest.raises(RequestError, match=r"a0\.npz is given twice on one side; runs of one recipe differ"):
        paths("a0.npz,a*.npz")
    with pytest.raises(RequestError, match="names no model"):
        paths(" , ")
    (folder / "odd,name").mkdir()
    assert paths("odd,name") == [Path("odd,name")], "a path that exists is never taken apart"
    assert paths(f"{folder}/a*.npz") == [folder / "a0.npz", folder / "a1.npz"]


def test_compare__says_what_is_missing(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"model is a model and needs images to be scored on\. Add DATA"):
        compare("model", "b0.npz")
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        compare("none.npz", "b0.npz")
    with pytest.raises(RequestError, match=r"s\.json holds scores without the counts of each image"):
        compare("s.json", "b0.npz", "scenes")


def test_compare__refuses_unlike_protocols(folder: Path) -> None:
    other = evaluate_with(lambda image: np.zeros(image.shape[:2], np.uint8), Made(3))
    save_evaluation(folder / "few.npz", other)
    with pytest.raises(RequestError, match="do not compare: number of images 12 against 3"):
        compare("a0.npz", "few.npz")


def test_print_comparison__has_a_row_for_each_class_and_dashes_for_the_unknown(folder: Path) -> None:
    comparison = judge(load_evaluation("a0.npz"), load_evaluation("b0.npz"))
    comparison.iou.p[1] = comparison.iou.low[1] = np.nan
    console = Console(width=200, record=True, file=io.StringIO())
    print_comparison(console, comparison)
    rows = {line.split()[0]: line for line in console.export_text().splitlines() if line.strip()}
    assert rows["sky"].split()[-1] == "B"
    assert rows["road"].count("–") == 2


def test_compare__scores_models_on_data(tmp_path: Path) -> None:
    from terrazzo.checkpoint import save_model
    from terrazzo.core.config import write_yaml
    from terrazzo.datasets import kind_labels
    from terrazzo.models import build_model

    labels = kind_labels("scenes")
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = build_model("unet", num_classes=labels.num_classes, num_blocks=1)
        save_model(tmp_path / f"run{seed}", model, labels=labels)
    (tmp_path / "scenes.yaml").write_text(write_yaml({"kind": "scenes", "size": [64, 96], "count": 3}))
    a, b, data = (str(tmp_path / name) for name in ("run0", "run1", "scenes.yaml"))
    compare(a, b, data, device="cpu", json=tmp_path / "c.json")
    facts = json.loads((tmp_path / "c.json").read_text())
    assert facts["difference"] == pytest.approx(facts["b"] - facts["a"])
    assert facts["protocol"]["data"] == "scenes"


def test_command__is_registered_and_its_help_loads_no_torch() -> None:
    code = (
        "import sys; from terrazzo.cli.main import app; app(['compare', '--help'], standalone_mode=False); "
    )
    code += "assert not {'torch', 'scipy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "which of two models is better" in done.stdout
