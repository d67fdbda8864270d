"""Many files: raw ids under the same stem, whole files only, refusals first and failures last."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from terrazzo.checkpoint.save import make_card
from terrazzo.core.errors import DataError, RequestError, TerrazzoError
from terrazzo.core.images import read_image, read_mask, write_png
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.models import build_model
from terrazzo.predict import PredictedFile, Predictor, predict_files

LABELS = LabelMap(
    (LabelClass("sky", (70, 130, 180), (23,)), LabelClass("road", (128, 64, 128), (7,))), void_ids=(0,)
)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(2)
    model = build_model("unet", num_classes=2, num_blocks=1).eval()
    return Predictor(model, LABELS, make_card(model, LABELS))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with b.png, a.png and sub/c.png, and things that are no images."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("b.png", "a.png", "sub/c.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (40 + seed, 50, 3), dtype=np.uint8)
        write_png(folder / name, pixels)
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_bytes(b"what another system leaves behind")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_predict_files__raw_ids_under_the_same_stem(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "masks"
    written = predict_files(predictor, photos, out)
    assert names(out) == ["a.png", "b.png", "c.png"]
    assert [item.image.name for item in written] == ["a.png", "b.png", "c.png"]
    for item in written:
        raw = read_mask(item.mask)
        np.testing.assert_array_equal(raw, LABELS.decode(predictor.predict(item.image)))
        assert set(np.unique(raw)) <= {7, 23}


def test_predict_files__overlay_and_probabilities(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    (item,) = predict_files(predictor, [photos / "a.png"], out, overlay=True, probabilities=True)
    assert names(out) == ["a.png", "a_overlay.png", "a_probabilities.npz"]
    assert item == PredictedFile(photos / "a.png", *item.results)
    assert item.to_json()["overlay"] == str(out / "a_overlay.png")
    np.testing.assert_array_equal(
        read_image(out / "a_overlay.png"), predictor.overlay(photos / "a.png", alpha=0.5)
    )
    with np.load(out / "a_probabilities.npz", allow_pickle=False) as stored:
        assert stored["probabilities"].dtype == np.float16
        assert stored["names"].tolist() == ["sky", "road"]
        np.testing.assert_allclose(
            stored["probabilities"], predictor.probabilities(photos / "a.png"), atol=1e-3
        )


def test_predict_files__the_network_runs_once_per_image(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    hook = predictor.model.register_forward_hook(lambda *_: runs.append(1))
    predict_files(predictor, photos, tmp_path / "masks", overlay=True, probabilities=True)
    hook.remove()
    assert len(runs) == 3


def test_predict_files__progress_counts_to_the_end(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    predict_files(
        predictor, photos, tmp_path / "masks", progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_predict_files__results_inside_the_input_folder_are_not_inputs(
    predictor: Predictor, photos: Path
) -> None:
    for _ in range(2):
        written = predict_files(predictor, photos, photos / "masks", overlay=True)
        assert [item.image.name for item in written] == ["a.png", "b.png", "c.png"]


def test_predict_files__an_image_given_twice_is_done_once(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    written = predict_files(predictor, [photos / "b.png", photos], tmp_path / "masks")
    assert [item.image.name for item in written] == ["b.png", "a.png", "c.png"]


@pytest.mark.parametrize("twin", ["a.bmp", "A.PNG.jpg", "sub/a.png"])
def test_predict_files__two_images_of_one_stem_are_refused_before_any_work(
    predictor: Predictor, photos: Path, tmp_path: Path, twin: str
) -> None:
    twin = "A.jpg" if twin == "A.PNG.jpg" else twin  # differs in case only: one file on many systems
    (photos / twin).write_bytes((photos / "a.png").read_bytes())
    with pytest.raises(
        RequestError, match=r"would both be written to .*a\.png\. Rename one of them"
    ) as caught:
        predict_files(predictor, photos, tmp_path / "masks")
    assert str(photos / "a.png") in str(caught.value)
    assert str(photos / twin) in str(caught.value)
    assert not (tmp_path / "masks").exists()


def test_predict_files__an_overlay_that_would_hit_another_mask(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    (photos / "a_overlay.png").write_bytes((photos / "a.png").read_bytes())
    assert len(predict_files(predictor, photos, tmp_path / "masks")) == 4
    with pytest.raises(RequestError, match=r"would both be written to .*a_overlay\.png"):
        predict_files(predictor, photos, tmp_path / "masks", overlay=True)


def test_predict_files__inputs_are_never_overwritten(predictor: Predictor, photos: Path) -> None:
    before = (photos / "a.png").read_bytes()
    with pytest.raises(RequestError, match=r"a\.png is one of the input images and would be overwritten"):
        predict_files(predictor, [photos / "a.png"], photos)
    assert (photos / "a.png").read_bytes() == before


def test_predict_files__one_bad_image_does_not_lose_the_others(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "a.png").write_bytes(whole[: len(whole) // 2])
    write_png(photos / "grey.png", np.zeros((40, 40), np.uint8))
    write_png(photos / "tiny.png", np.zeros((5, 5, 3), np.uint8))
    out = tmp_path / "masks"
    with pytest.raises(DataError) as caught:
        predict_files(predictor, photos, out)
    assert names(out) == ["b.png", "c.png"]
    head, first, second, third = str(caught.value).splitlines()
    assert head == f"3 of 5 images could not be predicted; the results of the other 2 are in {out}:"
    assert "a.png: the image is truncated" in first
    assert "grey.png: The image has 1 channel" in second
    assert "tiny.png: The images are 5 x 5 pixels" in third


def test_predict_files__memory_that_runs_out_is_one_bad_image(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = predictor.answer

    def out_of_memory(image: np.ndarray) -> object:
        if image.shape[0] == 41:
            raise torch.OutOfMemoryError("tried to allocate 64 GiB")
        return answer(image)

    monkeypatch.setattr(predictor, "answer", out_of_memory)
    with pytest.raises(DataError, match=r"a\.png: 41 x 50 pixels are too many for the memory here: tried"):
        predict_files(predictor, photos, tmp_path / "masks")
    assert names(tmp_path / "masks") == ["b.png", "c.png"]


def test_predict_files__missing_and_empty_inputs(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file or folder .*no_photos\. Give image files"):
        predict_files(predictor, tmp_path / "no_photos", tmp_path / "masks")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"No images in .*empty: looked for files that end in .*\.jpg.*\.png"):
        predict_files(predictor, tmp_path / "empty", tmp_path / "masks")
    assert not (tmp_path / "masks").exists()


def test_predict_files__out_is_a_file(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("")
    with pytest.raises(
        TerrazzoError, match=r"masks cannot be written: File exists\. Free some space there, or"
    ):
        predict_files(predictor, photos, tmp_path / "masks")


def test_predict_files__a_full_disk_stops_at_once_and_leaves_whole_files(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def fill_up(path: Path, array: np.ndarray) -> None:
        nonlocal count
        count += 1
        if count == 2:
            path.write_bytes(b"half")
            raise TerrazzoError("cannot") from OSError(errno.ENOSPC, "No space left on device")
        write_png(path, array)

    monkeypatch.setattr("terrazzo.core.images.write_png", fill_up)
    with pytest.raises(
        TerrazzoError, match=r"masks/b\.png cannot be written: No space left on device\. Free some"
    ):
        predict_files(predictor, photos, tmp_path / "masks")
    assert count == 2
    assert names(tmp_path / "masks") == ["a.png"]


def test_predict_files__ctrl_c_leaves_whole_files(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, array: np.ndarray) -> None:
        if ".b." in path.name:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        write_png(path, array)

    monkeypatch.setattr("terrazzo.core.images.write_png", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_files(predictor, photos, tmp_path / "masks")
    assert names(tmp_path / "masks") == ["a.png"]


def test_predict_files__a_former_result_is_replaced(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"from another model")
    with (tmp_path / "a.png").open("rb") as reader:
        (item,) = predict_files(predictor, [photos / "a.png"], tmp_path)
        assert reader.read() == b"from another model", "a reader of the former file must keep it whole"
    assert read_mask(item.mask).shape == (41, 50)
