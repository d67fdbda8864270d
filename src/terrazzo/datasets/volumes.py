"""`volumes`: three-dimensional images with masks, as NIfTI files; for networks with three sides (V-Net).

Classes: those of a classes.json, or of the dataset.json that nnU-Net and the Medical Segmentation Decathlon
have (`{"background": 0, "liver": 1}` or `{"0": "background"}`; `ignore` is void).

Format: .nii or .nii.gz, read into one orientation (see `core.volume_files`): image (D, H, W, C), mask
(D, H, W). Several channels are a fourth side of one file, or files a_0000.nii.gz, a_0001.nii.gz as nnU-Net
has them.
An image and its mask must lie at the same place in space. Values are not normalised here: give the network
mean and std of your scanner as options (`model.options.mean`), the defaults are for 0..255.

Split: {train,val,test}/{images,masks}, or one heap (images/ + masks/, imagesTr/ + labelsTr/) drawn by
`fractions`. Group: by `group_pattern`, the patient where there are several scans of one.

Licence: of your data. Citation: Milletari, Navab, Ahmadi: V-Net, 3DV 2016, https://arxiv.org/abs/1606.04797.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import ConfigError, DataError
from terrazzo.core.label_files import read_label_map, spread_color
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.core.volume_files import (
    is_volume,
    read_label_volume,
    read_space,
    read_volume,
    volume_stem,
)
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, SegmentationDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.division import divide
from terrazzo.datasets.layouts import group_of
from terrazzo.datasets.pairing import Problems

ABOUT = About(
    name="volumes",
    title="Your own volumes (NIfTI), also in the layouts of nnU-Net and the Medical Segmentation Decathlon",
    homepage="http://medicaldecathlon.com",
    licence="That of your own data; the Decathlon's is CC BY-SA 4.0.",
    citation="Antonelli et al.: The Medical Segmentation Decathlon, Nature Communications 2022.",
    splits={},
    layout=(
        "imagesTr/a.nii.gz (or a_0000.nii.gz, a_0001.nii.gz) and labelsTr/a.nii.gz, with dataset.json",
        "or images/a.nii.gz and masks/a.nii.gz, with classes.json",
        "or train/images/, train/masks/, val/images/, val/masks/",
    ),
)

_FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))


@dataclass(frozen=True)
class Scan:
    """One volume: a file for all channels, or one for each, and its mask."""

    id: str
    images: tuple[Path, ...]
    mask: Path
    split: str | None = None


class Volumes(SegmentationDataset):
    """NIfTI volumes with masks."""

    kind = "volumes"
    sides = 3

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        classes: str | Path | LabelMap | None = None,
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        group_pattern: str | None = None,
        cache: bool = False,
    ) -> None:
        """Find the volumes of a split and check where they lie in space.

        Args:
            root: the folder.
            split: train, val, test or all.
            classes: a classes.json, or a label map; root/classes.json or root/dataset.json otherwise.
            fractions: shares of train, val and test where the folder itself is not divided; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the file name whose first group is the patient.
            cache: keep decoded volumes in memory.

        Raises:
            DataError: no such folder, wrong pairs (all listed), or an empty split.
            ConfigError: the classes are missing or wrong.
            RequestError: an unknown split, or fractions for a folder that is divided already.
            MissingExtraError: nibabel is not installed.
        """
        check_split(split)
        root = Path(root)
        scans = _find(root)
        labels = classes if isinstance(classes, LabelMap) else _labels(root, classes)
        groups = [group_of(scan.id, group_pattern) for scan in scans]
        blocks = [group or scan.id for group, scan in zip(groups, scans, strict=True)]
        places, self.notes = divide(
            [scan.split for scan in scans], blocks, fractions=fractions, seed=seed, root=root
        )
        refuse_empty(split, root, {name: len(items) for name, items in places.items()})
        chosen = [i for name in wanted_splits(split) for i in places[name]]
        self.scans = tuple(scans[i] for i in chosen)
        _check(self.scans, root)
        super().__init__(
            split=split,
            labels=labels,
            ids=[scan.id for scan in self.scans],
            groups=[groups[i] for i in chosen],
            in_channels=sum(read_space(path).channels for path in self.scans[0].images),
            cache=cache,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read all channels and the mask."""
        scan = self.scans[index]
        channels = [read_volume(path) for path in scan.images]
        image = channels[0] if len(channels) == 1 else np.concatenate(channels, axis=3)
        return image, read_label_volume(scan.mask), str(scan.mask)

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files of all channels and the mask."""
        scan = self.scans[index]
        return *scan.images, scan.mask


def _find(root: Path) -> list[Scan]:
    """Return every mask with its images, and every image without a mask as a problem."""
    found: list[Scan] = []
    problems = Problems()
    for split, folder in ((None, root), *((name, root / name) for name in SPLITS)):
        for images, masks in _FOLDERS:
            if (folder / images).is_dir() and (folder / masks).is_dir():
                found += _scans(folder / images, folder / masks, split, problems)
                break
    problems.raise_if_any(str(root), len(found))
    if not found:
        raise DataError(
            f"{root}: no volumes with masks. Expected .nii or .nii.gz in images/ and masks/, imagesTr/ and "
            "labelsTr/, or in these below train/, val/ and test/; give the folder that holds them."
        )
    return found


def _scans(images: Path, masks: Path, split: str | None, problems: Problems) -> list[Scan]:
    files = {volume_stem(path): path for path in sorted(images.iterdir()) if _is_wanted(path)}
    scans, used = [], set[str]()
    for mask in sorted(path for path in masks.iterdir() if _is_wanted(path)):
        stem = volume_stem(mask)
        numbered = [name for name in files if name[:-4] == f"{stem}_" and name[-4:].isdigit()]
        names = [stem] if stem in files else sorted(numbered)
        used.update(names)
        if names:
            scans.append(Scan(stem, tuple(files[name] for name in names), mask, split))
        else:
            problems.add("no image for the mask", mask.name)
    for name in sorted(files.keys() - used):
        problems.add("no mask for the image", files[name].name)
    return scans


def _is_wanted(path: Path) -> bool:
    return is_volume(path) and not path.name.startswith(".")


def _check(scans: Sequence[Scan], root: Path) -> None:
    """Refuse volumes that cannot be read, come twice, or lie elsewhere than their mask, all together."""
    problems, seen = Problems(), set[str]()
    for scan in scans:
        if scan.id in seen:
            problems.add("two volumes of one name", scan.id)
        seen.add(scan.id)
        try:
            mask, *spaces = (read_space(path) for path in (scan.mask, *scan.images))
        except DataError as error:
            problems.add("unreadable", str(error))
            continue
        for path, space in zip(scan.images, spaces, strict=True):
            if difference := space.differs_from(mask):
                problems.add("image and mask at different places", f"{path.name}: {difference}")
    problems.raise_if_any(str(root), len(scans))


def _labels(root: Path, classes: str | Path | None) -> LabelMap:
    own, foreign = root / "classes.json", root / "dataset.json"
    if classes is not None:
        return read_label_map(classes)
    if own.is_file() or not foreign.is_file():
        return read_label_map(own)
    return read_dataset_json(foreign)


def read_dataset_json(path: Path) -> LabelMap:
    """Read the label map of a dataset.json of nnU-Net or the Decathlon.

    Raises:
        ConfigError: no JSON, no labels, or labels that are several ids at once.
    """
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        by_name = {str(n): int(i) for n, i in labels.items()} if "0" not in labels else _turned(labels)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: no labels as names and ids ({type(error).__name__}: {error}). Expected "
            '{"labels": {"background": 0, "liver": 1}}; regions of several ids are no classes.'
        ) from error
    void = by_name.pop("ignore", None)
    items = sorted(by_name.items(), key=lambda item: item[1])
    kept = tuple(LabelClass(name, spread_color(i), (number,)) for i, (name, number) in enumerate(items))
    free = next(i for i in (255, 65535) if i not in by_name.values())
    return LabelMap(kept, (free if void is None else void,))


def _turned(labels: dict[str, Any]) -> dict[str, int]:
    return {str(name): int(number) for number, name in labels.items()}
