"""What a run will take is said before it: of the largest image, as it will be cut."""

from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.images import write_png
from terrazzo.predict import Tiled, TorchBackend, WholeImage, predict_files
from terrazzo.predict.inference import Inference
from terrazzo.predict.tiles.auto import AutoTiled
from terrazzo.predict.tiles.foretell import foretell, plan_of
from terrazzo.predict.tiles.memory import in_words
from terrazzo.predict.views.tta import TestTime
from tests.predict.small import predictor, small


@pytest.fixture(scope="module")
def whole() -> WholeImage:
    return WholeImage(TorchBackend(small()))


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Three images; the second is the largest."""
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path, size in zip(paths, ((60, 80), (400, 300), (40, 90)), strict=True):
        write_png(path, np.zeros((*size, 3), dtype=np.uint8))
    return paths


def test_foretell__names_the_largest_image(whole: WholeImage, images: list[Path]) -> None:
    said = foretell(whole, images)
    need = plan_of(whole, (400, 300)).whole_bytes
    assert said == f"b.png, the largest of 3 images: 300 x 400 pixels take about {in_words(need)} whole."
    assert foretell(whole, images[1:2]) == said.split(": ")[1]


def test_foretell__unreadable_files_are_left_to_the_reading(whole: WholeImage, images: list[Path]) -> None:
    images[1].write_bytes(b"no image")
    assert "c.png" not in (foretell(whole, images) or "")
    assert (foretell(whole, images) or "").startswith("a.png, the largest of 3 images")
    assert foretell(whole, [images[1]]) is None


@pytest.mark.parametrize("wrapped", [False, True])
def test_foretell__tiles_of_a_given_size_wherever_they_are(
    whole: WholeImage, images: list[Path], wrapped: bool
) -> None:
    tiled: Inference = Tiled(whole, 128, 32)
    said = foretell(TestTime(tiled, "hflip") if wrapped else tiled, images)
    assert said is not None
    assert "128 x 128 tiles with 32 overlap take" in said


def test_foretell__what_fits_in_no_way_is_said_and_the_others_are_predicted(
    whole: WholeImage, images: list[Path]
) -> None:
    said = foretell(AutoTiled(whole, budget=1000), images)
    assert said is not None
    assert "even in tiles of 64" in said


def test_predict_files__says_it_before_the_work(images: list[Path], tmp_path: Path) -> None:
    told: list[str] = []

    def announce(sentence: str) -> None:
        assert not list((tmp_path / "out").glob("*.png"))
        told.append(sentence)

    predict_files(predictor(small()), images, tmp_path / "out", announce=announce)
    assert len(told) == 1
    assert told[0].startswith("b.png, the largest of 3 images: 300 x 400 pixels take about")
