"""Reading images and masks: every kind of file has a defined result or a clear error."""

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core import DataError, TerrazzoError
from terrazzo.core.images import image_size, mask_size, read_image, read_mask, write_png

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
WIDE = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def oriented(path: Path, pixels: NDArray[Any], orientation: int, **options: Any) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    return save(path, Image.fromarray(pixels), exif=exif, **options)


def paletted(indices: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
    return image


def test_read_image__grey_is_one_channel(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", Image.fromarray(GREY)))
    np.testing.assert_array_equal(image, GREY[..., None])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_read_image__rgb_in_every_lossless_format(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(COLOR), **options)
    np.testing.assert_array_equal(read_image(path), COLOR)
    assert image_size(path) == (6, 9)


def test_read_image__one_bit_becomes_0_and_255(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", Image.fromarray(GREY > 127)))
    np.testing.assert_array_equal(image[..., 0], np.where(GREY > 127, 255, 0))


def test_read_image__palette_becomes_rgb_with_and_without_transparency(tmp_path: Path) -> None:
    picture = paletted(GREY)
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", picture)), expected)
    np.testing.assert_array_equal(
        read_image(save(tmp_path / "b.png", picture, transparency=b"\x00" * 9)), expected
    )


def test_read_image__alpha_is_dropped(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (6, 9, 1), dtype=np.uint8)
    rgba = Image.fromarray(np.concatenate([COLOR, alpha], axis=2))
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", rgba)), COLOR)
    grey = Image.fromarray(np.concatenate([GREY[..., None], alpha], axis=2), mode=None)
    np.testing.assert_array_equal(read_image(save(tmp_path / "b.png", grey)), GREY[..., None])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_read_image__16_bit_grey_keeps_all_bits(tmp_path: Path, suffix: str) -> None:
    image = read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(WIDE)))
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, WIDE[..., None])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_read_image__16_bit_colour_keeps_all_bits(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = RNG.integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    order = [2, 1, 0, 3][:channels]
    cv2.imwrite(str(path), pixels[..., order])
    image = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, pixels[..., :3])


def test_read_image__float_tiff(tmp_path: Path) -> None:
    pixels = RNG.normal(size=(6, 9)).astype(np.float32)
    image = read_image(save(tmp_path / "a.tif", Image.fromarray(pixels)))
    np.testing.assert_array_equal(image, pixels[..., None])


def test_read_image__pages_are_channels(tmp_path: Path) -> None:
    pages = [Image.fromarray(RNG.integers(0, 256, (6, 9), dtype=np.uint8)) for _ in range(5)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_image(path), np.dstack([np.asarray(page) for page in pages]))


def test_read_image__pages_of_several_sizes_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.zeros((n, n), np.uint8)) for n in (6, 7)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"2 pages of shape .* expected one page, or grey pages"):
        read_image(path)


@pytest.mark.parametrize(
    ("pixels", "channels"),
    [(GREY, 1), (COLOR, 3), (np.zeros((6, 9, 7), np.float32), 7), (np.zeros((6, 9, 2), ">u2"), 2)],
)
def test_read_image__npy(tmp_path: Path, pixels: NDArray[Any], channels: int) -> None:
    path = tmp_path / "a.npy"
    np.save(path, pixels)
    image = read_image(path)
    assert image.shape == (6, 9, channels)
    assert image.dtype == pixels.dtype.newbyteorder("=")
    np.testing.assert_array_equal(image.reshape(pixels.shape), pixels)
    assert image_size(path) == (6, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_read_image__exif_rotation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    """Pillow's own transposition is the reference."""
    from PIL import ImageOps

    pixels = np.kron(RNG.integers(0, 256, (4, 6, 1), dtype=np.uint8), np.ones((8, 8, 3), np.uint8))
    path = oriented(tmp_path / f"a.{suffix}", pixels, orientation)
    image = read_image(path)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous
    assert image_size(path) == image.shape[:2]


def test_read_image__float_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((3, 4), np.float32)
    pixels[1, 2] = np.nan
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(DataError, match="1 pixels are not finite, the first at row 1, column 2"):
        read_image(tmp_path / "a.npy")


def test_read_image__truncated_jpeg_is_an_error_not_a_grey_half(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(np.kron(COLOR, np.ones((20, 20, 1), np.uint8))))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.jpg: the image is truncated or damaged .* Copy or download"):
        read_image(path)


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_read_image__damaged_png(tmp_path: Path, damage: str) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(np.kron(COLOR, np.ones((20, 20, 1), np.uint8))))
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"])
def test_read_image__other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not an image that can be read; expected PNG, JPEG, TIFF, BMP, WebP"):
        read_image(path)


def test_read_image__missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="there is no such file"):
        read_image(tmp_path / "a.npy")


def test_read_image__decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(COLOR))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error may not hang on how the caller treats warnings
        for reader in (read_image, read_mask, image_size):
            with pytest.raises(DataError, match=r"bomb .* At most 40 pixels"):
                reader(path)


def test_read_image__npy_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"not a complete \.npy array of numbers"):
        read_image(tmp_path / "a.npy")


def test_read_image__npy_of_doubles_and_of_four_dimensions(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match="float64 pixels; expected uint8, uint16 or float32"):
        read_image(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros((2, 2, 2, 2), np.uint8))
    with pytest.raises(DataError, match=r"shape \(2, 2, 2, 2\); expected \(H, W\) or \(H, W, C\)"):
        read_image(tmp_path / "b.npy")


