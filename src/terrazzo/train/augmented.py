"""A dataset as an augmentation makes it: every sample once, at its own size, the same on every machine."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.sample import Sample
from terrazzo.datasets import SegmentationDataset
from terrazzo.train.batches import Draw, Stage, TransformedSamples
from terrazzo.transforms import CropTransform, Pipeline


class Augmented(SegmentationDataset):
    """Another dataset after a transform that was drawn by (seed, index)."""

    def __init__(self, data: SegmentationDataset, transform: CropTransform | Pipeline, seed: int) -> None:
        """Keep the parts; nothing is read yet.

        Args:
            data: what to augment.
            transform: its crop size is replaced by the size of every sample.
            seed: of the draws.

        Raises:
            RequestError: the data are volumes.
        """
        refuse_volumes(data)
        self.data, self.transform, self.seed = data, transform, seed
        self.kind = data.kind
        super().__init__(
            split=data.split,
            labels=data.labels,
            ids=data.ids,
            groups=data.groups,
            in_channels=data.in_channels,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read the original."""
        return self.data.read(index)

    def __getitem__(self, index: int) -> Sample:
        """Return the augmented sample, at the original's size."""
        index = range(len(self))[index]
        height, width = self.data[index]["mask"].shape
        transform = _at_size(self.transform, (height, width))
        return TransformedSamples(self.data, [Stage(1.0, 1, transform)], self.seed)[Draw(0, index, 0)]


def refuse_volumes(data: SegmentationDataset) -> None:
    """Refuse data that no contact sheet shows and no study augments.

    Raises:
        RequestError: the data are volumes.
    """
    if data.sides == 3:
        raise RequestError(
            f"The data of kind {data.kind!r} are volumes; expected images, which contact sheets and studies "
            "of augmentation are made for. Of volumes choose a preset in the recipe, and compare runs."
        )


def _at_size(transform: CropTransform | Pipeline, size: tuple[int, int]) -> CropTransform | Pipeline:
    return transform.at_size(size) if isinstance(transform, Pipeline) else replace(transform, crop=size)
