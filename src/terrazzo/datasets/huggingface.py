"""`huggingface`: a dataset of the `datasets` library: an object, a folder it saved, or Parquet files.

Classes: from the option `classes`, else classes.json in the folder.
Files: what `save_to_disk` writes (dataset_dict.json, or state.json for one part), or Parquet files as on the
hub (`train-00000-of-00002.parquet`, directly or in data/); images and masks as encoded PNG, JPEG, ... in a
column each. Parquet is converted once by the library, into its own cache.
Split: the names of the parts (`validation` is val); one part alone is divided by its column split or by
`fractions`. Group: a column. Nothing is downloaded. Licence and citation: those of the data.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import DataError, MissingExtraError, RequestError
from terrazzo.core.images import Encoded, read_image, read_mask
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.base import SPLITS, SegmentationDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.classes import labels_for
from terrazzo.datasets.folder import DEFAULT_FRACTIONS
from terrazzo.datasets.layouts import split_by_fractions
from terrazzo.datasets.table import split_of, weight_of

MASK_COLUMNS = ("mask", "label", "annotation", "labels", "segmentation_mask", "semantic_segmentation")
"""Columns that are taken for masks where none is named."""

Part = tuple[Any, Sequence[int]]
"""A `datasets.Dataset` and the rows of it that make up a split."""


class HuggingFace(SegmentationDataset):
    """Images and masks from the columns of a `datasets.Dataset`."""

    kind = "huggingface"

    def __init__(
        self,
        root: Any,
        split: str = "train",
        *,
        image_column: str = "image",
        mask_column: str | None = None,
        group_column: str | None = None,
        weight_column: str | None = None,
        id_column: str | None = None,
        classes: str | Path | LabelMap | None = None,
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        """Open the data and find the rows of a split; images are decoded when they are asked for.

        Args:
            root: a folder, a Parquet file, or a `datasets.Dataset` or `DatasetDict`.
            split: train, val, test or all.
            image_column: images, as files in bytes or paths.
            mask_column: masks, alike; one of `MASK_COLUMNS` otherwise.
            group_column: scene or video of each row.
            weight_column: how often each row is wanted, for the sampler `weights`.
            id_column: a name for each row; split and number otherwise.
            classes: a classes.json, or a label map; classes.json in the folder otherwise.
            fractions: shares of train, val and test where the data have one part; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            cache: keep decoded samples in memory.

        Raises:
            MissingExtraError: the `datasets` library is not installed.
            DataError: nothing such there, columns that are missing, an empty split, no label map.
            RequestError: an unknown split, or fractions for data that are divided already.
        """
        check_split(split)
        named = _opened(root)
        parts, self.notes = _parts(named, fractions, seed, group_column)
        place = Path(root) if isinstance(root, str | Path) else Path("the object given")
        refuse_empty(split, place, {name: len(rows) for name, (_, rows) in parts.items()})
        chosen = [(name, *parts[name]) for name in wanted_splits(split) if name in parts]
        first = chosen[0][1]
        mask_column = mask_column or _mask_column(first.column_names)
        columns = [image_column, mask_column]
        extra = [c for c in (group_column, weight_column, id_column) if c is not None]
        for _, data, _ in chosen:
            _check_columns(data.column_names, [*columns, *extra])
        self._items = [(_encoded(data, columns), row) for _, data, rows in chosen for row in rows]
        self._columns = (image_column, mask_column)
        self._names = [f"{name}_{row:06d}" for name, _, rows in chosen for row in rows]
        ids = _column(chosen, id_column) if id_column else self._names
        if len(set(ids)) < len(ids):
            raise DataError(
                f"The column {id_column!r} has an id twice; expected each once. Leave id_column out."
            )
        first_files = [self._file(0, which) for which in (0, 1)]
        self._by_path = any(isinstance(file, Path) for file in first_files)
        super().__init__(
            split=split,
            labels=labels_for(classes, place, lambda: [self._file(i, 1) for i in self._looked_at()]),
            ids=[str(name) for name in ids],
            groups=_groups(chosen, group_column),
            in_channels=read_image(self._file(0, 0)).shape[2],
            cache=cache,
        )
        if weight_column is not None:
            self.weights = _weights(_column(chosen, weight_column), weight_column)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Decode both files of a row."""
        mask = self._file(index, 1)
        return read_image(self._file(index, 0)), read_mask(mask), str(mask)

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return the Arrow files the rows lie in; none are known of data that are in memory alone."""
        data, _ = self._items[index]
        if not data.cache_files:
            return None
        pixels = [self._file(index, which) for which in (0, 1)] if self._by_path else []
        beside = [path for path in pixels if isinstance(path, Path)]
        return *beside, *(Path(file["filename"]) for file in data.cache_files)

    def _file(self, index: int, which: int) -> Path | Encoded:
        """Return the image (0) or the mask (1) of an item, still encoded."""
        data, row = self._items[index]
        column = self._columns[which]
        name = f"{self._names[index]}.{column}"
        value = data[row][column]
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return Encoded(name, value)
        if isinstance(value, str):
            return Path(value)
        raise DataError(
            f"{name}: the column holds a {type(value).__name__}; expected encoded images (the Image feature, "
            "bytes of a file, or a path). Choose another column, or save it as images."
        )

    def _looked_at(self) -> range:
        return range(0, len(self._items), max(1, len(self._items) // 16))


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "Data of the kind huggingface need the datasets library, which is not installed: "
            "pip install 'terrazzo[hub]'."
        ) from None
    return datasets


def _opened(root: Any) -> dict[str, Any]:
    """Return the parts by the names they have; one part without a name is ''."""
    library = _library()
    if isinstance(root, library.DatasetDict):
        return dict(root)
    if isinstance(root, library.Dataset):
        return {"": root}
    path = Path(root)
    if path.suffix == ".parquet" and path.is_file():
        return {"": library.Dataset.from_parquet(str(path))}
    if (path / "dataset_dict.json").is_file():
        return dict(library.load_from_disk(str(path)))
    if (path / "state.json").is_file():
        return {"": library.load_from_disk(str(path))}
    files = sorted(path.glob("*.parquet")) or sorted((path / "data").glob("*.parquet"))
    if not files:
        raise DataError(
            f"{path}: no data of the datasets library. Expected dataset_dict.json or state.json as "
            "save_to_disk writes them, or *.parquet files in it or in data/. Give the folder that holds them."
        )
    names = [file.stem.partition("-")[0] for file in files]
    named = names if all(split_of(name) for name in names) else [""] * len(files)
    return {
        name: library.Dataset.from_parquet([str(f) for f, n in zip(files, named, strict=True) if n == name])
        for name in dict.fromkeys(named)
    }


def _parts(
    named: Mapping[str, Any], fractions: Sequence[float] | None, seed: int, group_column: str | None
) -> tuple[dict[str, Part], tuple[str, ...]]:
    """Return the rows of each split, and what a person should know of how they came about."""
    if list(named) != [""]:
        if fractions is not None:
            raise RequestError(
                f"fractions were given, but the data have the parts {', '.join(named)} already; drop them."
            )
        known = {split: data for name, data in named.items() if (split := split_of(name)) is not None}
        rest = [name for name in named if split_of(name) is None]
        notes = (f"not used: {', '.join(rest)}, which is none of train, val, test",) if rest else ()
        return {name: (data, range(len(data))) for name, data in known.items()}, notes
    data = named[""]
    if "split" in data.column_names and fractions is None:
        splits = [split_of(str(value)) for value in data["split"]]
        if None in splits:
            row = splits.index(None)
            raise DataError(
                f"Row {row}: split is {data['split'][row]!r}; expected one of {', '.join(SPLITS)}."
            )
        return {name: (data, [i for i, s in enumerate(splits) if s == name]) for name in SPLITS}, ()
    shares = tuple(fractions or DEFAULT_FRACTIONS)
    groups = [str(g) for g in data[group_column]] if group_column else [f"{i:09d}" for i in range(len(data))]
    places = split_by_fractions(groups, shares, seed)
    note = f"no split in the data: divided {shares} by seed {seed}"
    return {name: (data, places[name]) for name in SPLITS}, (note,)


def _mask_column(columns: Sequence[str]) -> str:
    found = [name for name in MASK_COLUMNS if name in columns]
    if len(found) == 1:
        return found[0]
    what = (
        f"several columns may hold masks ({', '.join(found)})"
        if found
        else "no column is known to hold masks"
    )
    raise DataError(f"{what}; the data have: {', '.join(columns)}. Name the one in the option mask_column.")


def _check_columns(columns: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in columns:
            raise DataError(f"The data have no column {name!r}; they have: {', '.join(columns)}.")


def _encoded(data: Any, columns: Sequence[str]) -> Any:
    """Return the two columns alone, with images as they lie in the files."""
    library = _library()
    view = data.select_columns(list(columns))
    for name in columns:
        if isinstance(view.features[name], library.Image):
            view = view.cast_column(name, library.Image(decode=False))
    return view


def _column(chosen: Sequence[tuple[str, Any, Sequence[int]]], name: str) -> list[Any]:
    values = []
    for _, data, rows in chosen:
        column = list(data[name])
        values += [column[row] for row in rows]
    return values


def _groups(chosen: Sequence[tuple[str, Any, Sequence[int]]], name: str | None) -> list[str | None]:
    if name is None:
        return [None] * sum(len(rows) for _, _, rows in chosen)
    return [None if value is None else str(value) for value in _column(chosen, name)]


def _weights(values: Sequence[Any], column: str) -> tuple[float, ...]:
    weights = [weight_of("" if value is None else str(value)) for value in values]
    for value, weight in zip(values, weights, strict=True):
        if weight is None:
            raise DataError(
                f"The column {column!r} holds the weight {value!r}; expected a number of 0 or more."
            )
    return tuple(weight for weight in weights if weight is not None)
