"""The layers of a picture: indices into small tables of colours with opacity, saved as palette PNGs.

What is clear shows the photograph beneath. Nothing is told by hue alone: classes carry their numbers, void is
hatched, and mistakes are far brighter than the photograph, which the page dims under them.

Shapes: H and W of the picture, K classes. Indices are uint8 (int16 where a table is longer than 256).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap
from terrazzo.figures import number_regions
from terrazzo.figures.pictures import HATCH_PERIOD, WRONG

Layer = tuple[NDArray[Any], NDArray[np.uint8]]
"""Indices (H, W), and the table (N, 4) of RGBA, 0..255 each, that they point into."""

CLEAR: Final = (0, 0, 0, 0)
STRIPE: Final = (160, 160, 160, 255)
BETWEEN: Final = (80, 80, 80, 255)
FIRST: Final = (86, 180, 233, 255)
"""Sky blue of Okabe and Ito's colour-blind-safe palette."""

BOTH: Final = (245, 245, 245, 255)

LEVELS: Final = 32
"""Steps of a map of confidence."""

UNSURE: Final = 0.5
"""Confidence that is drawn in full; above it the colour fades out up to 1."""


def class_layer(ids: NDArray[Any], labels: LabelMap) -> Layer:
    """Paint train ids (H, W) in their colours, each region with its class's number; void is hatched."""
    count = labels.num_classes
    table = [*((*entry.color, 255) for entry in labels.classes), STRIPE, CLEAR, (0, 0, 0, 255), BOTH]
    void = ids == labels.ignore_index
    index = np.where(void, np.where(_stripes(ids.shape), count, count + 1), ids)
    flat = labels.colorize(ids)
    numbered = number_regions(flat, ids, count)
    written = (numbered != flat).any(axis=-1)
    index[written] = np.where(numbered[written].mean(axis=-1) < 128, count + 2, count + 3)
    return _layer(index, table)


def error_layer(ids: NDArray[Any], truth: NDArray[Any], void: int) -> Layer:
    """Paint what is wrong; void is hatched, what is right stays clear."""
    index = np.where(ids != truth, 1, 0)
    return _with_void(index, truth == void, [CLEAR, (*WRONG, 255)])


def compare_layer(ids: NDArray[Any], other: NDArray[Any], truth: NDArray[Any], void: int) -> Layer:
    """Paint blue where only the first is right, orange where only the second is, white where neither is."""
    right, other_right = ids == truth, other == truth
    index = np.select([right & other_right, right, other_right], [0, 1, 2], 3)
    return _with_void(index, truth == void, [CLEAR, FIRST, (*WRONG, 255), BOTH])


def confidence_layer(confidence: NDArray[np.float32]) -> Layer:
    """Paint doubt: clear where the largest probability (H, W) is 1, full from `UNSURE` down."""
    doubt = ((1 - confidence) / (1 - UNSURE)).clip(0, 1)
    table = [(*FIRST[:3], round(255 * level / (LEVELS - 1))) for level in range(LEVELS)]
    return _layer(np.round(doubt * (LEVELS - 1)), table)


def save_layer(path: Path, layer: Layer) -> None:
    """Write a PNG with opacity: by palette where the table fits into one."""
    from PIL import Image

    index, table = layer
    if len(table) > 256:
        Image.fromarray(table[index]).save(path, compress_level=6)
        return
    image = Image.fromarray(index)
    image.putpalette(table[:, :3].tobytes())
    image.save(path, transparency=table[:, 3].tobytes(), compress_level=6)


def _with_void(index: NDArray[Any], void: NDArray[np.bool_], table: Sequence[tuple[int, ...]]) -> Layer:
    hatch = np.where(_stripes(void.shape), len(table), len(table) + 1)
    return _layer(np.where(void, hatch, index), [*table, STRIPE, BETWEEN])


def _layer(index: NDArray[Any], table: Sequence[tuple[int, ...]]) -> Layer:
    kind = np.uint8 if len(table) <= 256 else np.int16
    return index.astype(kind), np.array(table, dtype=np.uint8)


def _stripes(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    stripe: NDArray[np.bool_] = (rows + columns) % HATCH_PERIOD < HATCH_PERIOD // 3
    return stripe
