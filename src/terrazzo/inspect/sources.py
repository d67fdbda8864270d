"""From what a person names as data to a list of pairs, whatever is wrong with them.

The constructors in `datasets` refuse a folder with a single wrong pair, rightly. A doctor must see all of it:
so `folder` data, and `camvid` data as the SegNet tutorial has them, are listed here from their files. Every
other kind is opened by its own class and read item by item; where it refuses, its sentence is a finding.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.datasets.base import check_split, wanted_splits
from terrazzo.datasets.build import parse_source
from terrazzo.inspect.kinds import Trouble

HEAP = "all"
"""The name of the only split of a folder that is not divided."""


@dataclass(frozen=True)
class Item:
    """One pair of image and mask, or one item of a dataset that makes its own."""

    split: str
    id: str
    image: str
    """Relative to the data's folder; an id where there is no file."""

    mask: str
    group: str | None
    index: int = -1
    """Where in the dataset of its split; -1 for files."""

    twin: bool = False
    """Another image file has the same length in bytes, so its contents may be the same too."""

    twin_mask: bool = False


@dataclass(frozen=True)
class Source:
    """Everything known before a pixel is read."""

    name: str
    root: Path
    kind: str
    items: tuple[Item, ...]
    labels: LabelMap | None
    troubles: tuple[Trouble, ...]
    how: str
    """How the folder is divided: `sub-folders`, `split files`, `one heap` or `dataset`."""

    datasets: dict[str, SegmentationDataset] = field(default_factory=dict)
    """Split -> dataset, for kinds that are not read from files here."""

    options: dict[str, Any] = field(default_factory=dict)
    """Options of the kind, from a dataset YAML."""

    @property
    def raw(self) -> bool:
        """Whether the files are read here, and so can be repaired."""
        return not self.datasets and self.how != "dataset"


def open_source(data: str | Path, split: str = "all") -> Source:
    """List the pairs of data, named as for every verb.

    Args:
        data: what `open_dataset` opens.
        split: train, val, test or all.

    Raises:
        RequestError: it is nothing such, volumes, or an unknown split or option.
    """
    from terrazzo.inspect.listing import is_tutorial, list_camvid, list_folder

    check_split(split)
    kind, options = parse_source(data)
    given = options.pop("root", None)
    root = None if given is None else Path(given)
    if kind == "camvid" and root is not None and not options and is_tutorial(root):
        source = list_camvid(str(data), root)
    elif kind == "folder" and root is not None:
        source = list_folder(str(data), root, options)
    else:
        return _opened(str(data), kind, root, options, split)
    return _only(source, split)


def _only(source: Source, split: str) -> Source:
    """Keep one split."""
    if split == "all":
        return source
    if source.how == "one heap":
        raise RequestError(
            f"{source.root} is not divided into splits, so there is no {split!r} to inspect. "
            "Leave --split out to inspect all of it."
        )
    items = tuple(item for item in source.items if item.split == split)
    if not items:
        there = ", ".join(sorted({item.split for item in source.items})) or "none"
        raise RequestError(f"The split {split!r} of {source.root} has no pair; found: {there}.")
    return replace(source, items=items)


def _opened(name: str, kind: str, root: Path | None, options: dict[str, Any], split: str) -> Source:
    """Open a dataset by its own class, split by split."""
    datasets: dict[str, SegmentationDataset] = {}
    refusals: dict[str, str] = {}
    for part in wanted_splits(split):
        try:
            datasets[part] = build_dataset(kind, root=root, split=part, **options)
        except DataError as error:
            refusals[part] = str(error)
    _refuse_volumes(name, datasets)
    if datasets:  # a split that is simply not there is no mistake
        refusals = {part: text for part, text in refusals.items() if "is empty" not in text}
    items = tuple(item for part, dataset in datasets.items() for item in _items(part, dataset, root))
    troubles = tuple(Trouble("dataset-refused", (), text) for text in dict.fromkeys(refusals.values()))
    labels = next((dataset.labels for dataset in datasets.values()), None)
    return Source(name, root or Path(), kind, items, labels, troubles, "dataset", datasets, options)


def _refuse_volumes(name: str, datasets: dict[str, SegmentationDataset]) -> None:
    if any(dataset.sides == 3 for dataset in datasets.values()):
        raise RequestError(
            f"{name} has volumes; expected images, which inspection is made for. Cut the volumes into slices "
            "(an image and a mask of each) to inspect those."
        )


def _items(split: str, dataset: SegmentationDataset, root: Path | None) -> list[Item]:
    pairs = getattr(dataset, "pairs", None)
    folder = root.parent if root is not None and root.is_file() else root
    items = []
    for index, name in enumerate(dataset.ids):
        image, mask = (name, name) if pairs is None else (str(pairs[index].image), str(pairs[index].mask))
        shown = [_relative(path, folder) for path in (image, mask)]
        items.append(Item(split, name, shown[0], shown[1], dataset.groups[index], index))
    return items


def _relative(path: str, root: Path | None) -> str:
    if root is not None and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path
