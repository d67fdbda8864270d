"""What an actor does with a task, without any Ray."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from terrazzo import __version__
from terrazzo.core.images import write_png
from terrazzo.predict import PredictSettings
from terrazzo.predict.ray_engine.worker import PredictActor
from tests.predict.ray_engine.made import make_model, make_photos


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PredictSettings:
    return PredictSettings((str(make_model(tmp_path_factory.mktemp("ray") / "model")),), device="cpu")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with photos, and one for results with a token in it."""
    make_photos(tmp_path / "photos", 2)
    (tmp_path / "out" / ".run-1").mkdir(parents=True)
    return tmp_path


def actor(settings: PredictSettings, place: Path) -> PredictActor:
    return PredictActor(settings, __version__, str(place / "out" / ".run-1"))


def task(place: Path, image: str | None = None, known: Any = None) -> dict[str, Any]:
    given = image or str(place / "photos" / "00.png")
    mask = str(place / "out" / "00.png")
    return {
        "image": given,
        "mask": mask,
        "overlay": None,
        "probabilities": None,
        "confidence": None,
        "known": known,
    }


def ask(actor: PredictActor, task: dict[str, Any]) -> dict[str, Any]:
    (row,) = actor({"task": [json.dumps(task)]})["row"]
    answer: dict[str, Any] = json.loads(row)
    return answer


def test_predict_actor__skips_only_what_is_unchanged(settings: PredictSettings, place: Path) -> None:
    worker = actor(settings, place)
    row = ask(worker, task(place))
    assert row["size"] == [40, 50]
    assert row["error"] is None
    assert ask(worker, task(place, known=row)) == {**row, "skipped": True}
    assert "skipped" not in ask(worker, task(place, known=row) | {"overlay": str(place / "out" / "o.png")})
    Path(row["mask"]).write_bytes(b"cut off")
    assert "skipped" not in ask(worker, task(place, known=row))
    write_png(place / "photos" / "00.png", 255 - _pixels(place))
    assert "skipped" not in ask(worker, task(place, known=row)), "another image under the same name"


def _pixels(place: Path) -> Any:
    from terrazzo.core.images import read_image

    return read_image(place / "photos" / "00.png")


def test_predict_actor__an_image_that_was_begun_too_often_is_given_up(
    settings: PredictSettings, place: Path
) -> None:
    worker, note = actor(settings, place), place / "out" / ".run-1" / "00.png"
    note.write_bytes(b"...")
    assert ask(worker, task(place))["error"] is None
    assert not note.exists(), "it ended, so it is forgotten"
    note.write_bytes(b"....")
    assert "4 workers died over it" in ask(worker, task(place))["error"]


def test_predict_actor__errors_of_one_image_are_rows(settings: PredictSettings, place: Path) -> None:
    worker = actor(settings, place)
    row = ask(worker, task(place, image="/nowhere/a.png"))
    assert "/nowhere/a.png: a worker on" in row["error"]
    assert "in a shared folder, or in an object store" in row["error"]
    missing = (place / "photos" / "none.png").as_uri()
    assert f"{missing} cannot be read" in ask(worker, task(place, image=missing))["error"]
    (place / "photos" / "bad.png").write_bytes(b"no picture")
    bad = (place / "photos" / "bad.png").as_uri()
    assert ask(worker, task(place, image=bad))["error"].startswith(f"{bad}: not an image that can be read")


def test_predict_actor__nothing_goes_on_in_another_folder_or_version(
    settings: PredictSettings, place: Path
) -> None:
    said = ask(PredictActor(settings, "0.0.1", str(place / "out" / ".run-1")), task(place))["fatal"]
    assert f"This machine has terrazzo {__version__}, but the work comes from 0.0.1." in said
    said = ask(PredictActor(settings, __version__, str(place / "out" / ".run-2")), task(place))["fatal"]
    assert "is not the same folder here as where the work was started" in said


def test_predict_actor__loads_no_ray(settings: PredictSettings, place: Path) -> None:
    before = "ray" in sys.modules
    ask(actor(settings, place), task(place, image=(place / "photos" / "01.png").as_uri()))
    assert ("ray" in sys.modules) == before
    assert (place / "out" / "00.png").exists()
