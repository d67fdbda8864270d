"""A model folder, photos, and a Ray of two workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from terrazzo.checkpoint import save_model
from terrazzo.core.images import write_png
from terrazzo.core.labels import LabelMap
from terrazzo.models import build_model
from terrazzo.predict.ray_engine.session import crew

LABELS = LabelMap.of({"sky": (200, 30, 30), "road": (30, 200, 30), "car": (30, 30, 200)})

RAY_WARNINGS = [
    # Ray's own code uses what Ray itself calls deprecated.
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\..*"),
    # Ray leaves the processes and log files of a cluster that was shut down to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def two_workers() -> Iterator[None]:
    """A Ray in this process, shared by all tests of a module."""
    with crew(None, 2, "cpu"):
        yield


def make_model(folder: Path) -> Path:
    torch.manual_seed(2)
    return save_model(folder, build_model("unet", num_classes=3, num_blocks=1).eval(), labels=LABELS)


def make_photos(folder: Path, count: int, size: tuple[int, int] = (40, 50)) -> Path:
    folder.mkdir(parents=True)
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (size[0] + seed, size[1], 3), dtype=np.uint8)
        write_png(folder / f"{seed:02}.png", pixels)
    return folder
