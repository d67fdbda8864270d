"""How many pixels of each class every training sample has: counted once, kept in the run folder.

Samplers that look for rare classes are built from it. A resumed run reads the file, so that its draws are
those of the run it goes on with.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import CheckpointError
from terrazzo.datasets import SegmentationDataset


def count_class_pixels(data: SegmentationDataset) -> NDArray[np.int64]:
    """Return the pixels of each class in each sample, (N, K); reads every mask once, no images.

    Raises:
        DataError: a mask cannot be read.
    """
    classes, void = data.labels.num_classes, data.labels.ignore_index
    counts_NK = np.zeros((len(data), classes), dtype=np.int64)
    for index in range(len(data)):
        mask = data.mask(index).ravel()
        # Void is 255 or -1: counted beyond the classes, and cut off.
        labels = mask if void >= 0 else np.where(mask == void, classes, mask)
        counts_NK[index] = np.bincount(labels, minlength=classes)[:classes]
    return counts_NK


def store_class_pixels(path: Path, data: SegmentationDataset) -> None:
    """Count and write, with what was counted; does nothing where the file is there.

    Raises:
        DataError: a mask cannot be read.
        CheckpointError: the file cannot be written.
    """
    if path.exists():
        return
    counts_NK = count_class_pixels(data)
    temporary = path.with_suffix(".npz.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, counts=counts_NK, data=np.array(data.fingerprint))
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}). "
            "Give --out a folder that you may write to and that has free space."
        ) from None


def read_class_pixels(path: Path, data: SegmentationDataset) -> NDArray[np.int64]:
    """Return the counts (N, K) of a run folder.

    Raises:
        CheckpointError: the file is missing or damaged, or holds the counts of other data.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            counts_NK, counted = stored["counts"], str(stored["data"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(
            f"{path} cannot be read as pixel counts ({type(error).__name__}: {error}). "
            "Remove it, and they are counted again."
        ) from None
    if counted != data.fingerprint or counts_NK.shape != (len(data), data.labels.num_classes):
        raise CheckpointError(
            f"{path} holds the counts of data {counted} ({len(counts_NK)} samples); the training set now is "
            f"{data.fingerprint} ({len(data)} samples), and the sampler would go on with other draws. "
            "Bring the data back as they were, or start a new run with another --out."
        )
    return np.asarray(counts_NK, dtype=np.int64)
