"""How the splits of a folder of pairs are found on disk, whoever laid it out.

sub-folders      root/train/images + root/train/masks     (and val, test)
root/images/train + root/masks/train
split files      root/images + root/masks + train.txt (or splits/train.txt), one name a line
one heap         root/images + root/masks: divided by `fractions`, see `split_by_fractions`
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets.base import SPLITS
from terrazzo.datasets.pairing import files_by_stem


@dataclass(frozen=True)
class Part:
    """Where one split is: two folders, and which ids of them (None = all)."""

    images: Path
    masks: Path
    only: tuple[str, ...] | None = None

    @property
    def stems(self) -> tuple[str, ...]:
        """The ids of this split's images."""
        return tuple(files_by_stem(self.images)) if self.only is None else self.only

    @property
    def count(self) -> int:
        """How many images this split has."""
        return len(self.stems)


def find_parts(root: Path) -> tuple[dict[str, Part], str]:
    """Return where each split is, and how the folder says so: `sub-folders`, `split files` or `one heap`.

    A heap is returned whole, under the name `all`.

    Raises:
        DataError: there is no such folder, no images and masks in it, or split files that contradict it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder. Give the folder that holds images/ and masks/.")
    parts = _sub_folders(root)
    if parts:
        return parts, "sub-folders"
    heap = Part(root / "images", root / "masks")
    if not heap.images.is_dir() or not heap.masks.is_dir():
        there = ", ".join(sorted(p.name + "/" * p.is_dir() for p in root.iterdir())[:12]) or "nothing"
        raise DataError(
            f"{root}: no images with masks. Expected images/ and masks/ in it, or in train/, val/ and test/, "
            f"or images/train and masks/train; found {there}."
        )
    parts = _split_files(root, heap)
    return (parts, "split files") if parts else ({"all": heap}, "one heap")


def group_of(stem: str, pattern: str | None) -> str | None:
    """Return the group that a name belongs to: the pattern's first group, or None without a pattern.

    Raises:
        RequestError: the pattern is no regular expression with a group, or does not fit the name.
    """
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RequestError(f"group_pattern {pattern!r} is no regular expression: {error}.") from error
    if compiled.groups < 1:
        raise RequestError(f"group_pattern {pattern!r} has no group; put the scene's part in parentheses.")
    match = compiled.search(stem)
    if match is None or match[1] is None:
        raise RequestError(
            f"group_pattern {pattern!r} does not fit the name {stem!r}; expected it to fit every image."
        )
    return match[1]


def split_by_fractions(
    groups: Sequence[str], fractions: Sequence[float], seed: int
) -> dict[str, tuple[int, ...]]:
    """Divide items into train, val and test so that no group is on two sides.

    Groups are taken in an order drawn from the seed, each to the split that is furthest behind its share;
    a split with a share gets at least one group while there are enough.

    Args:
        groups: the group of each item (its own id where it has none).
        fractions: the shares of train, val and test; they sum to 1.
        seed: the draw, 0 or more.

    Returns:
        The positions of each split's items, rising.

    Raises:
        RequestError: the fractions are not three shares that sum to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise RequestError(
            f"fractions are {tuple(fractions)}; expected three shares for train, val and test that sum to 1."
        )
    members: dict[str, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    names = sorted(members)
    order = generator(seed, Stream.SPLIT).permutation(len(names))
    behind = {name: share * len(groups) for name, share in zip(SPLITS, fractions, strict=True)}
    chosen: dict[str, list[int]] = {name: [] for name in SPLITS}
    for left, place in zip(range(len(names), 0, -1), order.tolist(), strict=True):
        empty = [name for name in SPLITS if behind[name] > 0 and not chosen[name]]
        split = max(empty if len(empty) >= left else SPLITS, key=lambda name: behind[name])
        chosen[split] += members[names[place]]
        behind[split] -= len(members[names[place]])
    return {name: tuple(sorted(items)) for name, items in chosen.items()}


def _sub_folders(root: Path) -> dict[str, Part]:
    parts = {}
    for split in SPLITS:
        for images, masks in (
            (root / split / "images", root / split / "masks"),
            (root / "images" / split, root / "masks" / split),
        ):
            if images.is_dir() or masks.is_dir():
                parts[split] = Part(images, masks)
    return parts


def _split_files(root: Path, heap: Part) -> dict[str, Part]:
    known = files_by_stem(heap.images)
    parts: dict[str, Part] = {}
    owner: dict[str, str] = {}
    for split in SPLITS:
        places = (root / f"{split}.txt", root / "splits" / f"{split}.txt")
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            continue
        stems = listed_stems(file, known)
        for stem in stems:
            if stem in owner:
                raise DataError(
                    f"{file}: {stem!r} is listed in {owner[stem]} and again in {split}; "
                    "expected each image once, or a score would be measured on what was trained on."
                )
            owner[stem] = split
        parts[split] = Part(heap.images, heap.masks, tuple(stems))
    return parts


def listed_stems(file: Path, known: Container[str]) -> tuple[str, ...]:
    """Return the ids of a split file, one a line: a name, a file name, or a path and a second path."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines())
    return tuple(_stem_of(line, known) for line in lines if line)


def _stem_of(line: str, known: Container[str]) -> str:
    first = line.split(maxsplit=1)[0]
    candidates = (line, Path(line).stem, Path(first).name, Path(first).stem)
    return next((name for name in candidates if name in known), Path(first).stem)
