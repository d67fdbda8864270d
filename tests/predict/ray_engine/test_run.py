"""Whole runs on a local Ray of two workers: what `predict_files` writes, whoever dies."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terrazzo.core.errors import CheckpointError, DataError, RequestError
from terrazzo.predict import PredictedFile, PredictSettings, build_predictor, predict_files
from terrazzo.predict.confidence import Kind
from terrazzo.predict.ray_engine import predict_with_ray
from terrazzo.predict.ray_engine.manifest import read_manifest
from terrazzo.predict.ray_engine.run import _sweep
from terrazzo.predict.ray_engine.worker import PredictActor
from tests.predict.ray_engine.made import RAY_WARNINGS, make_model, make_photos, two_workers

pytestmark = RAY_WARNINGS


class Deadly(PredictActor):
    """Dies over one image."""

    def _predict(self, predictor: Any, task: dict[str, Any]) -> tuple[list[int], str]:
        if task["image"].endswith("03.png"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._predict(predictor, task)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PredictSettings:
    return PredictSettings((str(make_model(tmp_path_factory.mktemp("ray") / "model")),), device="cpu")


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[None]:
    with two_workers():
        yield


def same_bytes(
    photos: Path,
    out: Path,
    settings: PredictSettings,
    local: Path,
    *,
    overlay: bool = False,
    confidence: Kind | None = None,
) -> None:
    """All results are there exactly once, nothing else is, and all are those of one process."""
    predict_files(build_predictor(settings), photos, local, overlay=overlay, confidence=confidence)
    mine = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "manifest.jsonl"}
    assert mine == {path.name: path.read_bytes() for path in local.iterdir()}


@pytest.mark.usefixtures("ray_of_two")
def test_predict_with_ray__writes_what_predict_files_writes_and_a_manifest(
    settings: PredictSettings, tmp_path: Path
) -> None:
    photos, out = make_photos(tmp_path / "photos", 5), tmp_path / "out"
    seen: list[tuple[int, int]] = []
    result = predict_with_ray(
        settings,
        photos,
        out,
        overlay=True,
        confidence="entropy",
        progress=lambda done, count: seen.append((done, count)),
    )
    same_bytes(photos, out, settings, tmp_path / "local", overlay=True, confidence="entropy")
    assert seen == [(n, 5) for n in range(1, 6)]
    rows = [json.loads(line) for line in result.manifest.read_text().splitlines()]
    assert rows == result.to_json()
    assert [Path(row["image"]).name for row in rows] == [f"{n:02}.png" for n in range(5)]
    assert [row["size"] for row in rows] == [[40 + n, 50] for n in range(5)]
    assert result.skipped == 0


@pytest.mark.slow
@pytest.mark.usefixtures("ray_of_two")
def test_predict_with_ray__run_again_does_only_what_is_not_finished(
    settings: PredictSettings, tmp_path: Path
) -> None:
    photos, out = make_photos(tmp_path / "photos", 5), tmp_path / "out"
    predict_with_ray(settings, photos, out, overlay=True)
    written = (out / "00.png").stat().st_mtime_ns
    (out / "01.png").write_bytes(b"damaged")
    (out / "02_overlay.png").unlink()
    again = predict_with_ray(settings, photos, out, overlay=True)
    assert again.skipped == 3
    assert (out / "00.png").stat().st_mtime_ns == written
    same_bytes(photos, out, settings, tmp_path / "local", overlay=True)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_of_two")
def test_predict_with_ray__a_worker_killed_in_the_middle_loses_and_doubles_nothing(
    settings: PredictSettings, tmp_path: Path
) -> None:
    photos, out = make_photos(tmp_path / "photos", 16, (240, 320)), tmp_path / "out"
    killed: list[str] = []

    def strike(done: int, count: int) -> None:
        if done == 2:
            *_, row = read_manifest(out / "manifest.jsonl").values()
            killed.append(row["worker"])
            os.kill(int(row["worker"].rpartition("/")[2]), signal.SIGKILL)

    result = predict_with_ray(settings, photos, out, progress=strike)
    same_bytes(photos, out, settings, tmp_path / "local")
    workers = [row["worker"] for row in result.rows]
    assert 0 < workers.count(killed[0]) < 14, "it was killed in the middle"
    assert len({row["mask"] for row in result.rows}) == len(result.rows) == 16
    assert not [row for row in result.rows if row["error"]]
    assert len(result.manifest.read_text().splitlines()) == 16


@pytest.mark.slow
@pytest.mark.usefixtures("ray_of_two")
def test_predict_with_ray__an_image_that_kills_every_worker_is_given_up(
    settings: PredictSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, out = make_photos(tmp_path / "photos", 6), tmp_path / "out"
    (photos / "05.png").write_bytes(b"no picture")
    monkeypatch.setattr("terrazzo.predict.ray_engine.run.PredictActor", Deadly)
    with pytest.raises(
        DataError, match="2 of 6 images could not be predicted; the results of the other 4"
    ) as e:
        predict_with_ray(settings, photos, out)
    assert "03.png: 4 workers died over it. It may be too large for their memory" in str(e.value)
    assert "05.png: not an image that can be read" in str(e.value)
    rows = read_manifest(out / "manifest.jsonl")
    assert [bool(row["error"]) for row in rows.values()] == [False, False, False, True, False, True]
    assert len(list(out.iterdir())) == 5, "four masks and the manifest"


def test_predict_with_ray__refuses_before_ray_is_started(settings: PredictSettings, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    with pytest.raises(RequestError, match="is a URL; results go to a folder that all machines share"):
        predict_with_ray(settings, photos, "s3://bucket/out")
    with pytest.raises(CheckpointError):
        predict_with_ray(PredictSettings((str(tmp_path / "none"),)), photos, tmp_path / "out")
    with pytest.raises(RequestError, match="is one of the input images and would be overwritten"):
        predict_with_ray(settings, photos, photos)
    with pytest.raises(RequestError, match="0 workers were asked for; expected 1 or more"):
        predict_with_ray(settings, photos, tmp_path / "out", workers=0)


def test_sweep__removes_what_killed_workers_left_of_this_run_alone(tmp_path: Path) -> None:
    plan = [
        PredictedFile(Path("a.b.png"), tmp_path / "a.b.png"),
        PredictedFile(Path("v"), tmp_path / "v.nii.gz"),
    ]
    left = (".a.b.new-1f.png", ".v.new-2e.nii.gz")
    for name in (*left, ".other.new-3d.png", "a.b.png"):
        (tmp_path / name).touch()
    _sweep(tmp_path, plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.new-3d.png", "a.b.png"]
