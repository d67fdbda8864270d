"""Rasters: the labels of `Tiled`, where the raster is, whatever it is, and after any interruption."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from terrazzo.core.errors import DataError, RequestError, TerrazzoError
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.core.prediction import Prediction
from terrazzo.predict import Predictor, TorchBackend, WholeImage, to_ids
from terrazzo.predict.raster import predict_raster, rows
from terrazzo.predict.tiles.tiled import Tiled
from tests.predict.raster.made import PLACE, genuine, noise, read_ids, write_raster
from tests.predict.small import LABELS, predictor, small

CUT: dict[str, Any] = {"tile": 128, "overlap": 32}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", noise(333, 450))


def tiled_ids(some: Predictor, image: Any) -> Any:
    return to_ids(Tiled(some.inference, **CUT)(image))


@pytest.mark.parametrize("size", [(333, 450), (128, 128), (60, 401), (500, 100), (257, 129)])
def test_predict_raster__the_same_labels_as_tiled(tmp_path: Path, size: tuple[int, int]) -> None:
    image = noise(*size)
    path = write_raster(tmp_path / "scene.tif", image)
    some = predictor(small())
    done = predict_raster(some, path, tmp_path / "out.tif", **CUT)
    ids = read_ids(done.mask)
    assert len(np.unique(ids)) == 3
    np.testing.assert_array_equal(ids, tiled_ids(some, image))
    assert (done.size, done.valid_share, done.notes, done.resumed) == (size, 1.0, (), False)
    assert not list(tmp_path.glob(".*"))


def test_predict_raster__the_same_in_panels(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide raster is cut into panels of columns so that memory does not depend on its width."""
    some = predictor(small())
    predict_raster(some, scene, tmp_path / "one.tif", confidence=True, **CUT)
    monkeypatch.setattr(rows, "SUMS_BYTES", 15_000)
    calls: list[Any] = []
    some.inference = Watched(some.inference.backend, calls)
    predict_raster(some, scene, tmp_path / "many.tif", confidence=True, **CUT)
    assert len(calls) > 1 + 4 * 5, "tiles at a panel's border are predicted for both"
    for end in ("", "_confidence"):
        assert digest(tmp_path / f"one{end}.tif") == digest(tmp_path / f"many{end}.tif")


def test_predict_raster__confidence_is_the_probability_of_the_label(tmp_path: Path, scene: Path) -> None:
    some = predictor(small())
    done = predict_raster(some, scene, tmp_path / "out.tif", confidence=True, **CUT)
    assert done.confidence == tmp_path / "out_confidence.tif"
    shares = Tiled(some.inference, **CUT)(noise(333, 450)).full_size()[0].softmax(dim=0)
    expected = shares.amax(dim=0).mul(255).numpy()
    assert np.abs(read_ids(done.confidence).astype(float) - expected).max() <= 0.51
    with rasterio.open(done.confidence) as file:
        assert (file.nodata, file.dtypes, file.crs) == (0, ("uint8",), PLACE["crs"])


def test_predict_raster__aligned_corners_depend_on_the_whole_raster(tmp_path: Path, scene: Path) -> None:
    some = predictor(small(align_corners=True))
    predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    agree = read_ids(tmp_path / "out.tif") == tiled_ids(some, noise(333, 450))
    assert agree.mean() > 0.9999


def test_predict_raster__says_where_it_is_and_what_ids_mean(tmp_path: Path, scene: Path) -> None:
    done = predict_raster(predictor(small()), scene, tmp_path / "out.tif", overviews=True, **CUT)
    with rasterio.open(done.mask) as file:
        assert (file.crs, file.transform) == (PLACE["crs"], PLACE["transform"])
        assert (file.nodata, file.dtypes, file.compression.name) == (255, ("uint8",), "deflate")
        assert file.profile["tiled"]
        assert json.loads(file.tags()["CLASSES"]) == {"0": "sky", "1": "road", "2": "car"}
        assert file.tags()["TILES"] == "tiles 128 x 128, overlap 32, Gaussian"
        colors = file.colormap(1)
        assert [colors[i][:3] for i in range(3)] == [(70, 130, 180), (128, 64, 128), (0, 0, 142)]
        assert colors[255][3] == 0
    plain = done.to_json()
    assert json.loads(json.dumps(plain))["mask"] == str(done.mask)


