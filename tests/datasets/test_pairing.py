"""Pairing: all that is wrong is said at once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import DataError
from terrazzo.datasets.pairing import Pair, pair_by_stem
from tests.datasets.conftest import save_pair, save_pairs


def test_pair_by_stem__sorted_whatever_the_ending(tmp_path: Path) -> None:
    images, masks = tmp_path / "i", tmp_path / "m"
    save_pairs(images, masks, ["b", "a.1", "c"])
    (images / "c.png").rename(images / "c.PNG")
    (images / ".hidden.png").write_bytes(b"")
    (images / "notes.txt").write_text("")
    pairs = pair_by_stem(images, masks)
    assert [pair.id for pair in pairs] == ["a.1", "b", "c"]
    assert pairs[2] == Pair("c", images / "c.PNG", masks / "c.png")


def test_pair_by_stem__every_problem_together(tmp_path: Path) -> None:
    images, masks = tmp_path / "i", tmp_path / "m"
    save_pairs(
        images, masks, ["fine", "lonely", "twice", "broken", "small", "photo", *(f"x{i}" for i in range(7))]
    )
    (masks / "lonely.png").unlink()
    for i in range(7):
        (images / f"x{i}.png").unlink()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(images / "twice.bmp")
    (images / "broken.png").write_bytes(b"nonsense")
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(masks / "small.png")
    (masks / "photo.png").unlink()
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(masks / "photo.jpg")
    with pytest.raises(DataError) as error:
        pair_by_stem(images, masks)
    message = str(error.value)
    assert "12 problems in 6 pairs of image and mask" in message
    assert "no mask for the image (1):\n    lonely.png" in message
    assert "several images of one name (1):\n    twice.bmp and twice.png" in message
    assert "unreadable (2):" in message
    assert "broken.png: not an image that can be read" in message
    assert "photo.jpg: a mask may not be JPEG" in message
    assert "different size (height x width) (1):\n    small: image 6 x 8, mask 3 x 4" in message
    assert "no image for the mask (7):\n    x0.png" in message
    assert "x4.png\n    and 2 more" in message
    assert "x5" not in message


def test_pair_by_stem__only_some_ids_leave_the_others_alone(tmp_path: Path) -> None:
    images, masks = tmp_path / "i", tmp_path / "m"
    save_pairs(images, masks, ["a", "b"])
    (images / "b.png").unlink()
    assert [pair.id for pair in pair_by_stem(images, masks, only=["a"])] == ["a"]
    with pytest.raises(DataError, match=r"no image \(2\):\s+b\s+c"):
        pair_by_stem(images, masks, only=["a", "b", "c"])


def test_pair_by_stem__mask_suffix(tmp_path: Path) -> None:
    images, masks = tmp_path / "i", tmp_path / "m"
    for stem in ("a", "b"):
        save_pair(images, masks, stem, mask_name=f"{stem}_mask")
    assert [pair.mask.name for pair in pair_by_stem(images, masks, mask_suffix="_mask")] == [
        "a_mask.png",
        "b_mask.png",
    ]
    with pytest.raises(DataError, match="ends in '_mask': give the option mask_suffix='_mask'"):
        pair_by_stem(images, masks)


def test_pair_by_stem__a_rotated_photo_fits_its_upright_mask(tmp_path: Path) -> None:
    images, masks = tmp_path / "i", tmp_path / "m"
    save_pair(images, masks, "a", size=(8, 6))
    exif = Image.Exif()
    exif[274] = 6
    (images / "a.png").unlink()
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(images / "a.jpg", exif=exif)
    assert len(pair_by_stem(images, masks)) == 1
