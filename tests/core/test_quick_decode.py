"""The quick decoders give Pillow's pixels, and leave to Pillow what is not plain."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.core.image_files import Encoded, opened, shrink_on_load
from terrazzo.core.images import read_image
from terrazzo.core.quick_decode import quick_pixels


def picture(mode: str, height: int = 37, width: int = 53) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    waves = np.stack([127 + 100 * np.sin(rows / a + columns / b) for a, b in ((5, 9), (9, 4), (3, 7))], 2)
    return Image.fromarray(waves.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> Encoded:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return Encoded(f"a.{kind.lower()}", buffer.getvalue())


def quick(file: Encoded | Path) -> Any:
    with opened(file) as image:
        return quick_pixels(image, file)


PLAIN = [
    ("RGB", "PNG", {}),
    ("L", "PNG", {}),
    ("RGB", "PNG", {"transparency": (1, 2, 3)}),
    ("RGB", "JPEG", {"quality": 90}),
    ("RGB", "JPEG", {"quality": 60, "subsampling": 0}),
    ("RGB", "JPEG", {"progressive": True}),
    ("RGB", "JPEG", {"keep_rgb": True}),
    ("L", "JPEG", {}),
]


@pytest.mark.parametrize(("mode", "kind", "options"), PLAIN)
def test_quick_pixels__are_those_of_pillow(
    mode: str, kind: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = encoded(picture(mode), kind, **options)
    found = quick(file)
    assert found is not None
    (tmp_path / file.name).write_bytes(file.data)
    np.testing.assert_array_equal(quick(tmp_path / file.name), found)
    monkeypatch.setattr("terrazzo.core.images.quick_pixels", lambda image, path: None)
    np.testing.assert_array_equal(found, read_image(file))
    assert found.flags.c_contiguous
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG"),
     ("RGB", "BMP"), ("RGB", "TIFF")],
)  # fmt: skip
def test_quick_pixels__what_is_not_plain_is_left_to_pillow(mode: str, kind: str) -> None:
    image = Image.fromarray(np.full((5, 6), 999, np.uint16)) if mode == "I;16" else picture(mode)
    assert quick(encoded(image, kind)) is None


def test_quick_pixels__a_fraction_is_left_to_pillow() -> None:
    file = encoded(picture("RGB"), "JPEG")
    with opened(file) as image:
        shrink_on_load(image, (10, 10), sideways=False)
        assert quick_pixels(image, file) is None


def test_quick_pixels__the_camera_is_turned_once() -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = encoded(picture("RGB"), "JPEG", exif=exif)
    assert quick(file).shape == (37, 53, 3)
    np.testing.assert_array_equal(read_image(file), np.rot90(quick(file), -1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_read_image__a_damaged_file_is_an_error_as_before(kind: str) -> None:
    file = encoded(picture("RGB"), kind)
    for cut in (len(file.data) // 3, len(file.data) // 2):
        with pytest.raises(DataError, match="truncated or damaged"):
            read_image(Encoded("a", file.data[:cut]))


def test_read_image__what_opencv_refuses_goes_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    file = encoded(picture("RGB"), "PNG")
    expected = read_image(file)
    for refusal in (None, np.zeros((2, 2, 3), np.uint8), expected.astype(np.uint16)):
        monkeypatch.setattr(cv2, "imdecode", lambda data, kind, answer=refusal: answer)
        assert quick(file) is None
        np.testing.assert_array_equal(read_image(file), expected)


def test_read_image__a_file_with_bytes_after_its_end_goes_to_pillow() -> None:
    file = encoded(picture("RGB"), "JPEG")
    longer = Encoded("a", file.data + b"more")
    assert quick(longer) is None
    np.testing.assert_array_equal(read_image(longer), read_image(file))