def test_predict_raster__ids_and_nodata_of_the_label_map(tmp_path: Path, scene: Path) -> None:
    labels = LabelMap(
        tuple(
            LabelClass(kind.name, kind.color, (raw,))
            for kind, raw in zip(LABELS.classes, (7, 8, 300), strict=True)
        ),
        void_ids=(11,),
    )
    some = predictor(small(), labels)
    done = predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    ids = read_ids(done.mask)
    assert ids.dtype == np.uint16
    assert done.nodata == 11
    np.testing.assert_array_equal(ids, np.array([7, 8, 300])[tiled_ids(some, noise(333, 450))])


# -- no data ------------------------------------------------------------------------------------------------


def test_predict_raster__no_data_stays_no_data(tmp_path: Path) -> None:
    """Black is a colour as well: only a pixel that is nodata in every band holds no data."""
    image = noise(300, 400)
    image[image == 0] = 1
    image[:150, :200] = 0
    image[200:210, 300:320, 0] = 0
    path = write_raster(tmp_path / "scene.tif", image, nodata=0)
    some = predictor(small())
    done = predict_raster(some, path, tmp_path / "out.tif", confidence=True, **CUT)
    empty = (image == 0).all(axis=2)
    ids = read_ids(done.mask)
    np.testing.assert_array_equal(ids == 255, empty)
    np.testing.assert_array_equal(read_ids(tmp_path / "out_confidence.tif") == 0, empty)
    assert done.valid_share == 1 - empty.mean()
    shown = image.copy()
    shown[empty] = np.array(some.card.mean).astype(np.uint8)
    np.testing.assert_array_equal(ids[~empty], tiled_ids(some, shown)[~empty])


def test_predict_raster__tiles_without_data_are_not_predicted(tmp_path: Path) -> None:
    image = noise(600, 600)
    image[:, 200:] = 0
    path = write_raster(tmp_path / "scene.tif", image, nodata=0)
    some = predictor(small())
    calls: list[Any] = []
    some.inference = Watched(some.inference.backend, calls)
    predict_raster(some, path, tmp_path / "out.tif", **CUT)
    assert len(calls) == 1 + 6 * 3  # the first is a look at what predictions are like


def test_predict_raster__a_tile_without_data_counts_for_the_pixels_beside_it(tmp_path: Path) -> None:
    image = noise(300, 400)
    image[image == 0] = 1
    image[:, :128] = 0
    path = write_raster(tmp_path / "scene.tif", image, nodata=0)
    some = predictor(small())
    predict_raster(some, path, tmp_path / "out.tif", confidence=True, **CUT)
    shown = image.copy()
    shown[:, :128] = np.array(some.card.mean).astype(np.uint8)
    write_raster(tmp_path / "shown.tif", shown)
    predict_raster(some, tmp_path / "shown.tif", tmp_path / "expected.tif", confidence=True, **CUT)
    for end in ("", "_confidence"):
        given, expected = (read_ids(tmp_path / f"{name}{end}.tif")[:, 128:] for name in ("out", "expected"))
        np.testing.assert_array_equal(given, expected)


def test_predict_raster__floats_that_are_no_numbers(tmp_path: Path) -> None:
    image = noise(200, 300).astype(np.float32)
    image[50:60, 70:90, 1] = np.nan
    image[100, 100, 2] = -3.4e38
    path = write_raster(tmp_path / "scene.tif", image, nodata=-3.4e38)
    done = predict_raster(predictor(small()), path, tmp_path / "out.tif", **CUT)
    ids = read_ids(done.mask)
    expected = np.zeros(ids.shape, bool)
    expected[50:60, 70:90] = expected[100, 100] = True
    np.testing.assert_array_equal(ids == 255, expected)


