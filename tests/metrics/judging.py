"""Label maps and judged images for tests of meters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap
from terrazzo.core.labels import LabelClass
from terrazzo.metrics import Judged, Meter


def labels_of(count: int) -> LabelMap:
    """`count` classes called c0, c1, ...; void is 255, or -1 beyond 255 classes."""
    classes = (LabelClass(f"c{i}", (i % 256, i // 256, 7), (i,)) for i in range(count))
    return LabelMap(tuple(classes), void_ids=(max(255, count),))


def grid(*rows: str) -> NDArray[np.uint8]:
    """Ids written as text, one digit a pixel; a dot is void."""
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], dtype=np.uint8)


def judge(ids: NDArray[Any], truth: NDArray[Any], id: str = "a") -> Judged:
    return Judged(id, None, truth, ids)


def result(meter: Meter, *images: tuple[NDArray[Any], NDArray[Any]]) -> dict[str, Any]:
    """Feed pairs of (ids, truth) and read the meter."""
    for place, (ids, truth) in enumerate(images):
        meter.add(judge(ids, truth, str(place)))
    return meter.to_json()


def blobs(seed: int, classes: int = 3, size: tuple[int, int] = (30, 40), void: bool = True) -> Any:
    """A truth of smooth regions with some void, and a prediction that is shifted and a little noisy."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    fields = gaussian_filter(random.standard_normal((classes, *size)), (0, 3, 3))
    truth = fields.argmax(axis=0).astype(np.uint8)
    ids = np.roll(truth, random.integers(-3, 4, 2), axis=(0, 1))
    noisy = random.random(size) < 0.03
    ids[noisy] = random.integers(0, classes, int(noisy.sum()))
    if void:
        truth[gaussian_filter(random.standard_normal(size), 2) > 0.12] = 255
    return ids, truth
