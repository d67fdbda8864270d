"""A video becomes a labelled video: what is in it, when it is shown, what remains when things go wrong."""

import csv
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, MissingExtraError, RequestError, TerrazzoError
from terrazzo.core.images import read_mask, write_png
from terrazzo.predict import Predictor
from terrazzo.predict.video import VideoStopped, is_video, predict_video, writing
from terrazzo.predict.video.kinds import Kind
from terrazzo.predict.video.sequence import natural
from tests.predict.small import LABELS, predictor, small
from tests.predict.video.made import make_video, read_video, square, turn

GENUINE = Path(__file__).parents[4] / "shared" / "data" / "samples" / "video" / "test" / "resources"
needs_genuine = pytest.mark.skipif(
    not GENUINE.is_dir(), reason="the shared sample videos are not beside this checkout"
)


@pytest.fixture(scope="module")
def model() -> Predictor:
    return predictor(small())


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "square.mp4", [square(i) for i in range(12)])


def test_overlay__has_the_frames_times_and_pictures(model: Predictor, video: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    result = predict_video(model, video, tmp_path / "out.mp4", progress=lambda *counts: seen.append(counts))
    frames, times = read_video(result.out)
    before, before_times = read_video(video)
    assert (result.frames, result.size, result.frames_stated, result.rate) == (12, (48, 64), 12, 25)
    assert seen == [(i, 12) for i in range(1, 13)]
    assert times == [time - before_times[0] for time in before_times]
    for picture, image in zip(frames, before, strict=True):
        expected = model.overlay(image)
        assert np.abs(picture.astype(int) - expected).mean() < 12  # lossy, with colours for 2 x 2 pixels
    assert json.dumps(result.to_json())
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_masks__come_back_as_the_classes_colours(video: Path, tmp_path: Path) -> None:
    model = _fixed(lambda image: np.full(image.shape[:2], 1, np.uint8))
    result = predict_video(model, video, tmp_path, kind="masks")
    assert result.out == tmp_path / "square_masks.mp4"
    frames, _ = read_video(result.out)
    assert np.abs(np.array(frames).astype(int) - LABELS.palette[1]).max() <= 4


def test_side_by_side__is_the_frame_and_its_overlay(model: Predictor, video: Path, tmp_path: Path) -> None:
    frames, _ = read_video(predict_video(model, video, tmp_path, kind="side-by-side").out)
    before, _ = read_video(video)
    assert frames[0].shape == (48, 128, 3)
    assert np.abs(frames[3][:, :60].astype(int) - before[3][:, :60]).mean() < 6


def test_png__holds_raw_ids_and_a_table(model: Predictor, video: Path, tmp_path: Path) -> None:
    result = predict_video(model, video, tmp_path / "ids", kind="png", every=4, start=0.04)
    rows = list(csv.DictReader((result.out / "frames.csv").read_text().splitlines()))
    before, _ = read_video(video)
    assert [(row["file"], row["frame"], row["time_s"]) for row in rows] == [
        ("000001.png", "1", "0.040000"),
        ("000005.png", "5", "0.200000"),
        ("000009.png", "9", "0.360000"),
    ]
    for row in rows:
        ids = read_mask(result.out / row["file"])
        assert np.array_equal(ids, model.labels.decode(model.predict(before[int(row["frame"])])))


def test_times__vary_as_they_did(model: Predictor, tmp_path: Path) -> None:
    times = [100, 140, 150, 220, 300, 310, 999]
    source = make_video(tmp_path / "vfr.mkv", [square(i) for i in range(7)], times=times)
    for name in ("a.mp4", "a.mkv", "a.mov"):
        _, written = read_video(predict_video(model, source, tmp_path / name, flicker=False).out)
        assert written == [Fraction(time - 100, 1000) for time in times]


def test_selection__keeps_times_and_counts(model: Predictor, video: Path, tmp_path: Path) -> None:
    seen: list[Any] = []
    result = predict_video(
        model, video, tmp_path, every=2, start=0.12, end=0.4, progress=lambda *counts: seen.append(counts)
    )
    _, times = read_video(result.out)
    assert times == [0, Fraction(2, 25), Fraction(4, 25), Fraction(6, 25)]
    assert seen[-1] == (4, 4)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    ],
)
def test_rotation__is_applied_as_players_do(matrix: Any, shown: Any, tmp_path: Path) -> None:
    source = make_video(tmp_path / "turned.mp4", [square(i) for i in range(2)])
    stored, _ = read_video(source)
    seen: list[NDArray[Any]] = []
    model = _watched(seen)
    result = predict_video(model, turn(source, matrix), tmp_path / "out.mp4", flicker=False)
    assert np.array_equal(seen[1], shown(stored[1]))
    assert result.size == seen[0].shape[:2]
    assert read_video(result.out)[0][0].shape == seen[0].shape


