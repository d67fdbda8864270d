"""`terrazzo evaluate`: what is printed, what is in the JSON and on the page, and which wishes are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from terrazzo.checkpoint import save_model
from terrazzo.cli.evaluate import evaluate
from terrazzo.core.config import write_yaml
from terrazzo.core.errors import RequestError
from terrazzo.datasets import build_dataset
from terrazzo.models import build_model


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained model of the scenes, and the scenes it is scored on."""
    folder = tmp_path_factory.mktemp("evaluate")
    labels = build_dataset("scenes", split="val", count=1).labels
    network = build_model("unet", num_classes=labels.num_classes, num_blocks=1).eval()
    save_model(folder / "best", network, labels=labels)
    (folder / "scenes.yaml").write_text(write_yaml({"kind": "scenes", "size": [48, 64], "count": 5}))
    return folder


def scored(home: Path, tmp_path: Path, **wishes: Any) -> dict[str, Any]:
    evaluate(home / "best", str(home / "scenes.yaml"), json=tmp_path / "s.json", **wishes)
    facts: dict[str, Any] = json.loads((tmp_path / "s.json").read_text())
    return facts


def test_metrics__are_printed_written_and_drawn(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = scored(home, tmp_path, metrics="surface, calibration", report=tmp_path / "r.html")
    assert list(facts["details"]) == ["surface", "calibration"]
    said = " ".join(capsys.readouterr().out.split())
    assert f"boundary F1 {100 * facts['details']['surface']['boundary_f1']:.1f} %" in said
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Distances of outlines" in page
    assert "Reliability diagram" in page
    assert "speed in this run" in page


def test_all_metrics__are_those_that_make_sense(home: Path, tmp_path: Path) -> None:
    names = scored(home, tmp_path, metrics="all")["details"]
    assert "boundary-iou" in names
    assert "road-maxf" not in names, "the scenes have more classes than road and the rest"


def test_json__names_the_largest_confusions_and_the_speed(home: Path, tmp_path: Path) -> None:
    facts = scored(home, tmp_path)
    shares = [row["share_of_mistakes"] for row in facts["confusions"]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-9
    assert facts["speed"]["images_per_s"] > 0
    assert "details" not in facts


def test_tta__the_report_says_what_it_gains_and_costs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = scored(home, tmp_path, tta="hflip", report=tmp_path / "r.html")
    gain = facts["details"]["tta"]
    assert gain["miou_tta"] == facts["miou"]
    assert gain["difference"] == pytest.approx(gain["miou_tta"] - gain["miou_plain"])
    low, high = gain["interval"]
    assert low <= gain["difference"] <= high
    assert gain["time_ratio"] > 0
    assert gain["miou_plain"] == scored(home, tmp_path)["miou"]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "What test-time augmentation gains" in page
    assert "times the time per image" in " ".join(capsys.readouterr().out.split())


def test_tta__without_a_report_the_model_is_scored_once(home: Path, tmp_path: Path) -> None:
    facts = scored(home, tmp_path, tta="hflip")
    assert "details" not in facts
    assert facts["protocol"]["tta"].startswith("hflip")


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"metrics": "boundry-iou"}, "did you mean 'boundary-iou'"),
        ({"tta": "hflop"}, "hflop"),
        ({"against": Path("x"), "report": Path("r.html")}, "give --report a folder"),
        ({"address": "auto"}, "add --engine ray"),
        ({"overlap": 3}, "give --tile a number"),
    ],
)
def test_wishes_that_cannot_be__are_one_sentence(
    home: Path, tmp_path: Path, wishes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        scored(home, tmp_path, **wishes)
