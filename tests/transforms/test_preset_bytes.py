"""The presets give the bytes they always gave: a run of an older release is resumed by them."""

import hashlib

import cv2
import numpy as np
import pytest

from terrazzo.core.randomness import Stream, generator
from terrazzo.transforms import build_transform

DIGESTS = {"light": "fb1977bddf43b946", "standard": "26b7c5f11688b346", "strong": "9948db9c80f80ad7"}
"""SHA-256, first 16 digits, of twelve crops. Listed operations changed none of them; averaging by the way of
twice the size, where a crop shrinks (`core.resize`), changed the two presets that scale."""


@pytest.mark.skipif(not cv2.__version__.startswith("5.0"), reason="pixels differ between OpenCV releases")
@pytest.mark.parametrize("preset", DIGESTS)
def test_presets__bytes_stay(preset: str) -> None:
    y, x = np.mgrid[:120, :160]
    image = np.stack([(x * 3 + y) % 256, (x * y) % 256, (y * 5) % 256], axis=-1).astype(np.uint8)
    mask = ((x // 20 + y // 15) % 4).astype(np.uint8)
    transform = build_transform(preset, crop=(96, 128), ignore_index=255, num_classes=4)
    digest = hashlib.sha256()
    for epoch in range(12):
        for made in transform(image, mask, generator(11, Stream.TRANSFORM, epoch, 0)):
            digest.update(made.tobytes())
    assert digest.hexdigest()[:16] == DIGESTS[preset]
