"""Images in tiles: what equals the whole image, and where."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import TorchBackend, WholeImage, to_ids
from terrazzo.predict.tiles.tiled import Grid, Tiled, grid_step
from tests.predict.small import FIELD, STRIDE, small


def photo(height: int, width: int, channels: int = 3) -> Any:
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)


def whole(**options: Any) -> WholeImage:
    return WholeImage(TorchBackend(small(**options)))


def far_from_inner_borders(grid: Grid, margin: int) -> Any:
    """Return (h, w): is a logit further than `margin` pixels from every border between tiles?"""

    def along(starts: tuple[int, ...], size: int) -> Any:
        at = np.arange(-(-size // STRIDE)) * STRIDE
        far = np.ones(len(at), bool)
        for start in starts:
            end = start + grid.tile
            if start > 0:
                far &= (at < start) | (at >= start + margin)
            if end < size:
                far &= (at >= end) | (at + STRIDE + margin <= end)
        return far

    return along(grid.rows, grid.size[0])[:, None] & along(grid.columns, grid.size[1])


@pytest.mark.parametrize("size", [(300, 400), (257, 389), (96, 500), (500, 60)])
def test_tiled__equals_the_whole_image_beyond_the_receptive_field(size: tuple[int, int]) -> None:
    tiled = Tiled(whole(), 96, 32)
    image = photo(*size)
    expected, given = tiled.inference(image), tiled(image)
    far = far_from_inner_borders(Grid.of(size, 96, 32, STRIDE), FIELD)
    assert 0.3 < far.mean() < 1
    difference = (given.logits - expected.logits)[0].abs().amax(dim=0).numpy()
    spread = float(expected.logits.std())
    assert difference[far].max() < 1e-5 * spread
    assert 1e-4 * spread < difference[~far].max() < 0.1 * spread, "borders count, but hardly"
    assert (given.stride, given.size) == (expected.stride, expected.size)


def test_tiled__the_labels_are_those_of_the_whole_image() -> None:
    tiled = Tiled(whole(), 128, 48)
    image = photo(400, 500)
    assert (to_ids(tiled(image)) == to_ids(tiled.inference(image))).mean() > 0.9995


def test_tiled__small_images_go_whole_with_the_same_bits() -> None:
    tiled = Tiled(whole(), 128)
    image = photo(128, 101)
    assert torch.equal(tiled(image).logits, tiled.inference(image).logits)


def test_tiled__never_more_than_the_logits_and_one_tile() -> None:
    seen: list[tuple[int, ...]] = []

    class Watched(WholeImage):
        def __call__(self, image_HWC: Any) -> Prediction:
            seen.append(image_HWC.shape)
            return super().__call__(image_HWC)

    Tiled(Watched(TorchBackend(small())), 64, 16)(photo(200, 150))
    assert {max(shape[:2]) for shape in seen} == {64}
    assert len(seen) == 4 * 3


def test_tiled__aligned_corners_are_widened_over_the_whole_image() -> None:
    tiled = Tiled(whole(align_corners=True), 128, 64)
    image = photo(250, 300)
    given = tiled(image)
    assert given.align_corners
    assert (to_ids(given) == to_ids(tiled.inference(image))).mean() > 0.9995


def test_tiled__a_grey_image_without_channel_axis() -> None:
    tiled = Tiled(whole(in_channels=1), 64)
    image = photo(150, 100, 1)
    assert torch.equal(tiled(image[..., 0]).logits, tiled(image).logits)


class Coarse(SegmentationModel):
    """Full-size logits that are the same in every 8 x 8 pixels: any other shift gives other logits."""

    def __init__(self) -> None:
        super().__init__(num_classes=3, in_channels=3, stride=1, multiple=8)
        self.scale = nn.Parameter(torch.ones(()))

    def logits(self, image_BCHW: Tensor) -> Tensor:
        coarse: Tensor = functional.avg_pool2d(image_BCHW, 8) * self.scale
        return functional.interpolate(coarse, scale_factor=8.0)


def test_tiled__starts_on_the_networks_coarsest_grid() -> None:
    backend = TorchBackend(Coarse())
    assert (backend.stride, grid_step(backend)) == (1, 8)
    tiled = Tiled(WholeImage(backend), 72, 24)
    image = photo(131, 200)
    torch.testing.assert_close(tiled(image).logits, tiled.inference(image).logits)


def test_tiled__probabilities_of_nought_stay_numbers() -> None:
    class Sure(WholeImage):
        """Certain of class 0, the logarithms of its probabilities being 0 and minus infinity."""

        def __call__(self, image_HWC: Any) -> Prediction:
            prediction = super().__call__(image_HWC)
            logits = torch.full_like(prediction.logits, -torch.inf)
            logits[:, 0] = 0
            return replace(prediction, logits=logits)

    given = Tiled(Sure(TorchBackend(small())), 64)(photo(100, 100))
    assert torch.isfinite(given.logits).all()
    assert (to_ids(given) == 0).all()


def test_tiled__says_what_it_does() -> None:
    assert Tiled(whole(), 512, 128).method.tiles == "tiles 512 x 512, overlap 128, Gaussian"
    assert Tiled(whole(), 512).method.tiles == "tiles 512 x 512, overlap 128, Gaussian"


@pytest.mark.parametrize(
    ("tile", "overlap", "sentence"),
    [
        (510, None, "A tile of 510 pixels does not fit this network; expected a multiple of 4, such as 512"),
        (512, 512, "An overlap of 512 pixels does not fit tiles of 512; expected 0 to 508"),
        (32, 4, "Tiles of 32 pixels are too small for this network; expected 64 or more, 512 is usual"),
    ],
)
def test_tiled__impossible_tiles(tile: int, overlap: int | None, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        Tiled(whole(), tile, overlap)


def test_tiled__volumes_are_refused() -> None:
    model = small()
    model.sides = 3
    with pytest.raises(RequestError, match="Tiles are cut from images; this model takes volumes"):
        Tiled(WholeImage(TorchBackend(model)), 64)


def test_tiled__wrong_channels_are_the_same_sentence() -> None:
    with pytest.raises(DataError, match="The image has 4 channels, but the model takes 3"):
        Tiled(whole(), 64)(photo(200, 200, 4))
