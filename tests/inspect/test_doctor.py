"""Every kind of finding is planted into clean scenes; exactly that kind is found, with the right files."""

import json
from pathlib import Path

import pytest

from terrazzo.inspect import InspectReport, inspect
from terrazzo.inspect.doctor import FAMILIES, KINDS
from tests.inspect.faults import FAULTS

CAMVID = Path(__file__).parents[3] / "shared" / "data" / "camvid"
needs_camvid = pytest.mark.skipif(
    not CAMVID.is_dir(), reason="the shared CamVid copy is not beside this checkout"
)


def look(root: Path) -> InspectReport:
    """Inspect a folder, through its dataset YAML where it has one."""
    yaml = root / "data.yaml"
    return inspect(yaml if yaml.exists() else root)


def test_doctor__clean_scenes_have_no_finding(scenes_folder: Path) -> None:
    assert look(scenes_folder).findings == ()


def test_doctor__every_kind_is_planted() -> None:
    assert KINDS.keys() - FAULTS.keys() == {"dataset-refused", "ids-swapped-against"}
    assert len(KINDS) == sum(map(len, FAMILIES.values())) >= 25


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_doctor__finds(kind: str, scenes_folder: Path) -> None:
    expected = FAULTS[kind](scenes_folder)
    report = look(scenes_folder)
    assert [finding.kind for finding in report.findings] == [kind], report.findings
    (finding,) = report.findings
    assert sorted(finding.files) == sorted(expected)
    assert finding.severity == KINDS[kind].severity
    assert finding.message.endswith(KINDS[kind].why)
    assert finding.advice == KINDS[kind].advice
    json.dumps(report.to_json(), allow_nan=False)


@needs_camvid
def test_doctor__camvid_train_has_nothing_above_a_note() -> None:
    report = inspect(f"camvid:{CAMVID}", split="train")
    assert {finding.severity for finding in report.findings} <= {"note"}, report.findings
    assert report.images == 367


@needs_camvid
def test_doctor__camvid_val_is_one_scene() -> None:
    report = inspect(f"camvid:{CAMVID}", split="val")
    above = [finding for finding in report.findings if finding.severity != "note"]
    assert [finding.kind for finding in above] == ["one-scene-split"]
    assert "101 images, group 0016E5" in above[0].message
