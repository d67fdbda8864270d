"""`scenes`: a built-in little world, painted on the fly from (seed, split, index). No files.

Streets with houses, trees, cars, people and signs under changing light and weather, with exact labels.
Colours vary between and within scenes and are shared by classes, so it takes context to label them.
The world itself is in `scenery`; this file counts the scenes and gives them names.
"""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets.base import SPLITS, SegmentationDataset, check_split, wanted_splits

DEFAULT_COUNTS = {"train": 256, "val": 64, "test": 64}
SMALLEST = 32

LABELS = LabelMap.of(
    {
        "sky": (120, 170, 220),
        "building": (150, 95, 80),
        "road": (95, 90, 105),
        "pavement": (190, 175, 155),
        "terrain": (150, 175, 85),
        "tree": (45, 110, 65),
        "car": (40, 70, 165),
        "person": (225, 60, 85),
        "sign": (245, 190, 40),
    }
)
"""Ids 0..8, void 255. The order is `scenery.canvas.Label`."""


class Scenes(SegmentationDataset):
    """Generated street scenes; train, val and test are separate streams of the same world."""

    kind = "scenes"
    known_labels = LABELS

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] = (160, 224),
        count: int | None = None,
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        """Choose how many scenes of which size; nothing is painted yet.

        Args:
            split: train, val, test or all.
            size: (H, W) of every scene, pixels; 32 at least.
            count: scenes per split; 256 for train, 64 for val and test.
            seed: another seed is another world, 0 or more.
            cache: keep painted scenes in memory (train at 160 x 224: 37 MB).

        Raises:
            RequestError: an unknown split, or a size, count or seed that is too small.
        """
        check_split(split)
        if len(size) != 2 or not all(isinstance(side, int) and side >= SMALLEST for side in size):
            raise RequestError(f"scenes of size {size}; expected height and width, {SMALLEST} at least.")
        height, width = size
        if seed < 0 or (count is not None and count < 1):
            raise RequestError(
                f"scenes with seed {seed} and count {count}; expected 0 or more, and 1 or more."
            )
        self.size = (height, width)
        self.seed = seed
        counts = {name: DEFAULT_COUNTS[name] if count is None else count for name in SPLITS}
        self._keys = [(SPLITS.index(name), i) for name in wanted_splits(split) for i in range(counts[name])]
        super().__init__(
            split=split,
            labels=LABELS,
            ids=[f"{SPLITS[s]}_s{seed}_{height}x{width}_{i:05d}" for s, i in self._keys],
            groups=[None] * len(self._keys),
            in_channels=3,
            cache=cache,
        )

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return none: a scene follows from its id and this program (see `preparation.READING`)."""
        return ()

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Paint a scene."""
        from terrazzo.datasets.scenery import paint_scene

        image, mask = paint_scene(self.size, generator(self.seed, Stream.SCENE, *self._keys[index]))
        return image, mask, self.ids[index]
