"""From what a person names as data to a list of pairs, whatever is wrong with them.

The constructors in `datasets` refuse a folder with a single wrong pair, rightly. A doctor must see all of it:
so `folder` and `camvid` data are listed here from their files. Every other kind is opened by its own class
and read item by item; where that class refuses, its sentence is a finding.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from terrazzo.core.errors import ConfigError, DataError, RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.datasets import DATASETS, SegmentationDataset, build_dataset
from terrazzo.datasets.base import check_split, wanted_splits
from terrazzo.datasets.build import open_dataset
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
        data: `kind:path`, a folder, a dataset YAML, or a kind without a folder (`scenes`).
        split: train, val, test or all.

    Raises:
        RequestError: it is none of these, or an unknown split or option.
    """
    from terrazzo.inspect.listing import list_camvid, list_folder

    check_split(split)
    kind, root, options = _parsed(data)
    if kind == "camvid" and root is not None:
        source = list_camvid(str(data), root)
    elif kind == "folder" and root is not None:
        source = list_folder(str(data), root, options)
    else:
        return _opened(str(data), kind, root, options, split)
    return _only(source, split)


def _parsed(data: str | Path) -> tuple[str, Path | None, dict[str, Any]]:
    """Return kind, root and options."""
    kind, colon, rest = str(data).partition(":")
    if isinstance(data, str) and kind in DATASETS:
        return kind, Path(rest) if colon and rest else None, {}
    path = Path(data)
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _from_yaml(path)
    if path.is_dir():
        return "folder", path, {}
    open_dataset(data, split="train")  # raises the sentence that every verb has for this
    raise RequestError(f"No data at {str(data)!r}. Check the path.")


def _from_yaml(path: Path) -> tuple[str, Path | None, dict[str, Any]]:
    from terrazzo.core.config import read_yaml

    options = read_yaml(path)
    kind = options.pop("kind", "folder")
    if kind not in DATASETS:
        raise ConfigError(f"{path}: kind is {kind!r}; expected one of {', '.join(DATASETS)}.")
    root = options.pop("root", None)
    if isinstance(options.get("classes"), str):
        options["classes"] = path.parent / options["classes"]
    return kind, None if root is None else path.parent / root, options


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
    if datasets:  # a split that is simply not there is no mistake
        refusals = {part: text for part, text in refusals.items() if "is empty" not in text}
    items = tuple(item for part, dataset in datasets.items() for item in _items(part, dataset, root))
    troubles = tuple(Trouble("dataset-refused", (), text) for text in dict.fromkeys(refusals.values()))
    labels = next((dataset.labels for dataset in datasets.values()), None)
    return Source(name, root or Path(), kind, items, labels, troubles, "dataset", datasets, options)


def _items(split: str, dataset: SegmentationDataset, root: Path | None) -> list[Item]:
    pairs = getattr(dataset, "pairs", None)
    items = []
    for index, name in enumerate(dataset.ids):
        image, mask = (name, name) if pairs is None else (str(pairs[index].image), str(pairs[index].mask))
        shown = [_relative(path, root) for path in (image, mask)]
        items.append(Item(split, name, shown[0], shown[1], dataset.groups[index], index))
    return items


def _relative(path: str, root: Path | None) -> str:
    if root is not None and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path
