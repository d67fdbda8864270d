"""Made probabilities with truth and void, judged without any network."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from terrazzo.metrics import Judged


def judged(
    probabilities_KHW: ArrayLike,
    truth_HW: ArrayLike,
    *,
    id: str = "a",
    group: str | None = None,
    ids_HW: NDArray[Any] | None = None,
) -> Judged:
    """Judge given probabilities; the likeliest class is predicted unless other labels are given."""
    shares_KHW = np.asarray(probabilities_KHW, dtype=np.float32)
    ids_HW = shares_KHW.argmax(axis=0) if ids_HW is None else ids_HW
    made = Judged(id, group, np.asarray(truth_HW).astype(np.uint8), ids_HW.astype(np.uint8))
    made.__dict__["probabilities"] = shares_KHW
    return made


def drawn(
    seed: int,
    *,
    num_classes: int = 4,
    size: tuple[int, int] = (40, 50),
    sharpness: float = 1.0,
    void: float = 0.1,
    group: str | None = None,
) -> Judged:
    """Draw an image whose truth is drawn from the softmax of its logits; sharper ones are overconfident."""
    random = np.random.default_rng(seed)
    logits_KHW = 2 * random.standard_normal((num_classes, *size))
    shares_KHW = softmax(logits_KHW)
    truth_HW = (random.random(size) > np.cumsum(shares_KHW, axis=0)).sum(axis=0).clip(0, num_classes - 1)
    truth_HW = np.where(random.random(size) < void, 255, truth_HW)
    return judged(softmax(sharpness * logits_KHW), truth_HW, id=f"image{seed}", group=group)


def softmax(logits_KHW: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.exp(logits_KHW - logits_KHW.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def valid(image: Judged) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return probabilities (n, K), labels (n) and truth (n) of the valid pixels."""
    keep = image.truth != 255
    return image.probabilities[:, keep].T, image.ids[keep], image.truth[keep]
