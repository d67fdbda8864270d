"""`manifest`: a table that says which image belongs to which mask, split, scene and weight.

Classes: from the option `classes`, else classes.json beside the table.
Files: CSV, TSV or Parquet with the columns image and mask (paths relative to the table's folder) and, where
wanted, id, split (train, val, test), group (scene, video) and weight (0 or more; the sampler `weights`).
Split: the column; without it the rows are divided by `fractions`, groups staying whole.
Group: the column, or `group_pattern` on the id. Licence and citation: those of your data.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import image_size, mask_size
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.classes import labels_for
from terrazzo.datasets.first_look import refuse_binary_255
from terrazzo.datasets.folder import DEFAULT_FRACTIONS
from terrazzo.datasets.layouts import group_of, split_by_fractions
from terrazzo.datasets.pairing import Pair, Problems
from terrazzo.datasets.table import Row, ids_of, read_table, split_of, weight_of


@dataclass(frozen=True)
class Entry:
    """One row of a manifest, read."""

    pair: Pair
    split: str
    group: str | None
    weight: float


class Manifest(PairDataset):
    """Pairs of files from a table."""

    kind = "manifest"

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
        """Read the table and check the pairs of a split.

        Args:
            root: the table.
            split: train, val, test or all.
            classes: a classes.json, or a label map; classes.json beside the table otherwise.
            fractions: shares of train, val and test for a table without a split column; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the id whose first group is the scene, for a table without
                a group column.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such table, wrong columns, rows or pairs (all listed), an empty split.
            ConfigError: classes.json is missing or wrong; where missing, the message holds one to paste.
            RequestError: an unknown split, or fractions for a table that has a split column.
        """
        check_split(split)
        path = Path(root)
        rows = read_table(path)
        entries = _entries(rows, path, group_pattern)
        if not any(row["split"] for row in rows):
            shares = tuple(fractions or DEFAULT_FRACTIONS)
            entries = _divided(entries, shares, seed)
            self.notes = (f"no split in the table: divided {shares} by seed {seed}",)
        elif fractions is not None:
            raise RequestError(f"fractions were given, but {path} has a column split already; drop one.")
        refuse_empty(split, path, Counter(entry.split for entry in entries))
        self.notes += _shared_groups(entries)
        chosen = [e for name in wanted_splits(split) for e in entries if e.split == name]
        _check_files(chosen, path)
        labels = labels_for(classes, path.parent, lambda: [entry.pair.mask for entry in chosen])
        refuse_binary_255(labels, [entry.pair.mask for entry in chosen])
        super().__init__(
            [entry.pair for entry in chosen],
            split=split,
            labels=labels,
            groups=[entry.group for entry in chosen],
            cache=cache,
        )
        if any(row["weight"] for row in rows):
            self.weights = tuple(entry.weight for entry in chosen)


def _entries(rows: Sequence[Row], path: Path, group_pattern: str | None) -> list[Entry]:
    """Return the rows as entries; whatever is wrong with any of them is said at once."""
    problems = Problems()
    divided = any(row["split"] for row in rows)
    ids = (
        [row["id"] for row in rows] if any(row["id"] for row in rows) else ids_of([r["image"] for r in rows])
    )
    entries, seen = [], set()
    for number, (row, name) in enumerate(zip(rows, ids, strict=True), start=1):
        split, weight, where = split_of(row["split"]), weight_of(row["weight"]), f"row {number}"
        for column in ("image", "mask"):
            if not row[column]:
                problems.add("no path", f"{where}: {column}")
        if divided and split is None:
            problems.add("split is none of train, val, test", f"{where}: {row['split']!r}")
        if weight is None:
            problems.add("weight is no number of 0 or more", f"{where}: {row['weight']!r}")
        if not name or name in seen or set(name) & set("/\\"):
            problems.add("id is missing, comes twice, or is no file name", f"{where}: {name!r}")
        seen.add(name)
        pair = Pair(name, path.parent / row["image"], path.parent / row["mask"])
        group = row["group"] or group_of(name, group_pattern)
        entries.append(Entry(pair, split or "", group, 1.0 if weight is None else weight))
    problems.raise_if_any(str(path), len(rows))
    return entries


def _divided(entries: Sequence[Entry], fractions: Sequence[float], seed: int) -> list[Entry]:
    groups = [entry.group or entry.pair.id for entry in entries]
    places = split_by_fractions(groups, fractions, seed)
    split_at = {i: name for name in SPLITS for i in places[name]}
    return [Entry(e.pair, split_at[i], e.group, e.weight) for i, e in enumerate(entries)]


def _check_files(entries: Sequence[Entry], path: Path) -> None:
    """Refuse files that are missing, unreadable or of another size than their partner, by their headers."""
    problems = Problems()
    for entry in entries:
        pair = entry.pair
        missing = [file for file in (pair.image, pair.mask) if not file.is_file()]
        for file in missing:
            problems.add("no such file", str(file))
        if missing:
            continue
        try:
            image, mask = image_size(pair.image), mask_size(pair.mask)
        except DataError as error:
            problems.add("unreadable", str(error))
            continue
        if image != mask:
            sizes = f"{pair.id}: image {image[0]} x {image[1]}, mask {mask[0]} x {mask[1]}"
            problems.add("image and mask of different size (height x width)", sizes)
    problems.raise_if_any(f"{path} (paths are relative to its folder)", len(entries))


def _shared_groups(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Notice scenes or videos that the table puts on two sides: scores on them are too good."""
    groups = {name: {e.group for e in entries if e.split == name} - {None} for name in SPLITS}
    return tuple(
        f"{len(shared)} groups are in both {one} and {other}, for instance {min(map(str, shared))}"
        for one, other in (("train", "val"), ("train", "test"), ("val", "test"))
        if (shared := groups[one] & groups[other])
    )