def test_predict_raster__nothing_but_nodata(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", np.zeros((200, 200, 3), np.uint8), nodata=0)
    with pytest.raises(
        DataError, match=r"scene\.tif holds no data: every pixel is nodata, masked or not finite"
    ):
        predict_raster(predictor(small()), path, tmp_path / "out.tif", **CUT)
    assert [found.name for found in tmp_path.iterdir()] == ["scene.tif"]


# -- bands and places ---------------------------------------------------------------------------------------


def test_predict_raster__chosen_bands_in_the_models_order(tmp_path: Path) -> None:
    image = noise(150, 200, 5)
    path = write_raster(tmp_path / "scene.tif", image)
    some = predictor(small())
    predict_raster(some, path, tmp_path / "out.tif", bands=(4, 1, 2), **CUT)
    np.testing.assert_array_equal(read_ids(tmp_path / "out.tif"), tiled_ids(some, image[:, :, [3, 0, 1]]))


def test_predict_raster__colours_are_found_by_their_names(tmp_path: Path) -> None:
    """Satellite images often begin with blue; a model of RGB is given red first."""
    image = noise(150, 200, 4)
    path = write_raster(tmp_path / "scene.tif", image)
    kinds = rasterio.enums.ColorInterp
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [kinds.blue, kinds.green, kinds.red, kinds.undefined]
    some = predictor(small())
    done = predict_raster(some, path, tmp_path / "out.tif", **CUT)
    assert done.notes == ("Red, green and blue are bands 3, 2, 1 of scene.tif, as it says.",)
    np.testing.assert_array_equal(read_ids(done.mask), tiled_ids(some, image[:, :, [2, 1, 0]]))


def test_predict_raster__alpha_is_a_mask_not_a_channel(tmp_path: Path) -> None:
    image = noise(150, 200, 4)
    image[..., 3] = 255
    image[:40, :50, 3] = 0
    path = write_raster(tmp_path / "scene.tif", image, photometric="RGB", alpha="YES")
    predict_raster(predictor(small()), path, tmp_path / "out.tif", **CUT)
    np.testing.assert_array_equal(read_ids(tmp_path / "out.tif") == 255, image[..., 3] == 0)


def test_predict_raster__sixteen_bits(tmp_path: Path) -> None:
    image = noise(150, 200, 3).astype(np.uint16) * 200
    path = write_raster(tmp_path / "scene.tif", image)
    some = predictor(small())
    predict_raster(some, path, tmp_path / "out.tif", **CUT)
    np.testing.assert_array_equal(read_ids(tmp_path / "out.tif"), tiled_ids(some, image))


def test_predict_raster__nowhere_on_earth_is_a_note(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scan.tif", noise(100, 120), crs=None, transform=None)
    done = predict_raster(predictor(small()), path, tmp_path / "out.tif", polygons="geojson", **CUT)
    assert done.notes[0].startswith("scan.tif has no CRS")
    assert "not in longitude and latitude" in done.notes[1]


@pytest.mark.parametrize(
    ("name", "channels", "bands"),
    [
        ("RGB.byte.tif", 3, None),
        ("rgb_deflate.tif", 3, None),
        ("cogeo.tif", 3, None),
        ("shade.tif", 1, None),
        ("RGBA.uint16.tif", 3, None),
        ("world.byte.tif", 1, None),
    ],
)
def test_predict_raster__genuine_files(
    tmp_path: Path, name: str, channels: int, bands: tuple[int, ...] | None
) -> None:
    path = genuine(name)
    done = predict_raster(
        predictor(small(in_channels=channels)),
        path,
        tmp_path / "out.tif",
        bands=bands,
        tile=512,
        polygons="geopackage",
    )
    with rasterio.open(path) as source, rasterio.open(done.mask) as made:
        assert (made.crs, made.transform, made.shape) == (source.crs, source.transform, source.shape)
        ids = made.read(1)
        valid = source.read_masks()[: len(bands or range(channels))].any(axis=0)
        if source.dtypes[0].startswith("float"):
            valid &= np.isfinite(source.read(1))
    np.testing.assert_array_equal(ids != 255, valid)


@pytest.mark.parametrize("name", ["float_nan.tif", "rotated.tif", "byte.tif", "test_esri_wkt.tif"])
def test_predict_raster__genuine_files_that_are_too_small(tmp_path: Path, name: str) -> None:
    path = genuine(name)
    with pytest.raises(DataError, match=rf"{name} has \d+ x \d+ pixels; models take sides from 33 pixels"):
        predict_raster(predictor(small(in_channels=1)), path, tmp_path / "out.tif", bands=(1,))
    assert not list(tmp_path.iterdir())


def test_predict_raster__genuine_files_without_any_data(tmp_path: Path) -> None:
    path = genuine("all-nodata.tif")
    with pytest.raises(DataError, match=r"all-nodata\.tif holds no data"):
        predict_raster(
            predictor(small(in_channels=4)), path, tmp_path / "out.tif", bands=(1, 2, 3, 4), tile=512
        )


def test_predict_raster__a_rotated_raster_stays_rotated(tmp_path: Path) -> None:
    turned = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -2)
    path = write_raster(tmp_path / "scene.tif", noise(100, 120), transform=turned)
    done = predict_raster(predictor(small()), path, tmp_path / "out.tif", **CUT)
    with rasterio.open(done.mask) as file:
        assert file.transform.almost_equals(turned, 1e-6)


# -- interruptions ------------------------------------------------------------------------------------------


class Watched(WholeImage):
    """Notes what it is asked, and fails at call number `last`."""

    def __init__(self, backend: Any, calls: list[Any], last: int = 10**9) -> None:
        super().__init__(backend)
        self.calls, self.last = calls, last

    def __call__(self, image_HWC: Any) -> Prediction:
        if len(self.calls) == self.last:
            raise KeyboardInterrupt
        self.calls.append(image_HWC.shape)
        return super().__call__(image_HWC)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("panels", [False, True])
def test_predict_raster__interrupted_anywhere_it_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, panels: bool
) -> None:
    if panels:
        monkeypatch.setattr(rows, "SUMS_BYTES", 15_000)
    path = write_raster(tmp_path / "scene.tif", noise(333, 300))
    asked = {"confidence": True, "polygons": "geojson", **CUT}
    some = predictor(small())
    predict_raster(some, path, tmp_path / "whole.tif", **asked)
    backend = TorchBackend(some.model)
    calls: list[Any] = []
    resumed = []
    for last in range(1, 1000, 7):
        some.inference = Watched(backend, calls, last)
        try:
            done = predict_raster(some, path, tmp_path / "out.tif", **asked)
        except KeyboardInterrupt:
            assert not (tmp_path / "out.tif").exists()
            continue
        resumed.append(done.resumed)
        break
    assert resumed == [True]
    for end in (".tif", "_confidence.tif", ".geojson"):
        assert digest(tmp_path / f"whole{end}") == digest(tmp_path / f"out{end}")


