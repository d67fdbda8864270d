"""The pairs of a folder from its file names alone. The layouts are those of `datasets.layouts` and camvid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrazzo.core.errors import ConfigError, RequestError, did_you_mean
from terrazzo.core.labels import LabelMap
from terrazzo.datasets import SPLITS
from terrazzo.datasets.camvid import LABELS as CAMVID_LABELS
from terrazzo.datasets.camvid import sequence_of
from terrazzo.datasets.layouts import group_of, listed_stems
from terrazzo.inspect.doctor.classes import count_trouble, guess_classes, read_classes
from terrazzo.inspect.doctor.names import pair_names
from terrazzo.inspect.kinds import Trouble
from terrazzo.inspect.sources import HEAP, Item, Source

FOLDER_OPTIONS = (
    "classes",
    "fractions",
    "seed",
    "group_pattern",
    "mask_suffix",
    "cache",
    "resize",
    "num_classes",
)


@dataclass(frozen=True)
class Shelf:
    """The two folders of a split, and the split file where there is one."""

    split: str
    images: Path
    masks: Path
    listed: Path | None = None


def list_folder(name: str, root: Path, options: dict[str, Any]) -> Source:
    """List a folder in any of the layouts that `folder` takes.

    Raises:
        RequestError: there is no such folder, no images and masks in it, or an unknown option.
    """
    for option in options:
        if option not in FOLDER_OPTIONS:
            raise ConfigError(f"{name}: no option {option!r}: {did_you_mean(option, FOLDER_OPTIONS)}")
    shelves, how = _shelves(root)
    pairs, troubles = _paired(root, shelves, options.get("mask_suffix", ""))
    labels, more = _labels(root, options, [mask for _, _, mask in pairs])
    pattern = options.get("group_pattern")
    items = _as_items(pairs, lambda stem: group_of(stem, pattern))
    return Source(name, root, "folder", items, labels, tuple(troubles + more), how, options=options)


def list_camvid(name: str, root: Path) -> Source:
    """List CamVid as {split}/{images,masks} or as the SegNet tutorial has it.

    Raises:
        RequestError: there is no CamVid.
    """
    root = _inner(root)
    shelves = _camvid_shelves(root)
    if not shelves:
        raise RequestError(
            f"{root}: no CamVid here. Expected train/images and train/masks, or train/ and trainannot/."
        )
    pairs, troubles = _paired(root, shelves, "")
    items = _as_items(pairs, sequence_of)
    return Source(name, root, "camvid", items, CAMVID_LABELS, tuple(troubles), "sub-folders")


def is_tutorial(root: Path) -> bool:
    """Say whether a folder has CamVid as `list_camvid` lists it, and not the original release."""
    return bool(_camvid_shelves(_inner(root)))


def _inner(root: Path) -> Path:
    inner = root / "CamVid"
    return inner if inner.is_dir() and not (root / "train").is_dir() else root


def _camvid_shelves(root: Path) -> list[Shelf]:
    shelves = []
    for split in SPLITS:
        listed = root / f"{split}.txt"
        if (root / split / "images").is_dir():
            shelves.append(Shelf(split, root / split / "images", root / split / "masks"))
        elif (root / f"{split}annot").is_dir():
            file = listed if listed.is_file() else None
            shelves.append(Shelf(split, root / split, root / f"{split}annot", file))
    return shelves


def _shelves(root: Path) -> tuple[list[Shelf], str]:
    if not root.is_dir():
        raise RequestError(f"{root}: there is no such folder. Give the folder that holds images/ and masks/.")
    shelves = []
    for split in SPLITS:
        for images, masks in (
            (root / split / "images", root / split / "masks"),
            (root / "images" / split, root / "masks" / split),
        ):
            if images.is_dir() or masks.is_dir():
                shelves.append(Shelf(split, images, masks))
    if shelves:
        return shelves, "sub-folders"
    images, masks = root / "images", root / "masks"
    if not images.is_dir() and not masks.is_dir():
        raise RequestError(
            f"{root}: no images with masks. Expected images/ and masks/ in it, or in train/, val/ and test/."
        )
    for split in SPLITS:
        places = (root / f"{split}.txt", root / "splits" / f"{split}.txt")
        file = next((place for place in places if place.is_file()), None)
        if file is not None:
            shelves.append(Shelf(split, images, masks, file))
    return (shelves, "split files") if shelves else ([Shelf(HEAP, images, masks)], "one heap")


Paired = list[tuple[str, str, str]]


def _paired(root: Path, shelves: Sequence[Shelf], suffix: str) -> tuple[Paired, list[Trouble]]:
    """Return (split, image, mask) of all shelves; shelves that share their folders are paired once."""
    found: Paired = []
    troubles: list[Trouble] = []
    known: dict[Path, list[tuple[str, str]]] = {}
    for shelf in shelves:
        if shelf.images not in known:
            images, masks = _names(root, shelf.images), _names(root, shelf.masks)
            if not images or not masks:
                half = shelf.masks if images else shelf.images
                troubles.append(Trouble("no-masks-folder", (), f"{half} is missing or empty"))
                known[shelf.images] = []
                continue
            known[shelf.images], more = pair_names(images, masks, suffix)
            troubles += more
        pairs = known[shelf.images]
        if shelf.listed is not None:
            pairs, more = _listed(shelf.listed, root, pairs)
            troubles += more
        found += [(shelf.split, image, mask) for image, mask in pairs]
    kept, repeated = _listed_once(found) if any(shelf.listed for shelf in shelves) else (found, [])
    return kept, troubles + repeated


def _names(root: Path, folder: Path) -> list[str]:
    """Return the files of a folder relative to the root; hidden files are passed over."""
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(root).as_posix() for path in files)


def _listed(
    file: Path, root: Path, pairs: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[Trouble]]:
    """Keep the pairs that a split file names, and note the names that no pair has."""
    by_stem = {Path(image).stem: (image, mask) for image, mask in pairs}
    stems = dict.fromkeys(listed_stems(file, by_stem))
    shown = file.relative_to(root).as_posix()
    missing = [Trouble("missing-listed-file", (shown,), s) for s in stems if s not in by_stem]
    return [by_stem[stem] for stem in stems if stem in by_stem], missing


def _listed_once(found: Paired) -> tuple[Paired, list[Trouble]]:
    last = {image: split for split, image, _ in found}
    twice = [Trouble("listed-twice", (i,), f"{i} in {s} and {last[i]}") for s, i, _ in found if last[i] != s]
    return [(s, i, m) for s, i, m in found if last[i] == s], twice


def _labels(
    root: Path, options: dict[str, Any], masks: Sequence[str]
) -> tuple[LabelMap | None, list[Trouble]]:
    given = options.get("classes")
    if isinstance(given, LabelMap):
        return given, []
    labels, troubles = read_classes(root / "classes.json" if given is None else Path(given))
    if labels is None:
        return guess_classes(root, masks), troubles
    return labels, troubles + count_trouble(options, labels, "the dataset YAML")


def _as_items(pairs: Paired, group: Callable[[str], str | None]) -> tuple[Item, ...]:
    return tuple(
        Item(split, _stem(image), image, mask, group(_stem(image)))
        for split, image, mask in sorted(pairs, key=lambda pair: ((*SPLITS, HEAP).index(pair[0]), pair[1]))
    )


def _stem(path: str) -> str:
    return Path(path.rstrip()).stem.strip()
