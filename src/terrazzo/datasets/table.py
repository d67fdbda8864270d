"""Reading a table of samples from CSV, Parquet or a list: columns by name, and what a cell may hold.

Columns: image and mask (paths), and where wanted id, split, group and weight. Others are left alone.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath
from typing import Any

from terrazzo.core.errors import DataError, MissingExtraError
from terrazzo.datasets.base import SPLITS

NEEDED = ("image", "mask")
OPTIONAL = ("id", "split", "group", "weight")
SUFFIXES = (".csv", ".tsv", ".parquet")

SPLIT_ALIASES = {"validation": "val", "valid": "val", "dev": "val", "training": "train", "testing": "test"}
"""What others call our splits."""

Row = dict[str, str]
_SLIP = 0.85  # below it lies `height` for `weight`


def read_table(path: Path, *, needed: Sequence[str] = NEEDED) -> list[Row]:
    """Return the rows of a table; an empty cell is the empty string, and every row has all six columns.

    Args:
        path: the table.
        needed: columns that must be there.

    Raises:
        DataError: no such file, no table, no rows, or the columns are not there.
        MissingExtraError: Parquet without pyarrow.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: not a table that can be read; expected {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Give the path of a table of images and masks.")
    columns, rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    _check_columns(columns, path, needed)
    if not rows:
        raise DataError(f"{path}: the table has no rows; expected one for each image.")
    wanted = (*NEEDED, *OPTIONAL)
    return [{name: _cell(row.get(name)) for name in wanted} for row in rows]


def split_of(name: str) -> str | None:
    """Return the split that a word stands for; None where it stands for none."""
    word = name.strip().lower()
    word = SPLIT_ALIASES.get(word, word)
    return word if word in SPLITS else None


def weight_of(text: str) -> float | None:
    """Return a weight; an empty cell is 1, None what is no finite number of 0 or more."""
    if not text:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if math.isfinite(weight) and weight >= 0 else None


def ids_of(paths: Sequence[str]) -> list[str]:
    """Return an id for each image path: the file's name without ending, or where two are alike the path."""
    stems = [PurePosixPath(path.replace("\\", "/")).stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    whole = [PurePosixPath(path.replace("\\", "/")).with_suffix("") for path in paths]
    return ["-".join(part for part in path.parts if part not in {"/", "..", "."}) for path in whole]


def _read_csv(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else _comma(path))
            rows: list[Mapping[str, Any]] = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8 ({error}). Save it again as such.") from None
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(
                f"{path}: line {number} has another number of cells than the first line, which names the "
                "columns; expected one for each. Quote cells that hold the separator."
            )
    return [name.strip() for name in reader.fieldnames or ()], [
        {name.strip(): value for name, value in row.items()} for row in rows
    ]


def _comma(path: Path) -> str:
    """Return the separator: some programs write semicolons into CSV."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    return ";" if first.count(";") > first.count(",") else ","


def _read_parquet(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError(
            "Parquet tables need pyarrow, which is not installed: pip install 'terrazzo[tables]'."
        ) from None
    try:
        names = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=[n for n in names if n in (*NEEDED, *OPTIONAL)])
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}). Write it again.") from None
    for name in NEEDED:
        if name in table.column_names and not _is_text(table.schema.field(name).type):
            raise DataError(
                f"{path}: the column {name!r} holds {table.schema.field(name).type}; a manifest has paths "
                f"there. If images lie in the table itself, open it as huggingface:{path}."
            )
    return names, table.to_pylist()


def _is_text(kind: Any) -> bool:
    return str(kind) in {"string", "large_string", "string_view", "null"} or str(kind).startswith(
        "dictionary"
    )


def _check_columns(columns: Sequence[str], path: Path, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DataError(
            f"{path}: no column {' and no column '.join(map(repr, missing))}; expected "
            f"{' and '.join(needed)}, and where wanted {', '.join(OPTIONAL)}. "
            f"The table has: {', '.join(columns) or 'no columns'}."
        )
    for column in columns:
        for name in OPTIONAL:
            if name not in columns and SequenceMatcher(None, column.lower(), name).ratio() >= _SLIP:
                raise DataError(f"{path}: a column is called {column!r}; did you mean {name!r}? Rename it.")


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()
