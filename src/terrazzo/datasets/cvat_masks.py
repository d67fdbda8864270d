"""`cvat-masks`: CVAT's export "Segmentation mask 1.1": painted PNGs and labelmap.txt.

Classes: the lines of labelmap.txt in their order, `label:red,green,blue:parts:actions`. Tasks with Pascal
VOC's labels come without the file; then it must be added. `void` names those that count for nothing.

Format: SegmentationClass/a.png, RGB, or palette: then the colours of the palette count, not the indices.
SegmentationObject/ holds instances and is not read. JPEGImages/ is there if images were exported, too.

Split: ImageSets/Segmentation/train.txt, val.txt and test.txt where there are any; else drawn by `fractions`.
Group: by `group_pattern`.

Licence: of your data. Citation: CVAT.ai: Computer Vision Annotation Tool, https://github.com/cvat-ai/cvat.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.image_files import opened
from terrazzo.core.images import read_image, read_mask
from terrazzo.core.labels import RGB, LabelClass, LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.division import divide, split_named
from terrazzo.datasets.layouts import group_of
from terrazzo.datasets.pairing import files_by_stem, pair_by_stem

ABOUT = About(
    name="cvat-masks",
    title="CVAT annotations, export 'Segmentation mask 1.1'",
    homepage="https://docs.cvat.ai/docs/dataset_management/formats/format-smask/",
    licence="That of your own images; CVAT itself is MIT.",
    citation="CVAT.ai: Computer Vision Annotation Tool, https://github.com/cvat-ai/cvat.",
    splits={},
    layout=(
        "labelmap.txt                      label:red,green,blue:parts:actions",
        "ImageSets/Segmentation/default.txt (or train.txt, val.txt, test.txt)",
        "SegmentationClass/a.png",
        "JPEGImages/a.jpg                  (or images/)",
    ),
)


class CvatMasks(PairDataset):
    """Images with CVAT's painted masks."""

    kind = "cvat-masks"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        void: Sequence[str] = (),
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        group_pattern: str | None = None,
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder of the unpacked export.
            split: train, val, test or all.
            void: labels that count for nothing.
            fractions: shares of train, val and test where the export is not divided; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the file name whose first group is the scene or video.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such export, wrong labels or pairs (all listed), or an empty split.
            RequestError: an unknown split, or fractions for an export that is divided already.
        """
        check_split(split)
        root = Path(root)
        masks = root / "SegmentationClass"
        images = next((p for p in (root / "JPEGImages", root / "images") if p.is_dir()), root / "JPEGImages")
        if not masks.is_dir() or not images.is_dir():
            raise DataError(
                f"{root}: expected SegmentationClass/ and JPEGImages/ (or images/) of the export "
                "'Segmentation mask "
                "1.1'. Export with 'save images', or put the images into JPEGImages/."
            )
        labels = read_labelmap(root / "labelmap.txt", void)
        stems = sorted(files_by_stem(images).keys() | files_by_stem(masks).keys())
        listed = _listed(root)
        blocks = [group_of(stem, group_pattern) or stem for stem in stems]
        names = [listed.get(stem) for stem in stems]
        places, notes = divide(names, blocks, fractions=fractions, seed=seed, root=root)
        refuse_empty(split, root, {name: len(items) for name, items in places.items()})
        pairs = [
            pair
            for name in wanted_splits(split)
            for pair in pair_by_stem(images, masks, only=[stems[i] for i in places[name]])
        ]
        self.notes = notes
        groups = [group_of(pair.id, group_pattern) for pair in pairs]
        super().__init__(pairs, split=split, labels=labels, groups=groups, cache=cache)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files, the mask as colours."""
        pair = self.pairs[index]
        return read_image(pair.image), _colors(pair.mask), str(pair.mask)


def read_labelmap(path: Path, void: Sequence[str] = ()) -> LabelMap:
    """Read the labels and colours of an export.

    Raises:
        DataError: the file is missing, or a line is not `label:red,green,blue:parts:actions`.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file; expected a line label:red,green,blue:: for each label. "
            "It is part of the export of every task with labels of its own."
        )
    colors: dict[str, RGB] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *rest = line.split(":")
        try:
            red, green, blue = (int(value) for value in rest[0].split(","))
        except (IndexError, ValueError):
            raise DataError(
                f"{path}, line {number}: {line!r}; expected label:red,green,blue:parts:actions."
            ) from None
        colors[name.strip()] = (red, green, blue)
    unknown = set(void) - set(colors)
    if unknown:
        raise DataError(
            f"{path}: no label {min(unknown)!r}, which the option void names; it has {', '.join(colors)}."
        )
    kept = [(name, color) for name, color in colors.items() if name not in void]
    classes = tuple(LabelClass(name, color, (i,)) for i, (name, color) in enumerate(kept))
    return LabelMap(classes, void_colors=tuple(colors[name] for name in colors if name in void))


def _colors(path: Path) -> NDArray[Any]:
    """Return a mask as RGB (H, W, 3); the palette says what its indices stand for."""
    mask = read_mask(path)
    if mask.ndim == 3:
        return mask
    with opened(path) as image:
        flat = image.getpalette("RGB")
    if flat is None:
        raise DataError(f"{path}: grey values; expected RGB or a palette, as CVAT writes. Export it again.")
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(flat) // 3] = np.array(flat, dtype=np.uint8).reshape(-1, 3)
    colors: NDArray[np.uint8] = palette[mask]
    return colors


def _listed(root: Path) -> dict[str, str]:
    """Return the split of each name that a list of a split has; `default.txt` is none."""
    listed: dict[str, str] = {}
    for path in sorted((root / "ImageSets" / "Segmentation").glob("*.txt")):
        split = split_named(path.stem)
        for line in path.read_text(encoding="utf-8").splitlines() if split else ():
            stem = Path(line.strip()).name
            if split and listed.setdefault(stem, split) != split:
                raise DataError(
                    f"{path}: {stem!r} is in {listed[stem]} as well; expected each image in one split."
                )
    return listed
