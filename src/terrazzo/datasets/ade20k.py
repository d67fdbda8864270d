"""`ade20k`: indoor and outdoor scenes of ADE20K with the 150 classes of the scene parsing challenge.

Classes: 150; raw id 0 is `other` and void, 1..150 are train ids 0..149. Files hold the raw ids.
Files: JPEG images of any size, masks as 8-bit grey PNG. This is the release `ADEChallengeData2016`, not the
full ADE20K, whose colour-coded files of 3000 classes are refused with a sentence.
Split: training (train) and validation (val). The challenge's test images have no masks.
Group: none; the images are single photos.
Licence: annotations BSD-3-Clause; images for non-commercial research and education.
Citation: Zhou et al.: Scene Parsing through ADE20K Dataset, CVPR 2017.
"""

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.datasets.about import About
from terrazzo.datasets.ade20k_labels import LABELS
from terrazzo.datasets.base import PairDataset, check_split, count_notes, refuse_empty, wanted_splits
from terrazzo.datasets.layouts import Part
from terrazzo.datasets.pairing import files_by_stem, pair_by_stem, refuse_names

ABOUT = About(
    name="ade20k",
    title="ADE20K, scene parsing release (ADEChallengeData2016)",
    homepage="https://sceneparsing.csail.mit.edu",
    licence="Annotations BSD-3-Clause; images for non-commercial research and education only.",
    citation="Zhou et al.: Scene Parsing through ADE20K Dataset, CVPR 2017",
    splits={"train": 20210, "val": 2000},
    layout=(
        "images/{training,validation}/ADE_{train,val}_<number>.jpg",
        "annotations/{training,validation}/ADE_{train,val}_<number>.png",
        "or both in one folder each: images/ADE_*.jpg and annotations/ADE_*.png",
    ),
)

INNER = "ADEChallengeData2016"
FOLDERS = {"train": ("training", "ADE_train_"), "val": ("validation", "ADE_val_")}
"""Each split's folder, and how its file names begin."""

_NAME = re.compile(r"ADE_(train|val)_\d+")


class Ade20k(PairDataset):
    """The scene parsing release as its archive unpacks, or images/ and annotations/ without sub-folders."""

    kind = "ade20k"
    known_labels = LABELS

    def __init__(self, root: str | Path, split: str = "train", *, cache: bool = False) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder with images/ and annotations/, or one that holds it as ADEChallengeData2016/.
            split: train, val or all; test has no masks.
            cache: keep decoded samples in memory (train: 20 GB).

        Raises:
            DataError: no such folder or split, or wrong pairs (all listed).
            RequestError: an unknown split.
        """
        check_split(split)
        root = Path(root)
        root = root / INNER if (root / INNER).is_dir() else root
        if not (root / "images").is_dir() or not (root / "annotations").is_dir():
            raise DataError(
                f"{root}: no ADE20K here. Expected images/ and annotations/, each with training/ and "
                f"validation/, as {INNER}.zip unpacks; give the folder that holds them."
            )
        parts = {name: part for name in FOLDERS if (part := _part(root, name))}
        counts = {name: part.count for name, part in parts.items()}
        refuse_empty(split, root, counts, "The challenge's test images were published without masks.")
        self.notes = count_notes(wanted_splits(split), counts, ABOUT.splits)
        pairs = [
            pair
            for name in wanted_splits(split)
            if name in parts
            for pair in pair_by_stem(parts[name].images, parts[name].masks, only=parts[name].only)
        ]
        super().__init__(pairs, split=split, labels=LABELS, groups=[None] * len(pairs), cache=cache)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files of a pair; a colour-coded mask of the full release is refused."""
        image, mask, source = super().read(index)
        if mask.ndim == 3:
            raise DataError(
                f"{source}: a colour mask; expected 8-bit grey with ids 0..150. The full ADE20K release "
                f"codes 3000 classes in red and green; this dataset reads its scene parsing release, {INNER}."
            )
        return image, mask, source


def _part(root: Path, split: str) -> Part | None:
    folder, prefix = FOLDERS[split]
    if (root / "images" / folder).is_dir():
        return Part(root / "images" / folder, root / "annotations" / folder)
    heap = root / "images"
    files = files_by_stem(heap)
    refuse_names(heap, files, _NAME, "ADE_{train,val}_<number>")
    stems = tuple(stem for stem in files if stem.startswith(prefix))
    return Part(heap, root / "annotations", stems) if stems else None
