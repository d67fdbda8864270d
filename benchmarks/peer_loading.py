"""The peer of `loading`: albumentations 2, OpenCV and a DataLoader, as projects of the field write them.

The same transforms as our `standard`: scale 0.5 to 2 (even in the logarithm), padding with void, crop,
flip, brightness, contrast, saturation, hue and gamma. It leaves out our limit on one class per crop, averages
nothing where it shrinks, and does not normalise; all three are in its favour.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for a newer version otherwise

import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Files = Sequence[tuple[Path, Path]]


class LogScale(A.RandomScale):
    """`RandomScale` with factors even in the logarithm, as ours."""

    def get_params(self) -> dict[str, float]:
        """Draw 0.5 to 2."""
        return {"scale": math.exp(self.py_random.uniform(math.log(0.5), math.log(2)))}


def standard(crop: tuple[int, int], *, resize: tuple[int, int] | None = None) -> A.Compose:
    """Return our standard transform in albumentations."""
    first = [] if resize is None else [A.Resize(*resize, interpolation=cv2.INTER_AREA)]
    geometry = [
        LogScale(p=1.0),
        A.PadIfNeeded(*crop, fill=115, fill_mask=255),
        A.RandomCrop(*crop),
    ]
    return A.Compose([*first, *geometry, *_rest()])


def crop_first(crop: tuple[int, int], size: tuple[int, int]) -> A.Compose:
    """Return what is cheaper but not the same: a part of the picture, never more than it, brought to size."""
    share = crop[0] * crop[1] / 4 / (size[0] * size[1])
    ratio = crop[1] / crop[0]
    part = A.RandomResizedCrop(crop, scale=(min(1.0, share), 1.0), ratio=(ratio, ratio))
    return A.Compose([part, *_rest()])


def _rest() -> list[Any]:
    return [
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(
            brightness=(0.88, 1.12), contrast=(0.75, 1.25), saturation=(0.7, 1.3), hue=(-0.02, 0.02), p=1.0
        ),
        A.RandomGamma(gamma_limit=(87, 115), p=1.0),
        ToTensorV2(),
    ]


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks read by OpenCV."""

    def __init__(self, files: Files, transform: A.Compose) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = read(self.files[index])
        done = self.transform(image=image, mask=mask)
        return done["image"], done["mask"]


def read(files: tuple[Path, Path]) -> tuple[Any, Any]:
    """Read an RGB image and a mask; what only decoding costs. Id 11 is CamVid's void."""
    image = cv2.imread(str(files[0]), cv2.IMREAD_COLOR_RGB)
    mask = cv2.imread(str(files[1]), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert mask is not None
    np.putmask(mask, mask == 11, 255)
    return image, mask


def loader(files: Files, transform: A.Compose, *, batch: int, workers: int, seed: int) -> DataLoader[Any]:
    """Return the usual loader over one epoch."""
    return DataLoader(
        Pairs(files, transform),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        generator=torch.Generator().manual_seed(seed),
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
