from pathlib import Path

import numpy as np
import pytest
import torch

from terrazzo.core import LabelMap
from terrazzo.core.prediction import Prediction, to_probabilities
from terrazzo.evaluate.explorer.confidence import picture_confidence
from terrazzo.evaluate.explorer.layers import (
    LEVELS,
    class_layer,
    compare_layer,
    confidence_layer,
    save_layer,
)
from terrazzo.evaluate.explorer.pictures import bounded
from terrazzo.figures.pictures import WRONG
from tests.evaluate.explorer.made import layer_colors

LABELS = LabelMap.of({"sky": (10, 20, 200), "road": (90, 90, 90)})


def test_class_layer__paints_classes_numbers_and_void(tmp_path: Path) -> None:
    ids = np.zeros((60, 80), np.uint8)
    ids[30:] = 1
    ids[:, 70:] = 255
    save_layer(tmp_path / "a.png", class_layer(ids, LABELS))
    shown = layer_colors(tmp_path / "a.png")
    colors = {tuple(color) for color in shown[:30, :70].reshape(-1, 4)}
    assert (10, 20, 200, 255) in colors
    assert colors - {(10, 20, 200, 255), (0, 0, 0, 255), (245, 245, 245, 255)} == set()
    assert len(colors) == 3  # the number is there
    assert set(shown[:, 70:, 3].ravel()) == {0, 255}


@pytest.mark.parametrize("count", [253, 300])
def test_class_layer__of_more_classes_than_a_palette_holds(tmp_path: Path, count: int) -> None:
    labels = LabelMap.of(
        {f"c{k}": (k % 256, k // 256, 7) for k in range(count)}, void_ids=(255,) if count < 256 else ()
    )
    ids = np.arange(count, dtype=labels.mask_dtype).reshape(1, -1)
    save_layer(tmp_path / "a.png", class_layer(ids, labels))
    assert (layer_colors(tmp_path / "a.png")[0, :, :3] == labels.palette).all()


def test_compare_layer__tells_who_is_right(tmp_path: Path) -> None:
    truth = np.array([[0, 0, 0, 0, 255]], np.uint8)
    first = np.array([[0, 0, 1, 1, 1]], np.uint8)
    second = np.array([[0, 1, 0, 1, 0]], np.uint8)
    save_layer(tmp_path / "a.png", compare_layer(first, second, truth, 255))
    both, only_first, only_second, neither, void = layer_colors(tmp_path / "a.png")[0].tolist()
    assert both[3] == 0
    assert only_second == [*WRONG, 255]
    assert len({tuple(c) for c in (only_first, only_second, neither, void)}) == 4


def test_confidence_layer__is_clear_where_the_model_is_sure() -> None:
    index, table = confidence_layer(np.array([[1.0, 0.75, 0.5, 0.2]], np.float32))
    assert table[index][0, :, 3].tolist() == [0, pytest.approx(127, abs=5), 255, 255]
    assert len(table) == LEVELS


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(("size", "stride"), [((20, 28), 4), ((19, 27), 4), ((9, 7), 1)])
def test_picture_confidence__is_that_of_the_probabilities(
    size: tuple[int, int], stride: int, align: bool
) -> None:
    shape = [1, 3, *(-(-side // stride) for side in size)]
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    prediction = Prediction(logits, stride, size, align_corners=align)
    expected = to_probabilities(prediction).max(axis=0)
    assert np.abs(picture_confidence(prediction, size) - expected).max() < 1e-5


def test_picture_confidence__of_a_third_of_the_size_reads_every_third_pixel() -> None:
    logits = torch.randn((1, 3, 12, 16), generator=torch.Generator().manual_seed(0))
    prediction = Prediction(logits, 4, (48, 63))
    expected = to_probabilities(prediction).max(axis=0)[1::3, 1::3]
    assert np.abs(picture_confidence(prediction, (16, 21)) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("size", "expected"),
    [((360, 480), (360, 480)), ((1024, 2048), (480, 960)), ((4000, 3), (960, 1)), ((960, 960), (960, 960))],
)
def test_bounded__keeps_proportion_and_never_enlarges(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert bounded(size, 960) == expected
