"""`folder`: your own images and masks, paired by file name.

Classes: from classes.json in the folder, or the option `classes`.
Files: images/a.jpg and masks/a.png; also images/train/ and masks/train/, or train/images/ and train/masks/.
Split: those folders, train.txt and others beside images/, or a division by `fractions`.
Group: `group_pattern`, a regular expression on the file name. Licence and citation: those of your data.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from terrazzo.core.errors import RequestError
from terrazzo.core.label_files import read_label_map
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.first_look import ask_for_classes, refuse_binary_255
from terrazzo.datasets.layouts import Part, find_parts, group_of, split_by_fractions
from terrazzo.datasets.pairing import Pair, files_by_stem, pair_by_stem

DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)


class Folder(PairDataset):
    """A folder with images/ and masks/, paired by file name; `classes.json` says what the masks hold."""

    kind = "folder"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        classes: str | Path | LabelMap | None = None,
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        group_pattern: str | None = None,
        mask_suffix: str = "",
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder.
            split: train, val, test or all.
            classes: a classes.json, or a label map; root/classes.json otherwise.
            fractions: shares of train, val and test where the folder itself is not divided; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the file name whose first group is the scene or video;
                one group is never divided over two splits, and intervals are drawn over groups.
            mask_suffix: what a mask's name has after the image's.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such folder, wrong pairs (all listed), an empty split, or 0/255 masks.
            ConfigError: classes.json is missing or wrong; where missing, the message holds one to paste.
            RequestError: an unknown split, or fractions for a folder that is divided already.
        """
        check_split(split)
        root = Path(root)
        parts, how = find_parts(root)
        if fractions is not None and how != "one heap":
            raise RequestError(f"fractions were given, but {root} is divided by its {how} already; drop one.")
        if how == "one heap":
            shares = DEFAULT_FRACTIONS if fractions is None else tuple(fractions)
            parts = _divide(parts["all"], shares, seed, group_pattern)
            self.notes = (f"no split in the folder: divided {shares} by seed {seed}",)
        refuse_empty(split, root, {name: part.count for name, part in parts.items()})
        labels = _labels(root, classes, parts)
        pairs = [
            pair
            for name in wanted_splits(split)
            if name in parts
            for pair in pair_by_stem(
                parts[name].images, parts[name].masks, only=parts[name].only, mask_suffix=mask_suffix
            )
        ]
        self.notes += _shared_groups(parts, group_pattern)
        refuse_repeated(pairs, root)
        refuse_binary_255(labels, [pair.mask for pair in pairs])
        groups = [group_of(pair.id, group_pattern) for pair in pairs]
        super().__init__(pairs, split=split, labels=labels, groups=groups, cache=cache)


def _divide(heap: Part, fractions: Sequence[float], seed: int, pattern: str | None) -> dict[str, Part]:
    stems = sorted(files_by_stem(heap.images))
    groups = [group_of(stem, pattern) or stem for stem in stems]
    places = split_by_fractions(groups, fractions, seed)
    return {name: Part(heap.images, heap.masks, tuple(stems[i] for i in places[name])) for name in SPLITS}


def _labels(root: Path, classes: str | Path | LabelMap | None, parts: dict[str, Part]) -> LabelMap:
    if isinstance(classes, LabelMap):
        return classes
    path = root / "classes.json" if classes is None else Path(classes)
    if classes is None and not path.is_file():
        folders = sorted({part.masks for part in parts.values()})
        raise ask_for_classes(path, [files[0] for f in folders for files in files_by_stem(f).values()])
    return read_label_map(path)


def _shared_groups(parts: dict[str, Part], pattern: str | None) -> tuple[str, ...]:
    """Notice scenes or videos that a folder's own division puts on two sides: scores on them are too good."""
    groups = {name: {group_of(stem, pattern) for stem in part.stems} for name, part in parts.items()}
    return tuple(
        f"{len(shared)} groups are in both {one} and {other}, for instance {min(map(str, shared))}"
        for one, other in combinations(groups, 2)
        if pattern is not None and (shared := groups[one] & groups[other])
    )


def refuse_repeated(pairs: Sequence[Pair], root: Path) -> None:
    """Refuse one id in two splits, which `all` would make ambiguous.

    Raises:
        RequestError: names the first id that comes twice.
    """
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise RequestError(
                f"{root}: {pair.id!r} is in two splits, so the split 'all' has two images of one id. "
                "Rename one of them, or take it out of one split."
            )
        seen.add(pair.id)