def test_folder__plays_in_natural_order_at_the_given_rate(model: Predictor, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in (1, 2, 10):
        write_png(folder / f"f{index}.png", square(index)[:47, :63])
    (folder / "notes.txt").write_text("no frame")
    result = predict_video(model, folder, tmp_path / "ids", kind="png", fps=30000 / 1001)
    rows = list(csv.DictReader((result.out / "frames.csv").read_text().splitlines()))
    assert [row["source"] for row in rows] == ["f1.png", "f2.png", "f10.png"]
    video = predict_video(model, folder, tmp_path / "odd.mp4", fps=30000 / 1001)
    frames, times = read_video(video.out)
    assert frames[0].shape == (48, 64, 3)
    assert [round(time * 30000 / 1001, 3) for time in times] == [0, 1, 2]
    assert any("63 x 47 pixels became 64 x 48" in note for note in video.notes)


def test_sound__is_left_out_and_said(model: Predictor, tmp_path: Path) -> None:
    source = make_video(tmp_path / "loud.mp4", [square(i) for i in range(3)], sound=True)
    result = predict_video(model, source, tmp_path / "out.mp4")
    assert "The sound is left out." in result.notes


def test_smoothing__changes_labels_less_often_where_nothing_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noisy = [
        (square(0).astype(int) + rng.integers(-6, 7, (48, 64, 3))).clip(0, 255).astype(np.uint8)
        for _ in range(8)
    ]
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, picture in enumerate(noisy):
        write_png(folder / f"{index}.png", picture)
    model = predictor(small())
    plain = predict_video(model, folder, tmp_path / "a.mp4", fps=10)
    smooth = predict_video(model, folder, tmp_path / "b.mp4", fps=10, smoothing=0.3)
    assert plain.flicker is not None
    assert smooth.flicker is not None
    assert plain.flicker.smoothed is None
    assert plain.flicker.plain == smooth.flicker.plain
    assert plain.flicker.pairs == 7
    assert plain.flicker.still > 0.5
    assert smooth.flicker.smoothed is not None
    assert smooth.flicker.plain is not None
    assert 0 < smooth.flicker.smoothed < 0.7 * smooth.flicker.plain


def test_smoothing__comes_before_post_processing(tmp_path: Path) -> None:
    """No cluster below 40 pixels is left in any smoothed frame; without post-processing there are some."""
    folder = tmp_path / "frames"
    folder.mkdir()
    noise = np.random.default_rng(5).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    for index, picture in enumerate(noise):
        write_png(folder / f"{index}.png", picture)
    smallest = {}
    for steps in ("none", "drop-clusters=40"):
        out = tmp_path / steps
        model = predictor(small()).with_postprocess(steps)
        predict_video(model, folder, out, kind="png", fps=10, smoothing=0.5)
        smallest[steps] = min(_smallest_cluster(read_mask(path)) for path in sorted(out.glob("*.png")))
    assert smallest["none"] < 40 <= smallest["drop-clusters=40"]


def _smallest_cluster(ids: NDArray[Any]) -> int:
    """Return the area of the smallest connected cluster of one class, corners included."""
    import cv2

    areas = []
    for value in np.unique(ids):
        count, _, stats, _ = cv2.connectedComponentsWithStats((ids == value).astype(np.uint8), connectivity=8)
        areas += [int(stats[label, cv2.CC_STAT_AREA]) for label in range(1, count)]
    return min(areas)


def test_stopped__leaves_what_was_done(model: Predictor, video: Path, tmp_path: Path) -> None:
    def stop(done: int, in_all: int | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(VideoStopped, match=r"Stopped; 5 frames are in .*out\.mp4") as caught:
        predict_video(model, video, tmp_path / "out.mp4", progress=stop)
    assert caught.value.result is not None
    assert len(read_video(tmp_path / "out.mp4")[0]) == 5


@pytest.mark.slow
def test_killed__what_is_there_plays(tmp_path: Path) -> None:
    source = make_video(tmp_path / "long.mp4", [square(i % 40) for i in range(150)])
    code = (
        "import os, sys\n"
        "from terrazzo.predict.video import predict_video\n"
        "from tests.predict.small import predictor, small\n"
        "def kill(done, in_all):\n"
        "    if done == 140: os._exit(9)\n"
        "predict_video(predictor(small()), sys.argv[1], sys.argv[2], flicker=False, progress=kill)\n"
    )
    out = tmp_path / "out.mp4"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, source, out], env=environment, check=False)
    assert done.returncode == 9
    assert len(read_video(tmp_path / "out.part.mp4")[0]) >= 50
    assert not out.exists()


