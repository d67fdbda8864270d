"""A dataset made in memory, and a network that labels pixels by their colour: both exact and tiny."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core import LabelMap
from terrazzo.datasets import SegmentationDataset
from terrazzo.models.base import SegmentationModel
from terrazzo.models.convention import Convention

SIZES = ((40, 48), (33, 70), (64, 36))
COLORS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))


class Made(SegmentationDataset):
    """Images whose colour tells the class at most pixels; sizes differ, and some pixels are void."""

    kind = "made"

    def __init__(
        self,
        count: int = 6,
        *,
        names: Sequence[str] = ("sky", "road", "car"),
        split: str = "val",
        groups: Sequence[str | None] | None = None,
        ids: Sequence[str] | None = None,
        channels: int = 3,
    ) -> None:
        labels = LabelMap.of(dict(zip(names, COLORS, strict=False)))
        ids = ids or [f"image{i}" for i in range(count)]
        super().__init__(
            split=split, labels=labels, ids=ids, groups=groups or [None] * count, in_channels=channels
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        random = np.random.default_rng(index)
        height, width = SIZES[index % len(SIZES)]
        blocks = random.integers(0, self.labels.num_classes, (-(-height // 12), -(-width // 12)))
        mask = blocks.repeat(12, axis=0).repeat(12, axis=1)[:height, :width].astype(np.uint8)
        shown = np.where(random.random(mask.shape) < 0.08 * (index + 1), 0, mask)  # later images are harder
        image = self.labels.palette[shown]
        mask[:3] = 255
        return np.resize(image, (height, width, self.in_channels)), mask, f"{self.ids[index]}.png"


class NearestColor(SegmentationModel):
    """Class of the nearest class colour: a linear network at stride 1 whose labels are known beforehand."""

    def __init__(self, num_classes: int = 3, in_channels: int = 3) -> None:
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            stride=1,
            multiple=1,
        )
        self.adopt(Convention(mean=(0.0,) * in_channels, std=(1.0,) * in_channels))
        self.dropout = torch.nn.Dropout2d(0.9)
        colors = torch.tensor(COLORS[:num_classes], dtype=torch.float32)[:, :in_channels]
        self.colors_KC = torch.nn.Parameter(colors)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        dot_BKHW = torch.einsum("bchw,kc->bkhw", self.dropout(image_BCHW), self.colors_KC)
        return dot_BKHW - self.colors_KC.square().sum(dim=1)[:, None, None] / 2


def nearest_color(dataset: Made, image: NDArray[Any]) -> NDArray[np.uint8]:
    """The same labels in numpy, written down independently."""
    distance = ((image[:, :, None].astype(int) - dataset.labels.palette.astype(int)) ** 2).sum(axis=-1)
    ids: NDArray[np.uint8] = distance.argmin(axis=-1).astype(np.uint8)
    return ids