def test_predict_raster__what_was_finished_is_not_done_again(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", noise(1000, 128))
    some = predictor(small())
    first: list[Any] = []
    some.inference = Watched(some.inference.backend, first, 9)
    ticks: list[tuple[int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        predict_raster(some, path, tmp_path / "out.tif", **CUT)
    second: list[Any] = []
    some.inference = Watched(some.inference.backend, second)
    done = predict_raster(some, path, tmp_path / "out.tif", progress=lambda *at: ticks.append(at), **CUT)
    assert done.resumed
    tiles = ticks[-1][1]
    assert ticks[-1] == (tiles, tiles)
    assert len(first) + len(second) <= tiles + 2 + 2, (
        "a look at the start of each, and the tiles around the cut"
    )


def test_predict_raster__a_half_written_line_of_the_journal(tmp_path: Path, scene: Path) -> None:
    some = predictor(small())
    predict_raster(some, scene, tmp_path / "whole.tif", **CUT)
    some.inference = Watched(some.inference.backend, [], 14)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    with (tmp_path / ".out.tif.work" / "journal.jsonl").open("a") as file:
        file.write('{"panel": 0, "ro')
    predict_raster(some_whole := predictor(small()), scene, tmp_path / "out.tif", **CUT)
    assert some_whole
    assert digest(tmp_path / "whole.tif") == digest(tmp_path / "out.tif")


def test_predict_raster__another_request_does_not_go_on(tmp_path: Path, scene: Path) -> None:
    some = predictor(small())
    some.inference = Watched(some.inference.backend, [], 14)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    with pytest.raises(
        RequestError, match=r"\.out\.tif\.work holds unfinished work that was begun with another overlap"
    ):
        predict_raster(predictor(small()), scene, tmp_path / "out.tif", tile=128, overlap=64)


def test_predict_raster__an_automatic_tile_is_kept_after_an_interruption(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = predictor(small())
    some.inference = Watched(some.inference.backend, [], 14)
    with pytest.raises(KeyboardInterrupt):
        predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    monkeypatch.setattr("terrazzo.predict.tiles.auto.available", lambda device: 1 << 40)
    done = predict_raster(predictor(small()), scene, tmp_path / "out.tif")
    assert done.resumed
    assert done.tiles == "tiles 128 x 128, overlap 32, Gaussian"


def test_predict_raster__stopped_between_its_results(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels are there, the polygons are not: the same command ends it, and refuses nothing."""

    def full(*_: Any) -> None:
        raise TerrazzoError("the disk is full")

    some = predictor(small())
    with monkeypatch.context() as broken:
        broken.setattr("terrazzo.predict.raster.polygons.write_polygons", full)
        with pytest.raises(TerrazzoError, match="the disk is full"):
            predict_raster(some, scene, tmp_path / "out.tif", polygons="geojson", **CUT)
    assert (tmp_path / "out.tif").exists()
    calls: list[Any] = []
    some.inference = Watched(some.inference.backend, calls)
    assert predict_raster(some, scene, tmp_path / "out.tif", polygons="geojson", **CUT).resumed
    assert len(calls) == 1, "nothing is predicted again"
    assert (tmp_path / "out.geojson").exists()


@pytest.mark.slow
def test_predict_raster__memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    from benchmarks import raster

    peaks = []
    for size in (1500, 9000):
        raster.make(tmp_path / f"{size}.tif", size)
        taken = raster.finished(raster.child(tmp_path / f"{size}.tif", tmp_path / f"{size}_ids.tif", 512))
        peaks.append(taken["peak_bytes"])
    assert peaks[1] < 1.25 * peaks[0]
    assert peaks[1] < raster.LIMIT_BYTES


@pytest.mark.slow
def test_predict_raster__killed_and_called_again(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", noise(1500, 1500))
    program = (
        "import sys; from tests.predict.small import predictor, small; "
        "from terrazzo.predict.raster.run import predict_raster; "
        "predict_raster(predictor(small()), sys.argv[1], sys.argv[2], tile=128, overlap=64)"
    )

    def start(name: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", program, str(path), str(tmp_path / name)])

    assert start("whole.tif").wait() == 0
    journal = tmp_path / ".out.tif.work" / "journal.jsonl"
    for lines in (3, 6, 9):
        process = start("out.tif")
        while not (journal.exists() and len(journal.read_text().splitlines()) >= lines):
            time.sleep(0.01)
            assert process.poll() is None
        process.kill()
        process.wait()
    assert start("out.tif").wait() == 0
    assert digest(tmp_path / "whole.tif") == digest(tmp_path / "out.tif")


# -- requests that cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        (
            {"bands": (1, 2)},
            RequestError,
            r"bands 1,2 do not fit: the model takes 3 bands, and .* has bands 1 to 3",
        ),
        ({"bands": (1, 2, 9)}, RequestError, r"bands 1,2,9 do not fit"),
        ({"polygons": "shp"}, RequestError, "polygons is 'shp'; expected one of: geojson, geopackage"),
        ({"nodata": 1}, RequestError, "nodata 1 is the id of the class 'road'. Choose another, such as 255"),
        ({"nodata": -1}, RequestError, "nodata is -1; expected an id of 0 to 65535"),
        ({"tile": 130}, RequestError, "A tile of 130 pixels does not fit this network"),
        (
            {"compression": "jpeg"},
            RequestError,
            "compression is 'jpeg'; expected one of: deflate, zstd, lzw, none",
        ),
    ],
)
def test_predict_raster__wrong_requests(
    tmp_path: Path, scene: Path, asked: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        predict_raster(predictor(small()), scene, tmp_path / "out.tif", **CUT | asked)
    assert not (tmp_path / "out.tif").exists()


def test_predict_raster__results_in_the_way(tmp_path: Path, scene: Path) -> None:
    some = predictor(small())
    (tmp_path / "out.geojson").write_text("mine")
    with pytest.raises(RequestError, match=r"out\.geojson is there already. Choose another name, or allow"):
        predict_raster(some, scene, tmp_path / "out.tif", polygons="geojson", **CUT)
    assert (tmp_path / "out.geojson").read_text() == "mine"
    predict_raster(some, scene, tmp_path / "out.tif", polygons="geojson", overwrite=True, **CUT)
    with pytest.raises(RequestError, match=r"scene\.tif is the raster itself"):
        predict_raster(some, scene, scene, overwrite=True, **CUT)
    with pytest.raises(RequestError, match=r"give it a name that ends in \.tif, not 'out\.png'"):
        predict_raster(some, scene, tmp_path / "out.png", **CUT)


def test_predict_raster__too_few_bands_too_many_bands(tmp_path: Path) -> None:
    grey = write_raster(tmp_path / "grey.tif", noise(100, 100, 1))
    with pytest.raises(DataError, match=r"grey\.tif has 1 band, but the model takes 3 bands"):
        predict_raster(predictor(small()), grey, tmp_path / "out.tif", **CUT)
    many = write_raster(tmp_path / "many.tif", noise(100, 100, 8))
    with pytest.raises(RequestError, match=r"has 8 bands, and the model takes 3. Say which, .* bands 1,2,3"):
        predict_raster(predictor(small()), many, tmp_path / "out.tif", **CUT)


def test_predict_raster__not_a_raster(tmp_path: Path) -> None:
    (tmp_path / "notes.tif").write_text("no raster")
    with pytest.raises(DataError, match=r"notes\.tif cannot be read as a raster \(.*not recognized"):
        predict_raster(predictor(small()), tmp_path / "notes.tif", tmp_path / "out.tif", **CUT)
    with pytest.raises(DataError, match=r"none\.tif: there is no such file"):
        predict_raster(predictor(small()), tmp_path / "none.tif", tmp_path / "out.tif", **CUT)


def test_predict_raster__damaged_in_the_middle(tmp_path: Path) -> None:
    """The rows before the damage stay; with a whole copy in its place the work goes on."""
    image = noise(600, 300)
    path = write_raster(
        tmp_path / "scene.tif", image, tiled=True, blockxsize=128, blockysize=128, compress="deflate"
    )
    whole = path.read_bytes()
    some = predictor(small())
    damaged = bytearray(whole)
    damaged[int(len(whole) * 0.7) : int(len(whole) * 0.75)] = bytes(
        int(len(whole) * 0.75) - int(len(whole) * 0.7)
    )
    times = path.stat()
    path.write_bytes(damaged)
    with pytest.raises(
        DataError, match=r"scene\.tif cannot be read at rows \d+ to \d+, columns .* Copy the file again"
    ):
        predict_raster(some, path, tmp_path / "out.tif", **CUT)
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(RequestError, match="begun with another raster"):
        predict_raster(some, path, tmp_path / "out.tif", **CUT)


def test_predict_raster__no_room_on_the_disk(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda place: Full)
    with pytest.raises(
        TerrazzoError, match=r"The raster needs about 0\.\d MiB of disk beside .*, 0\.0 MiB are free"
    ):
        predict_raster(predictor(small()), scene, tmp_path / "out.tif", **CUT)


def test_predict_raster__memory_is_said_before_the_work(tmp_path: Path, scene: Path) -> None:
    said: list[str] = []
    done = predict_raster(predictor(small()), scene, tmp_path / "out.tif", announce=said.append)
    assert said[0].startswith("450 x 333 pixels take about ")
    assert done.tiles == "tiles 452 x 452, overlap 112, Gaussian"


def test_predict_raster__post_processing_needs_the_whole_image(tmp_path: Path, scene: Path) -> None:
    some = predictor(small()).with_postprocess("drop-clusters=70")
    with pytest.raises(
        RequestError, match=r"labelled strip by strip, and post-processing \(drop-clusters=70\)"
    ):
        predict_raster(some, scene, tmp_path / "out.tif", **CUT)
    assert not (tmp_path / "out.tif").exists()
    predict_raster(some.with_postprocess("none"), scene, tmp_path / "out.tif", **CUT)
