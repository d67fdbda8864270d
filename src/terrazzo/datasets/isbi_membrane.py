"""`isbi-membrane`: thirty slices of fly nerve under the electron microscope; is a pixel membrane?

Classes: cell (0) and membrane (1).

Format: 512 x 512 grey. As the challenge has it: train-volume.tif and train-labels.tif, thirty pages each. As
PNG pairs: train/images + train/masks, or train/image + train/label. Labels come in two codings and some
copies turn them around: 0 and 1 are ids (1 = membrane); of 0 and 255 the dark 0 is membrane. Membrane is 22 %
of the pixels; a copy with more than half is refused until `membrane` says which value it is.

Split: the test labels are not public and there is no validation split. The slices are consecutive and alike,
so the last `validation` (5) of them validate, never a random draw. Group: all are one volume.

Licence: free for research with the citation. Citation: Arganda-Carreras et al.: Crowdsourcing the creation of
image segmentation algorithms for connectomics, Frontiers in Neuroanatomy 2015; data: Cardona et al., 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import read_image, read_mask
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SegmentationDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.pairing import pair_by_stem

ABOUT = About(
    name="isbi-membrane",
    title="ISBI 2012 segmentation of neuronal structures in EM stacks",
    homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
    licence="Free for research with the citation.",
    citation="Arganda-Carreras et al.: Crowdsourcing the creation of image segmentation algorithms for "
    "connectomics, Frontiers in Neuroanatomy 2015.",
    splits={"train": 25, "val": 5},
    layout=(
        "train-volume.tif    30 pages of 512 x 512, grey",
        "train-labels.tif    30 pages, 0 = membrane, 255 = cell",
        "or train/images/00.png and train/masks/00.png (or train/image and train/label)",
    ),
)

LABELS = LabelMap.of({"cell": (235, 235, 235), "membrane": (30, 60, 120)}, void_ids=())

VOLUME = "train-volume"
"""The one group: every slice is of the same block of tissue."""

_FOLDERS = (("images", "masks"), ("image", "label"))


class IsbiMembrane(SegmentationDataset):
    """The ISBI 2012 stack; thirty slices are small, so the labels stay in memory."""

    kind = "isbi-membrane"
    known_labels = LABELS

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        validation: int = 5,
        membrane: int | None = None,
        cache: bool = False,
    ) -> None:
        """Read the labels of all slices and find out how membrane is written.

        Args:
            root: the folder of the stacks, or the one that holds train/.
            split: train, val or all; there is no test.
            validation: how many of the last slices validate.
            membrane: the value that is membrane, where the copy is turned around.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such data, labels of no known coding, or an empty split.
            RequestError: an unknown split, or `validation` leaves nothing to train on.
        """
        check_split(split)
        root = Path(root)
        found = _stack(root) if (root / "train-volume.tif").is_file() else _pairs(root)
        names, self._images, self._files = found.names, found.images, found.files
        if not 0 <= validation < len(names):
            raise RequestError(
                f"validation is {validation}; expected 0 to {len(names) - 1} of {len(names)} slices."
            )
        cut = len(names) - validation
        places = {"train": range(cut), "val": range(cut, len(names)), "test": range(0)}
        refuse_empty(
            split, root, {name: len(p) for name, p in places.items()}, "The test labels are not public."
        )
        self._slices = [i for name in wanted_splits(split) for i in places[name]]
        self._source = str(root)
        self._masks = _as_ids(found.raw, membrane, root)
        self.notes = (
            f"the last {validation} of {len(names)} slices validate; all are one volume, neighbours alike",
        )
        super().__init__(
            split=split,
            labels=LABELS,
            ids=[names[i] for i in self._slices],
            groups=[VOLUME] * len(self._slices),
            in_channels=1,
            cache=cache,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Return one slice."""
        place = self._slices[index]
        image = self._images[place]
        pixels = read_image(image) if isinstance(image, Path) else image.copy()
        return pixels, self._masks[place], f"{self._source}, slice {self.ids[index]}"

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the two stacks, or image and labels of a slice."""
        return self._files[self._slices[index]]


@dataclass(frozen=True)
class Slices:
    """All slices of a copy, in their order."""

    names: list[str]
    images: Sequence[Path | NDArray[Any]]
    """Files, or arrays (H, W, 1)."""

    raw: list[NDArray[Any]]
    """Labels (H, W) of either coding."""

    files: list[tuple[Path, ...]]
    """What each slice is read from."""


def _stack(root: Path) -> Slices:
    files = root / "train-volume.tif", root / "train-labels.tif"
    volume, labels = (read_image(file) for file in files)
    if volume.shape != labels.shape:
        raise DataError(
            f"{root}: train-volume.tif is {volume.shape}, train-labels.tif {labels.shape} (height, width, "
            "pages); "
            "expected one shape. Download both again."
        )
    pages = range(volume.shape[2])
    images = [np.ascontiguousarray(volume[..., i, None]) for i in pages]
    raw = [np.ascontiguousarray(labels[..., i]) for i in pages]
    return Slices([f"{i:02d}" for i in pages], images, raw, [files for _ in pages])


def _pairs(root: Path) -> Slices:
    inner = root / "train" if (root / "train").is_dir() else root
    for images, masks in _FOLDERS:
        if (inner / images).is_dir() and (inner / masks).is_dir():
            pairs = pair_by_stem(inner / images, inner / masks)
            pairs.sort(key=lambda pair: (len(pair.id), pair.id))  # 2 before 10: the order of the slices
            raw = [read_mask(pair.mask) for pair in pairs]
            files: list[tuple[Path, ...]] = [(pair.image, pair.mask) for pair in pairs]
            return Slices([pair.id for pair in pairs], [pair.image for pair in pairs], raw, files)
    raise DataError(
        f"{root}: no ISBI membrane data here. Expected train-volume.tif and train-labels.tif, or "
        "train/images and "
        "train/masks (or image and label); give the folder that holds them."
    )


def _as_ids(raw: list[NDArray[Any]], membrane: int | None, root: Path) -> list[NDArray[np.uint8]]:
    """Turn labels of either coding into ids."""
    values = sorted({int(v) for labels in raw for v in np.unique(labels)})
    if values not in ([0, 1], [0, 255]):
        raise DataError(
            f"{root}: the labels hold the values {values[:8]}; expected 0 and 1, or 0 and 255. "
            "Were they resized, or saved as JPEG?"
        )
    value = membrane if membrane is not None else (1 if values == [0, 1] else 0)
    if value not in values:
        raise RequestError(f"membrane is {membrane}, but the labels hold {values}; expected one of these.")
    masks = [(labels == value).astype(np.uint8) for labels in raw]
    share = float(np.mean([mask.mean() for mask in masks]))
    if membrane is None and share > 0.5:
        raise DataError(
            f"{root}: {100 * share:.0f} % of the pixels would be membrane, where 22 % are published: this "
            "copy seems "
            f"turned around. Say which value is membrane: membrane={values[0] if value else values[1]}."
        )
    return masks
