"""Sample pictures of a validation: image, truth and prediction side by side, for TensorBoard."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets import SegmentationDataset
from terrazzo.figures import as_rgb, overlay
from terrazzo.figures.pictures import one_slice
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import TorchBackend, WholeImage, to_ids

PICTURES = 2


def validation_pictures(
    model: SegmentationModel, data: SegmentationDataset
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield (name, RGB picture (H, 3W, 3)) for a few images spread over the dataset."""
    whole = WholeImage(TorchBackend(model))
    for index in sorted({len(data) * i // PICTURES for i in range(PICTURES)}):
        sample = data[index]
        guess = to_ids(whole(sample["image"]))
        image, mask, guess = one_slice(sample["image"], sample["mask"], guess, void=data.labels.ignore_index)
        shown = as_rgb(image)
        truth, predicted = overlay(shown, mask, data.labels), overlay(shown, guess, data.labels)
        yield f"validation/{sample['id']}", np.concatenate([shown, truth, predicted], axis=1)
