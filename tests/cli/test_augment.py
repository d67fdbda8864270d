"""`terrazzo augment`: contact sheets of real recipes, and a study from end to end."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import terrazzo.train.preview as previews
from terrazzo.cli.main import app
from terrazzo.core.errors import DataError, RequestError
from terrazzo.transforms.apply import apply_alone
from terrazzo.transforms.operation import Pixels
from tests.datasets.make_volumes import make

RECIPE = """
data: {kind: scenes, options: {size: [48, 64], count: 4}}
transforms:
  preset: light
  crop: [40, 48]
  operations:
    - {kind: rotate, strength: [0, 0.6], probability: 0.8}
    - {kind: rain, strength: 0.5}
    - {kind: cutmix}
model: {kind: unet, options: {num_blocks: 2}}
train: {steps: 2, batch_size: 2, workers: 0, ema: 0}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE)
    return file


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["augment", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_preview__a_sheet_of_what_training_sees(recipe: Path, tmp_path: Path) -> None:
    out, facts = tmp_path / "new" / "sheet.png", tmp_path / "facts.json"
    said = invoke("preview", "scenes", recipe, "--out", out, "--images", 2, "--versions", 3, "--json", facts)
    assert "Image and mask moved alike in 6 of 6 samples" in said
    with Image.open(out) as sheet:
        assert sheet.width == 4 * 268 + 8
    checks = json.loads(facts.read_text())["checks"]
    assert len(checks) == 6
    assert checks[0]["problem"] is None


def test_preview__of_a_preset(recipe: Path, tmp_path: Path) -> None:
    said = invoke(
        "preview", "scenes", recipe, "transforms.operations=[]", "--out", tmp_path / "a.png", "--images", 1
    )
    assert "5 of 5" in said


def test_preview__every_operation_by_itself(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.png"
    invoke("preview", "scenes", recipe, "--out", out, "--each", "all", "--strengths", "0.5,1")
    with Image.open(out) as sheet:
        assert sheet.width == 3 * 268 + 8
        assert sheet.height > 28 * 300


def test_preview__a_broken_operation_is_found(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = apply_alone

    def broken(drawn: object, image: Pixels, mask: Pixels, *rest: object) -> tuple[Pixels, Pixels]:
        made = sound(drawn, image, mask, *rest)  # type: ignore[arg-type]
        return made[0], mask  # the mask stays where it was

    monkeypatch.setattr(previews, "apply_alone", broken)
    with pytest.raises(DataError, match="In 2 of 2 samples image and mask no longer agree"):
        invoke(
            "preview",
            "scenes",
            recipe,
            "--out",
            tmp_path / "a.png",
            "--each",
            "rotate",
            "--strengths",
            "0.7,1",
        )
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--each", "rian"], "Unknown operation 'rian': did you mean 'rain'"),
        (["--each", "rain", "--strengths", "0.5,2"], "--strengths is '0.5,2'; expected numbers from 0 to 1"),
        (["--first", "999"], "--first is 999, but there are 256 samples; they count from 0"),
        (["transforms.operations=[{kind: rian}]"], "Unknown operation 'rian': did you mean 'rain'"),
        (["transforms.operations=[{kind: rain, strenght: 1}]"], "did you mean 'strength'"),
    ],
)
def test_preview__mistakes(recipe: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        invoke("preview", "scenes", recipe, *arguments, "--out", tmp_path / "a.png")


def test_study__from_end_to_end_and_on(recipe: Path, tmp_path: Path) -> None:
    facts, work = tmp_path / "study.json", tmp_path / "work"
    common = ("--policies", "rain,cutmix", "--strengths", "0.5,1", "--work", work, "--json", facts)
    database = ("--storage", f"sqlite:///{tmp_path / 'study.db'}")
    said = invoke("study", recipe, "--trials", 2, *database, *common)
    assert "Without augmentation" in said
    found = json.loads(facts.read_text())
    assert {trial["policy"] for trial in found["trials"]} == {"rain", "cutmix"}
    for trial in found["trials"]:
        low, high = trial["miou_interval"]
        assert low <= trial["miou"] <= high
        assert trial["affinity"] is not None
        assert trial["diversity"] > 0
    page = (work / "study.html").read_text()
    assert "2 short runs with one seed and budget (2 steps)" in page
    invoke("study", recipe, "--trials", 3, *database, *common)
    assert len(json.loads(facts.read_text())["trials"]) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policies", "rian"], "Unknown policy 'rian': did you mean 'rain'"),
        (["--search", "gird"], "--search is 'gird'; expected grid or tpe"),
        (["--steps", "2", "--minutes", "1"], "A run has one budget: give --steps or --minutes, not both"),
        (["--storage", "sqlite:////nowhere/at/all.db"], "The database of the study cannot be opened"),
    ],
)
def test_study__mistakes(recipe: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        invoke("study", recipe, "--work", tmp_path / "work", *arguments)


def test_preview_and_study__refuse_volumes_at_once(recipe: Path, tmp_path: Path) -> None:
    root, solid = (
        make(tmp_path / "balls", count=6),
        ["transforms.crop=[33,33,33]", "transforms.operations=[]"],
    )
    sentence = "The data of kind 'volumes' are volumes; expected images, which contact sheets and studies"
    for more in ([], ["--each", "rain"]):
        with pytest.raises(RequestError, match=sentence):
            invoke("preview", f"volumes:{root}", recipe, *solid, "--out", tmp_path / "sheet.png", *more)
    with pytest.raises(RequestError, match=sentence):
        invoke("study", recipe, *solid, "data.kind=volumes", f"data.root={root}", "data.options={}")
    assert not (tmp_path / "sheet.png").exists()
