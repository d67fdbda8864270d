"""`terrazzo predict`: what goes where, which wishes are refused, and what is said."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import rasterio

from terrazzo.checkpoint import save_model
from terrazzo.cli.predict import predict
from terrazzo.cli.prediction import settings_from
from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import read_mask, write_png
from terrazzo.models import build_model
from tests.predict.raster.made import PLACE, noise, read_ids, write_raster
from tests.predict.small import LABELS
from tests.predict.video.made import make_video, square


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = build_model("unet", num_classes=3, num_blocks=1).eval()
    return save_model(tmp_path_factory.mktemp("model") / "best", network, labels=LABELS)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image, a raster, a video and a folder of frames."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    for index in range(3):
        write_png(tmp_path / "frames" / f"{index}.png", square(index))
    write_png(tmp_path / "photo.png", square(0))
    write_raster(tmp_path / "land.tif", noise(70, 90))
    make_video(tmp_path / "street.mp4", [square(index) for index in range(4)])
    return tmp_path


def test_all_kinds_in_one_call(model: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(model, ["photo.png", "land.tif", "street.mp4"], given / "out", json=given / "p.json")
    assert read_mask(given / "out/photo.png").shape == (48, 64)
    assert read_ids(given / "out/land.tif").shape == (70, 90)
    assert (given / "out/street_overlay.mp4").stat().st_size > 0
    assert len(json.loads((given / "p.json").read_text())) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "1 image segmented" in said
    assert "land.tif segmented (100.0% of it holds data)" in said
    assert "street.mp4: 4 frames segmented" in said
    assert "of what stood still changed class" in said


def test_frames__are_a_video_where_a_rate_is_given(model: Path, given: Path) -> None:
    predict(model, ["frames"], given / "out", fps=10.0, video_as="png", every=2, json=given / "p.json")
    (facts,) = json.loads((given / "p.json").read_text())
    assert facts["frames"] == 2
    assert sorted(path.name for path in (given / "out/frames").glob("*.png")) == ["000000.png", "000002.png"]


def test_part_of_a_video__smoothed_and_post_processed(
    model: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes: dict[str, Any] = {"smooth": 0.5, "start": 0.04, "end": 0.12, "drop_clusters": "10"}
    predict(model, ["street.mp4"], given / "out", **wishes)
    said = " ".join(capsys.readouterr().out.split())
    assert "street.mp4: 2 frames segmented" in said
    assert "after smoothing" in said


def test_overwrite__is_asked_for(model: Path, given: Path) -> None:
    predict(model, ["street.mp4", "land.tif"], given / "out")
    with pytest.raises(RequestError, match=r"is there already"):
        predict(model, ["street.mp4"], given / "out")
    with pytest.raises(RequestError, match=r"land\.tif"):
        predict(model, ["land.tif"], given / "out")
    predict(model, ["street.mp4", "land.tif"], given / "out", overwrite=True)


@pytest.mark.parametrize(
    ("inputs", "wishes", "sentence"),
    [
        (["photo.png"], {"smooth": 0.5}, "no input is one"),
        (["photo.png"], {"every": 2}, "no input is one"),
        (["photo.png"], {"fps": 25.0}, "Of a folder of frames say --fps"),
        (["photo.png"], {"bands": "1,2,3"}, "no input is a GeoTIFF"),
        (["photo.png"], {"polygons": "geojson"}, "no input is a GeoTIFF"),
        (["photo.png"], {"bands": "red"}, "--bands is 'red'; expected numbers from 1"),
        (["photo.png"], {"confidence": "max-ish"}, "did you mean 'max'"),
        (["land.tif"], {"overlay": True}, "is a raster: overlays and probabilities are of images"),
        (["land.tif"], {"confidence": "entropy"}, "--confidence max"),
        (["street.mp4"], {"confidence": "max"}, "is a video: --probabilities and --confidence are of images"),
        (["street.mp4"], {"probabilities": True}, "is a video: --probabilities"),
        (["street.mp4"], {"video_as": "maskz"}, "did you mean 'masks'"),
        (["street.mp4"], {"start": 3.0, "end": 2.0}, "expected 0 <= start < end"),
        (["photo.png"], {"engine": "ray", "smooth": 0.5}, "no input is one"),
        (["photo.png"], {"engine": "spark"}, "expected local or ray"),
        (["photo.png"], {"workers": 2}, "add --engine ray"),
    ],
)
def test_wishes_that_would_do_nothing__are_refused_before_any_work(
    model: Path, given: Path, inputs: list[str], wishes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        predict(model, inputs, given / "out", **wishes)
    assert not (given / "out").exists() or not any((given / "out").iterdir())


def test_folder__rasters_in_it_keep_their_place(model: Path, given: Path) -> None:
    (given / "mixed/deep").mkdir(parents=True)
    (given / "land.tif").rename(given / "mixed/deep/land.tif")
    (given / "photo.png").rename(given / "mixed/photo.png")
    predict(model, ["mixed"], given / "out", json=given / "p.json")
    with rasterio.open(given / "out/land.tif") as file:
        assert file.crs == PLACE["crs"]
    assert read_mask(given / "out/photo.png").shape == (48, 64)
    assert len(json.loads((given / "p.json").read_text())) == 2


def test_folder__rasters_of_one_name_are_refused_before_any_work(model: Path, given: Path) -> None:
    for name in ("a", "b"):
        (given / "lands" / name).mkdir(parents=True)
        write_raster(given / "lands" / name / "land.tif", noise(40, 40))
    with pytest.raises(RequestError, match=r"a/land\.tif and .*b/land\.tif would both be written"):
        predict(model, ["lands"], given / "out")


def test_without_rasterio__a_lost_place_is_said(
    model: Path, given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    monkeypatch.setattr("terrazzo.predict.sources.find_spec", lambda name: None)
    predict(model, ["land.tif", "photo.png"], given / "out")
    said = " ".join(capsys.readouterr().out.split())
    assert "Note: land.tif has a place on earth, lost in a PNG. To keep it: pip install" in said
    assert "'terrazzo[raster]'" in said
    assert read_mask(given / "out/land.png").shape == (70, 90)


def test_brackets_in_names__are_printed(model: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (given / "land.tif").rename(given / "land [a].tif")
    predict(model, ["land [a].tif"], given / "out [b]")
    said = " ".join(capsys.readouterr().out.split())
    assert "land [a].tif segmented" in said
    assert "out [b]/land [a].tif" in said.replace("out [b]/ ", "out [b]/")


def test_corrupt_video__is_one_sentence_and_what_was_finished_stays(model: Path, given: Path) -> None:
    (given / "broken.mp4").write_bytes(b"not a video at all" * 50)
    with pytest.raises(DataError, match=r"broken\.mp4"):
        predict(model, ["street.mp4", "broken.mp4"], given / "out")
    assert (given / "out/street_overlay.mp4").stat().st_size > 0


def test_settings__drop_clusters_comes_last() -> None:
    def steps(postprocess: str, area: str | None) -> str:
        given: dict[str, Any] = {
            "device": "cpu",
            "tile": "auto",
            "overlap": None,
            "tta": "none",
            "dropout": 0,
        }
        return settings_from(
            Path("m"), None, **given, postprocess=postprocess, drop_clusters=area
        ).postprocess

    assert steps("none", "70") == "drop-clusters=70"
    assert steps("guided=4", "70") == "guided=4;drop-clusters=70"
    assert steps("guided=4", None) == "guided=4"
    with pytest.raises(RequestError, match="write it into the file instead"):
        steps("steps.yaml", "70")
