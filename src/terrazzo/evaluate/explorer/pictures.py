"""The pictures of one image: photograph, truth, and for each model prediction, errors and confidence.

Files of an image (`a` is the first model, `b` the second):
    image.jpg  truth.png  a.png  a-error.png  a-confidence.png  b.png ...  compare.png  pixels.css
`pixels.css` says what lies under the pointer. A page that was opened from the disk may show pictures beside
it, but not read their pixels, unless they come as text; and a style sheet is the one text that it may load
without allowing any script but its own.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap, Sample
from terrazzo.core.resize import resize_ids, resize_sample
from terrazzo.evaluate.explorer.confidence import picture_confidence
from terrazzo.evaluate.explorer.layers import (
    Layer,
    class_layer,
    compare_layer,
    confidence_layer,
    error_layer,
    save_layer,
)
from terrazzo.figures import as_rgb
from terrazzo.figures.pictures import one_slice

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction

LONGEST: Final = 960
"""Pixels of a picture's longer side, at most; smaller images keep their size."""

READABLE: Final = 480
"""Label maps of smaller images are repeated a whole number of times to reach about this: numbers fit in."""

COARSE: Final = 240
"""The same of the confidences under the pointer: they vary slowly."""

LETTERS: Final = "ab"

Said = tuple[NDArray[Any], "Prediction | None"]
"""A model's ids at full size, and what they were read from, where known."""


def draw_pictures(folder: Path, sample: Sample, said: Sequence[Said], labels: LabelMap) -> tuple[int, int]:
    """Write all pictures of one image.

    Args:
        folder: of this image alone; made.
        sample: image and truth; of a volume the slice that tells most is shown.
        said: what each model says, one or two.
        labels: names and colours to paint them in.

    Returns:
        (P, Q), the size of the pictures.
    """
    folder.mkdir(parents=True)
    void = labels.ignore_index
    image, mask, _ = one_slice(sample["image"], sample["mask"], said[0][0], void=void)
    size = bounded(mask.shape, LONGEST)
    photo, truth = resize_sample(as_rgb(image), mask, size)
    _save_photo(folder / "image.jpg", photo)
    save_layer(folder / "truth.png", _label_map(truth, labels))
    guesses = [resize_ids(_shown(ids, sample["mask"], void), size) for ids, _ in said]
    sure = [_confidence(prediction, sample["mask"], void, size) for _, prediction in said]
    for letter, guess, confidence in zip(LETTERS, guesses, sure, strict=False):
        save_layer(folder / f"{letter}.png", _label_map(guess, labels))
        save_layer(folder / f"{letter}-error.png", error_layer(guess, truth, void))
        if confidence is not None:
            save_layer(folder / f"{letter}-confidence.png", confidence_layer(confidence))
    if len(guesses) == 2:
        save_layer(folder / "compare.png", compare_layer(guesses[0], guesses[1], truth, void))
    (folder / "pixels.css").write_text(_pixels(truth, guesses, sure, void), encoding="ascii")
    return size


def bounded(size: Sequence[int], longest: int) -> tuple[int, int]:
    """Return (H, W) with the longer side at most `longest`, in the same proportion, each at least 1."""
    factor = min(1.0, longest / max(size))
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def _shown(array: NDArray[Any], truth: NDArray[Any], void: int) -> NDArray[Any]:
    """Return the slice of a volume that is shown; of an image all of it."""
    return one_slice(array, truth, array, void=void)[2]


def _confidence(
    prediction: "Prediction | None", truth: NDArray[Any], void: int, size: tuple[int, int]
) -> NDArray[np.float32] | None:
    if prediction is None:
        return None
    if truth.ndim == 2:
        return picture_confidence(prediction, size)
    from terrazzo.core.prediction import to_probabilities

    return resize_ids(_shown(to_probabilities(prediction).max(axis=0), truth, void), size)


def _label_map(ids: NDArray[Any], labels: LabelMap) -> Layer:
    times = max(1, READABLE // max(ids.shape))
    return class_layer(ids.repeat(times, axis=0).repeat(times, axis=1), labels)


def _save_photo(path: Path, photo: NDArray[np.uint8]) -> None:
    from PIL import Image

    Image.fromarray(photo).save(path, quality=85)


def _pixels(
    truth: NDArray[Any],
    guesses: Sequence[NDArray[Any]],
    sure: Sequence[NDArray[np.float32] | None],
    void: int,
) -> str:
    """Write ids and confidences as PNGs within a style sheet: red, green and blue are truth, a and b.

    Void is 255; of maps with more classes than fit into a byte there is nothing to read.
    """
    if void != 255:
        return ":root{}"
    coarse = bounded(truth.shape, COARSE)
    percent = [np.zeros(coarse) if s is None else 100 * resize_ids(s, coarse) for s in sure]
    sheet = {"ids": _stacked([truth, *guesses]), "sure": _stacked([np.zeros(coarse), *percent])}
    return ":root{" + "".join(f'--{name}:"{png}";' for name, png in sheet.items()) + "}"


def _stacked(planes: Sequence[NDArray[Any]]) -> str:
    from PIL import Image

    planes = [*planes, *[np.zeros(planes[0].shape)] * (3 - len(planes))]
    buffer = io.BytesIO()
    Image.fromarray(np.stack([np.round(p).astype(np.uint8) for p in planes], axis=-1)).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
