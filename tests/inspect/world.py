"""A little world with exact labels, a model that is nearly right about it, and a report made by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap
from terrazzo.datasets import SegmentationDataset
from terrazzo.inspect.report import (
    ChannelFacts,
    ClassFacts,
    Finding,
    InspectReport,
    Recommendation,
    SizeFacts,
    SplitFacts,
    Suspect,
)

NAMES = ("sky", "road", "car", "sign")
COLORS = ((90, 140, 220), (110, 100, 110), (200, 40, 40), (230, 200, 40))
HEIGHT, WIDTH = 96, 128


def scene(index: int) -> NDArray[np.uint8]:
    """Return (96, 128) train ids: sky over road, a car and a sign, a few pixels of void."""
    random = np.random.default_rng(index)
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    horizon = int(random.integers(40, 56))
    mask[horizon:] = 1
    row, column = int(random.integers(horizon, 70)), int(random.integers(10, 90))
    mask[row : row + 18, column : column + 28] = 2
    row, column = int(random.integers(5, 20)), int(random.integers(10, 110))
    mask[row : row + 14, column : column + 12] = 3
    mask[:2] = 255
    return mask


class World(SegmentationDataset):
    """Scenes, some of them with another mask than they should have."""

    kind = "world"

    def __init__(
        self,
        count: int = 30,
        *,
        wrong: Mapping[int, NDArray[Any]] | None = None,
        names: Sequence[str] = NAMES,
        ids: Sequence[str] | None = None,
        channels: int = 3,
    ) -> None:
        self.wrong = dict(wrong or {})
        super().__init__(
            split="val",
            labels=LabelMap.of(dict(zip(names, COLORS, strict=True))),
            ids=ids or [f"scene_{i:02d}" for i in range(count)],
            groups=["street"] * count,
            in_channels=channels,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        truth = np.where(scene(index) == 255, 0, scene(index))
        image = self.labels.palette[truth]
        image[0, 0, 0] = index  # so that the model knows which scene it sees
        image = np.resize(image, (*truth.shape, self.in_channels))
        return image, self.wrong.get(index, scene(index)), self.ids[index]


def nearly_right(image_HWC: NDArray[Any]) -> NDArray[np.float32]:
    """Return probabilities (K, H, W) of the true scene: unsure at borders, and here and there wrong."""
    index = int(image_HWC[0, 0, 0])
    truth = np.where(scene(index) == 255, 0, scene(index))
    random = np.random.default_rng((index, 7))
    logits = np.stack([cv2.GaussianBlur((truth == k).astype(np.float32), (0, 0), 2) for k in range(4)])
    noise = random.normal(0, 1, (4, HEIGHT // 8, WIDTH // 8)).astype(np.float32)
    logits = 8 * logits + noise.repeat(8, axis=1).repeat(8, axis=2)
    shares: NDArray[np.float32] = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0), dtype=np.float32)


def swapped(mask: NDArray[Any], first: int, second: int) -> NDArray[Any]:
    """Return a mask in which two classes have each other's pixels."""
    table = np.arange(256, dtype=np.uint8)
    table[[first, second]] = second, first
    return np.asarray(table[mask])


def erased(mask: NDArray[Any], k: int, by: int) -> NDArray[Any]:
    """Return a mask in which one class has been painted over."""
    return np.asarray(np.where(mask == k, np.uint8(by), mask))


FINDINGS = (
    Finding("undeclared_id", "error", ("val/masks/a.png",), "A mask holds id 9.", "Declare it.", True),
    Finding("one_scene", "warning", (), "Validation is one scene.", "Mix the scenes.", False),
    Finding("few_images", "note", tuple(f"f{i}.png" for i in range(300)), "Few.", "Nothing.", False),
)


def report(
    findings: Sequence[Finding] = FINDINGS,
    suspects: Sequence[Suspect] = (),
    *,
    names: Sequence[str] = NAMES,
    data: str = "camvid:data/camvid",
    channels: int = 3,
) -> InspectReport:
    """Return a report whose figures can be told apart: the last class has no pixel."""
    classes = len(names)
    pixels, images = [4000, 3000, 500, 0][:classes], [30, 30, 15, 0][:classes]
    grid = np.zeros((classes, 24, 32))
    grid[0, :8] = 1 / 256
    grid[1, 20:] = 1 / 128
    grid[2, 12, 16] = 1
    return InspectReport(
        data=data,
        images=30,
        splits={"train": SplitFacts(20, 3), "val": SplitFacts(10, None)},
        sizes=(SizeFacts(96, 128, 29), SizeFacts(128, 96, 1)),
        classes=tuple(
            ClassFacts(name, color, count, seen)
            for name, color, count, seen in zip(names, COLORS, pixels, images, strict=True)
        ),
        void_pixels=500,
        channels=ChannelFacts(tuple(100.0 + i for i in range(channels)), (20.0,) * channels),
        cooccurrence=tuple(tuple(min(a, b) for b in images) for a in images),
        location=tuple(tuple(tuple(row) for row in part) for part in grid.tolist()),
        class_weights={"inverse_log": (1.5, 2.5, 9.25, 50.0)[:classes]},
        recommendation=Recommendation((96, 128), 16, "It fits."),
        findings=tuple(findings),
        suspects=tuple(suspects),
    )