def test_truncated__keeps_what_could_be_read_and_says_how_much(model: Predictor, tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "cut.mp4", [square(i) for i in range(20)], options={"movflags": "faststart"}
    )
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 7 // 10])
    with pytest.raises(DataError, match=r"cut\.mp4 ends after \d+ of 20 frames") as caught:
        predict_video(model, source, tmp_path / "out.mp4")
    kept = len(read_video(tmp_path / "out.mp4")[0])
    assert 5 <= kept < 20
    assert f"The {kept} frames before that are in {tmp_path / 'out.mp4'}." in str(caught.value)


def test_damaged_in_the_middle__goes_on_and_says_so(model: Predictor, tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "bad.mp4", [square(i) for i in range(20)], options={"movflags": "faststart"}
    )
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(range(200))
    source.write_bytes(data)
    result = predict_video(model, source, tmp_path / "out.mp4")
    assert 10 <= result.frames <= 20
    assert any("passed over" in note for note in result.notes)


def test_bad_files__are_one_sentence_each(model: Predictor, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "words.mp4").write_text("not a video" * 99)
    (tmp_path / "none").mkdir()
    foreign = tmp_path / "foreign.mp4"
    foreign.write_bytes(video.read_bytes().replace(b"avc1", b"zzzz"))
    for path, expected in [
        (tmp_path / "gone.mp4", "there is no such file"),
        (tmp_path / "empty.mp4", "cannot be read as a video"),
        (tmp_path / "words.mp4", "cannot be read as a video"),
        (foreign, "this FFmpeg cannot decode"),
        (_sound_only(tmp_path / "sound.mp4"), "has no video stream, only audio"),
        (_no_frames(tmp_path / "header.mp4", video), "holds no frame that can be decoded"),
    ]:
        with pytest.raises(DataError, match=expected):
            predict_video(model, path, out)
    with pytest.raises(DataError, match="holds no frames"):
        predict_video(model, tmp_path / "none", out, fps=25)
    assert not out.exists()


