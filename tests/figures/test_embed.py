import base64
import io

import numpy as np
import pytest
from PIL import Image

from terrazzo.figures import fit_mask, fit_photo, heat_uri, layer_uri, mask_uri, photo_uri


def opened(uri: str, kind: str) -> Image.Image:
    head, _, content = uri.partition(",")
    assert head == f"data:image/{kind};base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((720, 960), (480, 640)),
        ((2000, 10), (640, 3)),
        ((360, 480), (360, 480)),
        ((96, 128), (288, 384)),
        ((1, 5000), (1, 640)),
    ],
)
def test_fit__photo_and_mask_get_the_same_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit_photo(np.zeros((*size, 3), np.uint8)).shape == (*expected, 3)
    assert fit_mask(np.zeros(size, np.uint8)).shape == expected


def test_fit_mask__invents_no_id() -> None:
    ids = np.random.default_rng(0).choice(np.array([0, 7, 255], dtype=np.uint8), (900, 1300))
    assert set(np.unique(fit_mask(ids))) == {0, 7, 255}
    small = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    assert np.array_equal(fit_mask(small), small.repeat(240, axis=0).repeat(240, axis=1))


def test_mask_uri__gives_flat_colours_back_exactly() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (150, 3), dtype=np.uint8)
    picture = colors[np.random.default_rng(1).integers(0, 150, (40, 50))]
    assert np.array_equal(np.array(opened(mask_uri(picture), "png").convert("RGB")), picture)


def test_photo_uri__is_close_and_keeps_thin_strong_lines() -> None:
    picture = np.full((64, 64, 3), 60, dtype=np.uint8)
    picture[:, 30] = (255, 176, 0)
    back = np.array(opened(photo_uri(picture), "jpeg")).astype(int)
    assert np.abs(back - picture).mean() < 4
    assert np.abs(back[:, 30] - picture[:, 30]).max() < 60


def test_layer_uri__is_clear_where_not_shown_and_exact_elsewhere() -> None:
    picture = np.random.default_rng(0).integers(1, 256, (20, 30, 3), dtype=np.uint8)
    shown = np.arange(600).reshape(20, 30) % 3 > 0
    back = np.array(opened(layer_uri(picture, shown), "png"))
    assert np.array_equal(back[..., 3], np.where(shown, 255, 0))
    assert np.array_equal(back[shown][:, :3], picture[shown])
    assert not back[~shown].any()


def test_heat_uri__is_clear_at_0_and_full_at_the_largest() -> None:
    back = np.array(opened(heat_uri(np.array([[0.0, 0.25], [1.0, 0.0]])), "png"))
    assert back[..., 3].tolist() == [[0, 128], [255, 0]]
    assert not np.array(opened(heat_uri(np.zeros((2, 2))), "png"))[..., 3].any()