def test_read_mask__palette_gives_indices(tmp_path: Path) -> None:
    """Read "as grey", a palette mask would hold the luminance of its colours."""
    path = save(tmp_path / "a.png", paletted(GREY))
    np.testing.assert_array_equal(read_mask(path), GREY)


def test_read_mask__small_palette_of_four_bits(tmp_path: Path) -> None:
    indices = (GREY % 5).astype(np.uint8)
    path = save(tmp_path / "a.png", paletted(indices), bits=4)
    np.testing.assert_array_equal(read_mask(path), indices)


def test_read_mask__one_bit_is_0_and_1(tmp_path: Path) -> None:
    mask = read_mask(save(tmp_path / "a.png", Image.fromarray(GREY > 127)))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, GREY > 127)


@pytest.mark.parametrize("bits", [2, 4])
def test_read_mask__few_bits_of_grey_are_not_spread(tmp_path: Path, bits: int) -> None:
    """Pillow shows a 4-bit grey 3 as 51; the id is 3."""
    import struct
    import zlib

    ids = np.arange(8, dtype=np.uint8).reshape(2, 4) % (1 << bits)
    packed = [int("".join(f"{v:0{bits}b}" for v in row), 2).to_bytes(4 * bits // 8, "big") for row in ids]
    body = zlib.compress(b"".join(b"\0" + row for row in packed))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 4, 2, bits, 0, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_mask(path), ids)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_read_mask__16_bit_ids(tmp_path: Path, suffix: str) -> None:
    mask = read_mask(save(tmp_path / f"a.{suffix}", Image.fromarray(WIDE)))
    assert mask.dtype == np.uint16
    np.testing.assert_array_equal(mask, WIDE)


def test_read_mask__big_endian_16_bit(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.frombytes("I;16B", (9, 6), WIDE.astype(">u2").tobytes()))
    np.testing.assert_array_equal(read_mask(path), WIDE)


def test_read_mask__colours_with_and_without_opaque_alpha(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", Image.fromarray(COLOR))), COLOR)
    rgba = np.concatenate([COLOR, np.full((6, 9, 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "b.png", Image.fromarray(rgba))), COLOR)
    rgba[2, 3, 3] = 128
    with pytest.raises(DataError, match="pixels in Pillow mode 'RGBA' are no ids"):
        read_mask(save(tmp_path / "c.png", Image.fromarray(rgba)))


@pytest.mark.parametrize(("suffix", "name"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_read_mask__lossy_formats_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(COLOR))
    for reader in (read_mask, mask_size):
        with pytest.raises(DataError, match=f"a mask may not be {name}: it is lossy and invents labels"):
            reader(path)


def test_read_mask__a_jpeg_by_another_name_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOR).save(path, format="JPEG")
    with pytest.raises(DataError, match="may not be JPEG"):
        read_mask(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_read_mask__exif_rotation_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = oriented(tmp_path / f"a.{suffix}", GREY, 6)
    for reader in (read_mask, mask_size):
        with pytest.raises(DataError, match="the mask has EXIF orientation 6"):
            reader(path)


def test_read_mask__floats_16_bit_colours_and_pages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mode 'F' are no ids"):
        read_mask(save(tmp_path / "a.tif", Image.fromarray(GREY.astype(np.float32))))
    cv2.imwrite(str(tmp_path / "b.png"), RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16))
    with pytest.raises(DataError, match="16-bit colours are no labels"):
        read_mask(tmp_path / "b.png")
    page = Image.fromarray(GREY)
    with pytest.raises(DataError, match="a mask of several pages"):
        read_mask(save(tmp_path / "c.tif", page, save_all=True, append_images=[page]))


def test_read_mask__npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY.astype(np.int64))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.npy"), GREY)
    assert mask_size(tmp_path / "a.npy") == (6, 9)
    np.save(tmp_path / "b.npy", GREY > 3)
    assert read_mask(tmp_path / "b.npy").dtype == np.uint8


@pytest.mark.parametrize("pixels", [GREY, COLOR, WIDE, GREY[..., None], GREY > 127])
def test_write_png__comes_back_the_same(tmp_path: Path, pixels: NDArray[Any]) -> None:
    write_png(tmp_path / "a.png", pixels)
    back = read_mask(tmp_path / "a.png")
    np.testing.assert_array_equal(back, pixels.reshape(back.shape))


def test_write_png__palette_keeps_indices_and_shows_colours(tmp_path: Path) -> None:
    palette = np.array([(9, 8, 7), (1, 2, 3)], dtype=np.uint8)
    indices = (GREY % 2).astype(np.uint8)
    write_png(tmp_path / "a.png", indices, palette)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), indices)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), palette[indices])


def test_write_png__palette_keeps_void_255(tmp_path: Path) -> None:
    indices = np.array([[0, 1, 255]], dtype=np.uint8)
    write_png(tmp_path / "a.png", indices, np.zeros((2, 3), np.uint8))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), indices)


def test_write_png__what_no_png_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No PNG holds \(6, 9\) float32"):
        write_png(tmp_path / "a.png", GREY.astype(np.float32))
    with pytest.raises(ValueError, match="300 colours"):
        write_png(tmp_path / "a.png", GREY, np.zeros((300, 3), np.uint8))


def test_write_png__a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TerrazzoError, match=r"cannot be written: .* Check that the folder exists"):
        write_png(tmp_path / "no" / "a.png", GREY)