def test_frame_of_another_size__keeps_what_was_done(model: Predictor, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        write_png(folder / f"{index}.png", square(index)[: 48 - 8 * (index == 2)])
    with pytest.raises(DataError, match=r"2\.png is \(40, 64, 3\).*The 2 frames before that are in"):
        predict_video(model, folder, tmp_path / "out.mp4", fps=5)
    assert len(read_video(tmp_path / "out.mp4")[0]) == 2


def test_wrong_wishes__are_refused_before_any_work(model: Predictor, video: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"mine")

    def refused(match: str, out: Path = tmp_path / "out.mp4", source: Path = video, **wishes: Any) -> None:
        with pytest.raises(RequestError, match=match):
            predict_video(model, source, out, **wishes)

    refused("is there already", taken)
    refused("is the source itself", video, overwrite=True)
    refused("ends in .avi", tmp_path / "out.avi")
    refused("Unknown kind of video 'overlays': did you mean 'overlay'", kind="overlays")
    refused("Every 0-th frame", every=0)
    refused("expected 0 <= start < end", start=2.0, end=1.0)
    refused("Smoothing by 1.5 is impossible", smoothing=1.5)
    refused("expected 0 .best. to 51", crf=99)
    refused("has a frame rate of its own", fps=25)
    refused("give fps", source=tmp_path)
    refused("no frame between 99.0 s and its end", start=99.0)
    refused("is a file; PNG files", taken, kind="png")
    assert taken.read_bytes() == b"mine"
    predict_video(model, video, taken, overwrite=True, end=0.1)
    assert len(read_video(taken)[0]) == 3


@pytest.mark.parametrize("kind", ["overlay", "png"])
def test_unwritable__is_one_sentence(model: Predictor, video: Path, tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TerrazzoError, match=r"cannot be written: (Not a directory|File exists)"):
        predict_video(model, video, tmp_path / "file" / "out.mp4", kind=kind)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_disk__is_one_sentence(model: Predictor, video: Path, tmp_path: Path) -> None:
    (tmp_path / "out.part.mp4").symlink_to("/dev/full")
    with pytest.raises(TerrazzoError, match=r"out\.mp4 cannot be written: No space left"):
        predict_video(model, video, tmp_path / "out.mp4")


def test_without_h264__mpeg_4_is_written_and_said(
    model: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ENCODERS", {"libnothing": {}, "mpeg4": {}})
    source = make_video(
        tmp_path / "a.mp4", [square(i) for i in range(3)], time_base=Fraction(1, 90000), times=[0, 3000, 9000]
    )
    result = predict_video(model, source, tmp_path / "out.mp4")
    assert result.encoder == "mpeg4"
    assert any("not shown by browsers" in note for note in result.notes)
    assert read_video(result.out)[1] == [0, Fraction(1, 30), Fraction(1, 10)]
    monkeypatch.setattr(writing, "ENCODERS", {"libnothing": {}})
    with pytest.raises(TerrazzoError, match="encodes no video"):
        predict_video(model, source, tmp_path / "more.mp4")


def test_missing_av__says_what_to_install(
    model: Predictor, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r'pip install "terrazzo\[video\]"'):
        predict_video(model, video, tmp_path / "out.mp4")


def test_natural__sorts_numbers_as_numbers() -> None:
    names = ["a10.png", "A2.png", "a1b3.png", "a1b20.png", "7.png", "x.png"]
    assert [file.name for file in sorted(map(Path, reversed(names)), key=natural)] == [
        "7.png",
        "a1b3.png",
        "a1b20.png",
        "A2.png",
        "a10.png",
        "x.png",
    ]


def test_is_video__goes_by_the_name() -> None:
    assert is_video("a/B.MP4")
    assert is_video(Path("x.mkv"))
    assert not is_video("photo.png")
    assert not is_video("scan.nii.gz")


@needs_genuine
def test_genuine__the_best_stream_and_its_first_frame(tmp_path: Path) -> None:
    import torch

    reference = torch.load(GENUINE / "nasa_13013.mp4.stream3.frame000000.pt", weights_only=True).numpy()
    seen: list[NDArray[Any]] = []
    model = _watched(seen)
    result = predict_video(model, GENUINE / "nasa_13013.mp4", tmp_path, every=30, flicker=False)
    assert (result.size, result.frames, result.frames_stated) == ((270, 480), 13, 390)
    assert np.abs(seen[0].astype(int) - reference).max() <= 2
    assert result.notes[:2] == (
        "Of 2 video streams number 3 (480 x 270) was read.",
        "The sound is left out.",
    )


@needs_genuine
def test_genuine__hevc(model: Predictor, tmp_path: Path) -> None:
    result = predict_video(model, GENUINE / "h265_video.mp4", tmp_path, smoothing=0.5)
    assert (result.size, result.frames) == ((128, 128), 10)


def _fixed(labels_of: Any) -> Predictor:
    """Return a predictor whose labels are a function of the image."""
    from terrazzo.predict import Answer

    model = predictor(small())
    model.answer = lambda image: Answer(labels_of(image), None)  # type: ignore[method-assign,arg-type]
    return model


def _watched(seen: list[NDArray[Any]]) -> Predictor:
    """Return a predictor that keeps what it is shown."""

    def answer(image: NDArray[Any]) -> NDArray[Any]:
        seen.append(image)
        return np.zeros(image.shape[:2], np.uint8)

    return _fixed(answer)


def _sound_only(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _no_frames(path: Path, video: Path) -> Path:
    """Write a video whose pixels are all gone."""
    data = bytearray(video.read_bytes())
    begin = data.find(b"mdat") + 4
    size = int.from_bytes(data[begin - 8 : begin - 4], "big") - 8
    data[begin : begin + size] = bytes(size)
    path.write_bytes(data)
    return path
